//! Units of work on a database that another session has locked.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]
#![allow(
    clippy::disallowed_methods,
    reason = "the test measures how long it waits, and talks to a child process"
)]

use std::{
    env,
    io::{Read as _, Write as _},
    process::{Child, Command, Stdio},
    sync::mpsc::channel,
    thread,
    time::{Duration, Instant},
};

use futures_executor::block_on;
use tokenry_domain::{Actor, AuditEvent, ClientInfo, EventKind, UserId};
use tokenry_store::{Store, StoreError, StoreSettings, Tx, audit, user};
use tokenry_testkit::{LockHolder, Relay, TestDatabase, each_backend, user as new_user};

/// The pool's wait.
const WAIT: Duration = Duration::from_millis(300);
/// Far longer than ten units that wait at the same time, and shorter than one after another or a fixed wait of 5 s.
const LIMIT: Duration = Duration::from_secs(4);

fn store(db: &TestDatabase, pool_wait: Duration) -> Store {
    Store::open(&db.url().parse().unwrap(), StoreSettings::default().with_pool_wait(pool_wait)).unwrap()
}

fn insert(store: &Store, subject: &str) -> Result<(), StoreError> {
    let row = new_user(subject);
    store.write(move |tx| user::insert(tx, &row))
}

fn subjects(store: &Store) -> Vec<String> {
    let (users, _) = store.read(|tx| user::list(tx, None, None, 200)).unwrap();
    let mut subjects: Vec<_> = users.iter().map(|user| user.subject.to_string()).collect();
    subjects.sort_unstable();
    subjects
}

/// Runs ten units at once and asserts that all fail in time.
fn assert_ten_fail(unit: impl Fn(usize) -> Result<(), StoreError> + Sync) {
    let start = Instant::now();
    thread::scope(|scope| {
        for n in 0..10 {
            let unit = &unit;
            scope.spawn(move || {
                let result = unit(n);
                assert!(matches!(result, Err(StoreError::Unavailable(_))), "{result:?}");
            });
        }
    });
    let waited = start.elapsed();
    assert!(waited < LIMIT, "{waited:?}");
}

each_backend!(units_that_wait_for_a_foreign_lock_fail_together_and_are_never_executed, |db| {
    let store = &store(db, WAIT);
    for round in 0..2 {
        let held = db.lock_writes();
        assert_ten_fail(|n| insert(store, &format!("late {n}")));
        assert!(subjects(store).iter().all(|subject| subject.starts_with("after ")), "reads still work");
        drop(held);
        // All units queued before this one would be stored by now.
        insert(store, &format!("after {round}")).unwrap();
    }
    assert_eq!(subjects(store), ["after 0", "after 1"]);
});

/// Takes the locks of a token creation in their order.
fn create(store: &Store, owner: UserId, name: &str) -> Result<(), StoreError> {
    let row = new_user(name);
    let event = AuditEvent {
        at: row.created_at,
        kind: EventKind::UserCreated,
        actor: Actor::System,
        user_id: Some(row.id),
        token_id: None,
        client: ClientInfo::default(),
        detail: serde_json::Map::new(),
    };
    store.write(move |tx| {
        user::lock(tx, owner)?;
        user::insert(tx, &row)?;
        audit::append(tx, &event, |_, _| [7; 32])
    })
}

#[test]
fn units_queued_for_a_row_lock_fail_together() {
    let Some(db) = TestDatabase::postgres() else { return };
    let store = &store(&db, WAIT);
    let owners = [db.user("alice").id, db.user("bob").id];
    // Units wait for the first lock, for the last lock, and for the last lock while one of them holds the first.
    for (rows, of) in [("users", 1), ("instance", 2), ("instance", 1)] {
        let held = db.lock(&format!("SELECT 1 FROM {rows} FOR UPDATE"));
        assert_ten_fail(|n| create(store, owners[n % of], &format!("late {n}")));
        drop(held);
        create(store, owners[0], &format!("after {rows} {of}")).unwrap();
    }
    assert_eq!(subjects(store), ["after instance 1", "after instance 2", "after users 1", "alice", "bob"]);
}

#[test]
fn reads_of_a_locked_table_fail_in_time_and_succeed_when_it_is_unlocked() {
    let Some(db) = TestDatabase::postgres() else { return };
    let store = &store(&db, WAIT);
    let public_id = &db.token(&db.user("alice")).insert().public_id;
    let held = db.lock("LOCK TABLE users, personal_access_tokens, retired_secrets IN ACCESS EXCLUSIVE MODE");
    assert_ten_fail(|_| store.read(|tx| user::list(tx, None, None, 200)).map(drop));
    assert_ten_fail(|n| insert(store, &format!("late {n}")));
    assert_ten_fail(|_| block_on(store.credential(public_id)).map(drop));
    assert_ten_fail(|n| match n % 2 {
        0 => block_on(store.credential(public_id)).map(drop),
        _ => block_on(store.retired_credential(public_id)).map(drop),
    });
    drop(held);
    assert!(block_on(store.credential(public_id)).unwrap().is_some());
    assert_eq!(subjects(store), ["alice"]);
}

