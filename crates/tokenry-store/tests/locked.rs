//! A database that somebody else has locked.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]
#![allow(
    clippy::disallowed_methods,
    reason = "a test measures how long it waits, and speaks with its own child"
)]

use std::{
    env,
    io::{Read as _, Write as _},
    process::{Child, Command, Stdio},
    sync::mpsc::channel,
    thread,
    time::{Duration, Instant},
};

use diesel::{
    QueryableByName, RunQueryDsl as _, connection::SimpleConnection as _, sql_query, sql_types::Text,
};
use futures_executor::block_on;
use tokenry_domain::{Actor, AuditEvent, ClientInfo, EventKind, UserId};
use tokenry_store::{Store, StoreError, StoreSettings, Tx, audit, user};
use tokenry_testkit::{Held, Relay, TestDatabase, each_backend, user as new_user};

/// How long a unit waits.
const WAIT: Duration = Duration::from_millis(300);
/// Far more than all of them wait together, and less than one after another, or one with a fixed wait of five seconds.
const SOON: Duration = Duration::from_secs(4);

fn store(db: &TestDatabase, pool_wait: Duration) -> Store {
    Store::open(&db.url().parse().unwrap(), StoreSettings { pool_wait, ..StoreSettings::default() }).unwrap()
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

/// Ten at once, all of which are refused while the lock is held.
fn ten_are_refused(unit: impl Fn(usize) -> Result<(), StoreError> + Sync) {
    let start = Instant::now();
    thread::scope(|scope| {
        for n in 0..10 {
            let unit = &unit;
            scope.spawn(move || {
                let refused = unit(n);
                assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
            });
        }
    });
    let waited = start.elapsed();
    assert!(waited < SOON, "{waited:?}");
}

each_backend!(all_that_wait_for_a_foreign_lock_are_refused_together_and_never_carried_out, |db| {
    let store = &store(db, WAIT);
    for round in 0..2 {
        let held = db.hold_writes();
        ten_are_refused(|n| insert(store, &format!("late {n}")));
        assert!(subjects(store).iter().all(|subject| subject.starts_with("after ")), "reading goes on");
        drop(held);
        // Whatever was queued before it would be there by now.
        insert(store, &format!("after {round}")).unwrap();
    }
    assert_eq!(subjects(store), ["after 0", "after 1"]);
});

/// The locks of a creation, in their order.
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
fn whoever_waits_in_line_for_a_row_is_refused_with_the_others() {
    let Some(db) = TestDatabase::postgres() else { return };
    let store = &store(&db, WAIT);
    let owners = [db.user("alice").id, db.user("bob").id];
    // A row that each of them locks first, one that all lock last, and those who wait for the last with the first.
    for (rows, of) in [("users", 1), ("instance", 2), ("instance", 1)] {
        let held = db.hold(&format!("SELECT 1 FROM {rows} FOR UPDATE"));
        ten_are_refused(|n| create(store, owners[n % of], &format!("late {n}")));
        drop(held);
        create(store, owners[0], &format!("after {rows} {of}")).unwrap();
    }
    assert_eq!(subjects(store), ["after instance 1", "after instance 2", "after users 1", "alice", "bob"]);
}

#[derive(QueryableByName)]
struct Told {
    #[diesel(sql_type = Text)]
    text: String,
}

#[test]
fn the_server_is_told_how_long_a_unit_may_wait_and_before_each_row_what_is_left_of_it() {
    let Some(db) = TestDatabase::postgres() else { return };
    let owner = db.user("alice").id;
    store(&db, WAIT)
        .write(move |tx| -> Result<(), StoreError> {
            let told = |tx: &mut Tx<'_>| {
                let Tx::Postgres(c) = tx else { panic!("a server") };
                let query = sql_query("SELECT current_setting('lock_timeout') AS text");
                let told: Told = query.get_result(&mut **c).unwrap();
                told.text.strip_suffix("ms").unwrap().parse::<u32>().unwrap()
            };
            // Half of what is left, and the least.
            assert!((150..=300).contains(&told(tx)));
            thread::sleep(WAIT);
            user::lock(tx, owner)?;
            assert_eq!(told(tx), 150);
            Ok(())
        })
        .unwrap();
}

#[test]
fn whoever_reads_a_locked_table_is_refused_in_time_and_reads_when_it_is_free() {
    let Some(db) = TestDatabase::postgres() else { return };
    let store = &store(&db, WAIT);
    let public_id = &db.token(&db.user("alice")).insert().public_id;
    let held = db.hold("LOCK TABLE users, personal_access_tokens, retired_secrets IN ACCESS EXCLUSIVE MODE");
    ten_are_refused(|_| store.read(|tx| user::list(tx, None, None, 200)).map(drop));
    ten_are_refused(|n| insert(store, &format!("late {n}")));
    ten_are_refused(|_| block_on(store.credential(public_id)).map(drop));
    ten_are_refused(|n| match n % 2 {
        0 => block_on(store.credential(public_id)).map(drop),
        _ => block_on(store.retired_credential(public_id)).map(drop),
    });
    drop(held);
    assert!(block_on(store.credential(public_id)).unwrap().is_some());
    assert_eq!(subjects(store), ["alice"]);
}

