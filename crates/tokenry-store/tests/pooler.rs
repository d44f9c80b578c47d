//! Connections through PgBouncer.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::disallowed_methods, reason = "the test waits with a deadline")]

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use futures_executor::block_on;
use tokenry_domain::{Actor, Revocation};
use tokenry_store::{Store, StoreError, StoreSettings, token};
use tokenry_testkit::{Pooler, TestDatabase, at};

const MESSAGE: &str = "needs session pooling or a direct connection";

fn name_of(db: &TestDatabase) -> String {
    db.url().rsplit('/').next().unwrap().split('?').next().unwrap().to_owned()
}

#[test]
fn a_pooler_that_shares_sessions_is_rejected_at_startup() {
    let Some(db) = TestDatabase::postgres() else { return };
    for mode in ["transaction", "statement"] {
        let Some(pooler) = Pooler::start(db.url(), mode) else { return };
        let open = || Store::open(&pooler.url(&name_of(&db)).parse().unwrap(), StoreSettings::default());
        for _ in 0..5 {
            let error = open().err().unwrap();
            assert!(
                matches!(&error, StoreError::Unusable(text) if text.contains(MESSAGE)),
                "{mode}: {error}"
            );
        }
        // Also while other clients use the pooler's sessions.
        let is_done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while !is_done.load(Ordering::Relaxed) {
                        drop(open())
                    }
                });
            }
            for _ in 0..10 {
                let error = open().err().unwrap();
                assert!(matches!(error, StoreError::Unusable(_)), "{mode}: {error}");
            }
            is_done.store(true, Ordering::Relaxed);
        });
    }
}

#[test]
fn a_pooler_in_session_mode_works_like_a_direct_connection() {
    let Some(db) = TestDatabase::postgres() else { return };
    let Some(pooler) = Pooler::start(db.url(), "session") else { return };
    let through = TestDatabase::at(pooler.url(&name_of(&db)));
    let owner = through.user("alice");
    let tokens: Vec<_> = (0..20).map(|_| through.token(&owner).insert()).collect();
    let read = |token: &tokenry_domain::Token| {
        block_on(through.store().credential(&token.public_id)).unwrap().unwrap()
    };
    std::thread::scope(|scope| {
        for token in &tokens {
            scope.spawn(|| assert!(read(token).token.revoked.is_none()));
        }
    });
    for token in &tokens {
        let (id, revocation) = (token.id, Revocation { at: at(10), by: Actor::System, reason: None });
        through.store().write(move |tx| token::mark_revoked(tx, id, &revocation)).unwrap();
        assert!(read(token).token.revoked.is_some());
    }
}

#[test]
fn a_pooler_that_starts_to_share_sessions_is_detected() {
    let Some(db) = TestDatabase::postgres() else { return };
    let Some(pooler) = Pooler::start(db.url(), "session") else { return };
    let through = TestDatabase::at(pooler.url(&name_of(&db)));
    let public_id = through.token(&through.user("alice")).insert().public_id;
    pooler.set_mode("transaction");
    let (is_detected, end) = (AtomicBool::new(false), Instant::now() + Duration::from_secs(30));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !is_detected.load(Ordering::Relaxed) && Instant::now() < end {
                    let read = block_on(through.store().credential(&public_id));
                    // Either the right result or an error, never a wrong result.
                    let found =
                        read.as_ref().map(|found| found.as_ref().unwrap().token.public_id == public_id);
                    let unit: Result<(), StoreError> = through.store().write(|_| Ok(()));
                    for error in [found.map(|is_right| assert!(is_right)).err().cloned(), unit.err()]
                        .into_iter()
                        .flatten()
                    {
                        assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
                        is_detected.fetch_or(error.to_string().contains(MESSAGE), Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert!(is_detected.load(Ordering::Relaxed), "shared sessions were not detected");
}
