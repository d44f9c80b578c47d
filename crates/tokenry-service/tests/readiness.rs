//! Readiness reports whether an installation can work.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

use std::time::{Duration, Instant};

use tokenry_service::{CheckState, Finding, Readiness, Settings, Store, StoreSettings, Tokenry};
use tokenry_testkit::{Cluster, Relay, TestDatabase, at, each_backend};

fn service(url: &str) -> Tokenry {
    let store = Store::open(&url.parse().unwrap(), StoreSettings::default()).unwrap();
    Tokenry::new(store, Settings::default()).unwrap()
}

fn ask(tokenry: &Tokenry) -> Readiness {
    futures_executor::block_on(tokenry.readiness(at(0)))
}

fn failed(readiness: &Readiness) -> Vec<&'static str> {
    let failed = readiness.checks.iter().filter(|check| check.state == CheckState::Failed);
    failed.map(|check| check.name).collect()
}

#[allow(clippy::disallowed_methods, reason = "it is about how long something takes")]
fn now() -> Instant {
    Instant::now()
}

fn until(is_so: impl Fn() -> bool) {
    let start = now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(30), "the condition did not hold within 30 seconds");
        std::thread::sleep(Duration::from_millis(20));
    }
}

each_backend!(a_working_installation_is_ready_and_the_check_changes_nothing, |db| {
    let tokenry = Tokenry::new(db.store().clone(), Settings::default()).unwrap();
    let writes = db.store().writes();
    let readiness = ask(&tokenry);
    assert!(readiness.is_ready, "{readiness:?}");
    let names: Vec<_> = readiness.checks.iter().map(|check| check.name).collect();
    assert_eq!(names[..6], ["reading", "writing", "verification", "nodes", "migrations", "workers"]);
    assert_eq!(db.store().writes(), writes, "the check writes nothing");
});

#[test]
fn a_server_whose_standbys_are_all_asynchronous_is_a_warning() {
    let Some(primary) = Cluster::start() else { return };
    let check = || {
        let readiness = ask(&service(&primary.url("postgres")));
        let check = readiness.checks.iter().find(|check| check.name == "replication").unwrap();
        (readiness.is_ready, check.state, check.detail.clone().unwrap_or_default())
    };
    drop(TestDatabase::at(primary.url("postgres")));
    assert_eq!(check(), (true, CheckState::Ok, String::new()));
    let _standby = primary.standby();
    primary.wait_for("SELECT 1 FROM pg_stat_replication", "postgres");
    let (is_ready, state, detail) = check();
    assert!(is_ready && state == CheckState::Warning, "{detail}");
    assert!(detail.contains("all standbys are asynchronous (1 connected"), "{detail}");
}

#[test]
fn a_database_that_only_reads_is_not_ready() {
    let Some(db) = TestDatabase::postgres() else { return };
    let tokenry = service(db.url());
    assert!(ask(&tokenry).is_ready);
    db.execute(
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END $$;",
    );
    // Disconnects all existing connections, as a switchover does.
    db.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid();",
    );
    until(|| failed(&ask(&tokenry)).contains(&"writing"));
}

#[test]
fn a_file_locked_by_another_process_is_not_ready_until_it_is_unlocked() {
    let db = TestDatabase::sqlite();
    let tokenry = service(db.url());
    let other = db.second_store();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let (lock, locked) = std::sync::mpsc::channel();
    let holder = std::thread::spawn(move || {
        let held: Result<(), tokenry_service::StoreError> = other.write(move |_| {
            lock.send(()).unwrap();
            let _ = released.recv();
            Ok(())
        });
        held.unwrap();
    });
    locked.recv().unwrap();
    let start = now();
    assert_eq!(failed(&ask(&tokenry)), ["writing"]);
    assert!(start.elapsed() < Duration::from_secs(8));
    drop(release);
    holder.join().unwrap();
    until(|| ask(&tokenry).is_ready);
}

/// The number of threads of this process with this name.
fn threads(name: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    names.filter(|found| found.trim() == name).count()
}

#[test]
fn a_frozen_database_is_reported_in_time_by_few_threads_and_is_ready_after_recovery() {
    let Some(db) = TestDatabase::postgres() else { return };
    let (relay, url) = Relay::to_database(db.url());
    let tokenry = service(&url);
    assert!(ask(&tokenry).is_ready);
    relay.set_silent(true);
    for _ in 0..3 {
        std::thread::scope(|scope| {
            for _ in 0..30 {
                scope.spawn(|| {
                    let start = now();
                    let found = failed(&ask(&tokenry));
                    assert!(found.contains(&"reading") && found.contains(&"writing"), "{found:?}");
                    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
                });
            }
        });
    }
    assert!(threads("tokenry-check") <= 10, "{} threads", threads("tokenry-check"));
}

each_backend!(a_readiness_check_of_the_embedding_program_runs_and_its_panic_is_a_failure, |db| {
    let tokenry = service(db.url());
    tokenry.add_check("log", |_| Finding::warning("3 lines were lost"));
    let readiness = ask(&tokenry);
    let log = readiness.checks.iter().find(|check| check.name == "log").unwrap();
    assert!(readiness.is_ready && log.state == CheckState::Warning);
    tokenry.add_check("broken", |_| panic!("for this test"));
    for _ in 0..5 {
        assert_eq!(failed(&ask(&tokenry)), ["broken"]);
    }
});