#[test]
fn a_server_that_takes_no_new_connection_refuses_in_time() {
    let Some(db) = TestDatabase::postgres() else { return };
    let (relay, url) = Relay::to_database(db.url());
    let settings = StoreSettings { pool_wait: WAIT, ..StoreSettings::default() };
    let store = &Store::open(&url.parse().unwrap(), settings).unwrap();
    insert(store, "before").unwrap();
    relay.set_silent(true);
    // So that nobody asks on a connection that there is.
    db.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND application_name = 'tokenry'",
    );
    ten_are_refused(|n| insert(store, &format!("late {n}")));
    ten_are_refused(|_| store.read(|tx| user::list(tx, None, None, 200)).map(drop));
    relay.set_silent(false);
    let start = Instant::now();
    while insert(store, "after").is_err() {
        assert!(start.elapsed() < Duration::from_secs(30), "it is not used again");
    }
    assert_eq!(subjects(store), ["after", "before"]);
}

/// Names the database for the process that [`held_elsewhere`] starts.
const HOLD: &str = "TOKENRY_TEST_HOLD";

/// A process that holds the lock until its standard input ends.
fn held_elsewhere(db: &TestDatabase) -> Child {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "the_other_process", "--nocapture"])
        .env(HOLD, db.url())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = child.stdout.as_mut().unwrap();
    let mut said = String::new();
    while !said.contains("locked") {
        let mut bytes = [0; 256];
        let count = out.read(&mut bytes).unwrap();
        assert!(count > 0, "it ended: {said}");
        said.push_str(std::str::from_utf8(bytes.get(..count).unwrap()).unwrap());
    }
    child
}

#[test]
fn the_other_process() {
    // This is no test but what one of them starts, and has nothing to do by itself.
    let Ok(url) = env::var(HOLD) else { return };
    let _held = Held::at(&url, "");
    std::io::stdout().write_all(b"locked\n").unwrap();
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

#[test]
fn a_lock_of_another_process_refuses_all_alike_and_nobody_when_it_is_gone() {
    let db = TestDatabase::sqlite();
    let store = store(&db, WAIT);
    let mut process = held_elsewhere(&db);
    ten_are_refused(|n| insert(&store, &format!("late {n}")));
    process.kill().unwrap();
    process.wait().unwrap();
    insert(&store, "after").unwrap();
    assert_eq!(subjects(&store), ["after"]);
}

#[test]
fn a_unit_that_gets_the_write_lock_in_time_is_carried_out() {
    let db = TestDatabase::sqlite();
    let store = &store(&db, Duration::from_secs(20));
    let held = db.hold_writes();
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
fn what_was_refused_is_not_there_and_what_was_acknowledged_is_while_the_lock_comes_and_goes() {
    let db = &TestDatabase::sqlite();
    let store = &store(db, Duration::from_millis(30));
    let held = db.hold_writes();
    let mut made = thread::scope(|scope| {
        let writers: Vec<_> = (0..8)
            .map(|writer| {
                scope.spawn(move || -> Vec<String> {
                    let names = (0..20).map(|n| format!("user {writer} {n}"));
                    names.filter(|name| insert(store, name).is_ok()).collect()
                })
            })
            .collect();
        // Long enough that some are refused for certain.
        thread::sleep(WAIT);
        drop(held);
        while writers.iter().any(|writer| !writer.is_finished()) {
            let held = db.hold_writes();
            thread::sleep(Duration::from_millis(33));
            drop(held);
            thread::sleep(Duration::from_millis(3));
        }
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(made.len() < 160);
    // Behind whatever was queued.
    while insert(store, "last").is_err() {}
    made.push("last".to_owned());
    made.sort_unstable();
    assert_eq!(subjects(store), made);
}

#[test]
fn a_unit_behind_a_long_one_is_refused_in_time_and_the_long_one_is_carried_out() {
    let db = TestDatabase::sqlite();
    let store = &store(&db, WAIT);
    let ((begin, begun), (end, ended)) = (channel(), channel::<()>());
    thread::scope(|scope| {
        let long = scope.spawn(move || {
            store.write(move |tx: &mut Tx<'_>| {
                begin.send(()).unwrap();
                // Longer than anybody waits for a turn.
                let _ = ended.recv();
                user::insert(tx, &new_user("long"))
            })
        });
        begun.recv().unwrap();
        ten_are_refused(|n| insert(store, &format!("late {n}")));
        drop(end);
        long.join().unwrap().unwrap();
    });
    insert(store, "after").unwrap();
    assert_eq!(subjects(store), ["after", "long"]);
}

#[test]
fn a_store_that_is_closed_while_the_file_is_locked_leaves_no_thread() {
    let db = TestDatabase::sqlite();
    let store = store(&db, Duration::from_millis(100));
    let named = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
        let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
        names.filter(|name| name.trim() == "tokenry-writer").count()
    };
    let _held = db.hold_writes();
    ten_are_refused(|n| insert(&store, &format!("late {n}")));
    // That of the test's own database stays.
    assert_eq!(named(), 2);
    drop(store);
    // One that has told its end may be there for a moment.
    assert!((0..100).any(|_| named() == 1 || {
        thread::sleep(Duration::from_millis(10));
        false
    }));
}

#[test]
fn a_writer_whose_connection_cannot_begin_a_change_any_more_takes_another() {
    let db = TestDatabase::sqlite();
    // What SQLite itself does to a connection that has met a damaged page.
    let closed: Result<(), StoreError> = db.store().write(|tx| {
        let Tx::Sqlite(c) = tx else { panic!("a file") };
        Ok(c.batch_execute("PRAGMA query_only = ON")?)
    });
    closed.unwrap();
    let refused = insert(db.store(), "refused");
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    insert(db.store(), "after").unwrap();
    assert_eq!(subjects(db.store()), ["after"]);
}