#[test]
fn units_fail_in_time_when_the_server_accepts_no_connection() {
    let Some(db) = TestDatabase::postgres() else { return };
    let (relay, url) = Relay::to_database(db.url());
    let settings = StoreSettings::default().with_pool_wait(WAIT);
    let store = &Store::open(&url.parse().unwrap(), settings).unwrap();
    insert(store, "before").unwrap();
    relay.set_silent(true);
    // Close all open connections.
    db.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND application_name = 'tokenry'",
    );
    assert_ten_fail(|n| insert(store, &format!("late {n}")));
    assert_ten_fail(|_| store.read(|tx| user::list(tx, None, None, 200)).map(drop));
    relay.set_silent(false);
    let start = Instant::now();
    while insert(store, "after").is_err() {
        assert!(start.elapsed() < Duration::from_secs(30), "writes still fail");
    }
    assert_eq!(subjects(store), ["after", "before"]);
}

/// Names the database for the process that [`lock_in_another_process`] starts.
const HOLD: &str = "TOKENRY_TEST_HOLD";

/// Starts a process that holds the lock until its standard input ends.
fn lock_in_another_process(db: &TestDatabase) -> Child {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "the_other_process", "--nocapture"])
        .env(HOLD, db.url())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = child.stdout.as_mut().unwrap();
    let mut output = String::new();
    while !output.contains("locked") {
        let mut bytes = [0; 256];
        let count = out.read(&mut bytes).unwrap();
        assert!(count > 0, "the process ended: {output}");
        output.push_str(std::str::from_utf8(bytes.get(..count).unwrap()).unwrap());
    }
    child
}

#[test]
fn the_other_process() {
    // The entry point of the process that another test starts; does nothing when run as a test.
    let Ok(url) = env::var(HOLD) else { return };
    let _held = LockHolder::at(&url, "");
    std::io::stdout().write_all(b"locked\n").unwrap();
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

#[test]
fn a_lock_of_another_process_fails_all_units_and_none_after_it_is_released() {
    let db = TestDatabase::sqlite();
    let store = store(&db, WAIT);
    let mut process = lock_in_another_process(&db);
    assert_ten_fail(|n| insert(&store, &format!("late {n}")));
    process.kill().unwrap();
    process.wait().unwrap();
    insert(&store, "after").unwrap();
    assert_eq!(subjects(&store), ["after"]);
}

#[test]
fn a_unit_that_gets_the_write_lock_in_time_is_executed() {
    let db = TestDatabase::sqlite();
    let store = &store(&db, Duration::from_secs(20));
    let held = db.lock_writes();
    thread::scope(|scope| {
        let units: Vec<_> =
            (0..200).map(|n| scope.spawn(move || insert(store, &format!("user {n}")))).collect();
        thread::sleep(Duration::from_millis(200));
        assert!(units.iter().all(|unit| !unit.is_finished()));
        drop(held);
        units.into_iter().for_each(|unit| unit.join().unwrap().unwrap());
    });
    assert_eq!(subjects(store).len(), 200);
}

#[test]
fn exactly_the_acknowledged_units_are_stored_while_the_lock_is_taken_and_released() {
    let db = &TestDatabase::sqlite();
    let store = &store(db, Duration::from_millis(30));
    let held = db.lock_writes();
    let mut acknowledged = thread::scope(|scope| {
        let writers: Vec<_> = (0..8)
            .map(|writer| {
                scope.spawn(move || -> Vec<String> {
                    let names = (0..20).map(|n| format!("user {writer} {n}"));
                    names.filter(|name| insert(store, name).is_ok()).collect()
                })
            })
            .collect();
        // Long enough that some units fail.
        thread::sleep(WAIT);
        drop(held);
        while writers.iter().any(|writer| !writer.is_finished()) {
            let held = db.lock_writes();
            thread::sleep(Duration::from_millis(33));
            drop(held);
            thread::sleep(Duration::from_millis(3));
        }
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(acknowledged.len() < 160);
    // Runs after all units that are still queued.
    while insert(store, "last").is_err() {}
    acknowledged.push("last".to_owned());
    acknowledged.sort_unstable();
    assert_eq!(subjects(store), acknowledged);
}

#[test]
fn a_unit_behind_a_long_one_fails_in_time_and_the_long_one_is_executed() {
    let db = TestDatabase::sqlite();
    let store = &store(&db, WAIT);
    let ((start, started), (end, ended)) = (channel(), channel::<()>());
    thread::scope(|scope| {
        let long = scope.spawn(move || {
            store.write(move |tx: &mut Tx<'_>| {
                start.send(()).unwrap();
                // Longer than the wait of the other units.
                let _ = ended.recv();
                user::insert(tx, &new_user("long"))
            })
        });
        started.recv().unwrap();
        assert_ten_fail(|n| insert(store, &format!("late {n}")));
        drop(end);
        long.join().unwrap().unwrap();
    });
    insert(store, "after").unwrap();
    assert_eq!(subjects(store), ["after", "long"]);
}

#[test]
fn closing_a_store_while_the_file_is_locked_ends_its_threads() {
    let db = TestDatabase::sqlite();
    let store = store(&db, Duration::from_millis(100));
    let writer_threads = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
        let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
        names.filter(|name| name.trim() == "tokenry-writer").count()
    };
    let _held = db.lock_writes();
    assert_ten_fail(|n| insert(&store, &format!("late {n}")));
    // One of them belongs to the store of the test fixture.
    assert_eq!(writer_threads(), 2);
    drop(store);
    // A thread that has ended may be listed for another moment.
    assert!((0..100).any(|_| writer_threads() == 1 || {
        thread::sleep(Duration::from_millis(10));
        false
    }));
}
