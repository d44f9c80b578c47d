//! Background threads that panic and are restarted.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

use std::{
    sync::Arc,
    task::{Context, Wake, Waker},
    time::{Duration, Instant},
};

use tokenry_store::{Store, StoreError, StoreSettings, supervisor::WorkerState, user};
use tokenry_testkit::{TestDatabase, each_backend, user as new_user};

/// A panic payload whose drop panics again, outside of the code that catches panics.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("for this test");
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "the test waits with a deadline")]
fn wait_until(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(20), "timed out");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn worker(store: &Store, name: &str) -> WorkerState {
    store.workers().states().into_iter().find(|state| state.name == name).unwrap()
}

#[test]
fn a_writer_that_panics_fails_its_units_and_is_restarted() {
    let db = TestDatabase::sqlite();
    for n in 1..=3 {
        // The payload of this panic is dropped by the writer, outside of the unit.
        let failed: Result<(), StoreError> = db.store().write(|_| std::panic::panic_any(Bomb));
        assert!(matches!(failed, Err(StoreError::Unavailable(_))), "{failed:?}");
        wait_until(|| {
            let writer = worker(db.store(), "writer");
            writer.failures == n && writer.down_for.is_none()
        });
        let row = new_user(&format!("user {n}"));
        let written: Result<(), StoreError> = db.store().write(move |tx| user::insert(tx, &row));
        written.unwrap();
    }
}

#[test]
fn every_unit_gets_a_result_while_the_writer_is_down() {
    let db = &TestDatabase::sqlite();
    std::thread::scope(|scope| {
        for n in 0..40 {
            scope.spawn(move || match n % 4 {
                0 => {
                    let failed: Result<(), StoreError> = db.store().write(|_| std::panic::panic_any(Bomb));
                    assert!(matches!(failed, Err(StoreError::Unavailable(_))));
                }
                // Every call returns, and an acknowledged change is stored.
                _ => {
                    let row = new_user(&format!("user {n}"));
                    let written: Result<(), StoreError> = db.store().write({
                        let row = row.clone();
                        move |tx| user::insert(tx, &row)
                    });
                    if written.is_ok() {
                        let found: Result<_, StoreError> = db.store().read(|tx| user::find(tx, row.id));
                        assert!(found.unwrap().is_some());
                    }
                }
            });
        }
    });
}

struct PanickingWaker;

impl Wake for PanickingWaker {
    fn wake(self: Arc<Self>) {
        panic!("for this test");
    }
}

#[test]
fn a_reader_that_panics_is_restarted() {
    let Some(db) = TestDatabase::postgres() else { return };
    let token = db.token(&db.user("alice")).insert();
    let store = db.store();
    {
        let mut read = Box::pin(store.credential(&token.public_id));
        let waker = Waker::from(Arc::new(PanickingWaker));
        assert!(read.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        wait_until(|| worker(store, "reader").failures == 1);
    }
    wait_until(|| worker(store, "reader").down_for.is_none());
    let found = futures_executor::block_on(store.credential(&token.public_id)).unwrap();
    assert_eq!(found.unwrap().token.id, token.id);
}

each_backend!(a_store_that_is_closed_stops_its_threads_without_a_failure, |db| {
    let store = Store::open(&db.url().parse().unwrap(), StoreSettings::default()).unwrap();
    let workers = store.workers().clone();
    assert!(!workers.states().is_empty() && workers.states().iter().all(|state| state.failures == 0));
    drop(store);
    assert!(workers.states().is_empty());
});
