//! The guarantees of the live read under concurrent reads and changes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::sync::atomic::{AtomicBool, Ordering};

use futures_executor::block_on;
use tokenry_domain::{Actor, Revocation};
use tokenry_store::{Store, StoreError, StoreSettings, token, user};
use tokenry_testkit::{Relay, TestDatabase, at, each_backend, user as new_user};

/// Runs `work` while four threads read continuously.
fn under_reads(store: &Store, public_ids: &[tokenry_domain::PublicId], work: impl FnOnce()) {
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !is_done.load(Ordering::Relaxed) {
                    for public_id in public_ids {
                        assert!(block_on(store.credential(public_id)).unwrap().is_some());
                    }
                }
            });
        }
        work();
        is_done.store(true, Ordering::Relaxed);
    });
}

each_backend!(a_read_sees_every_change_acknowledged_before_it_started, |db| {
    let owner = db.user("alice");
    let tokens: Vec<_> = (0..200).map(|_| db.token(&owner).insert()).collect();
    let public_ids: Vec<_> = tokens.iter().map(|token| token.public_id.clone()).collect();
    let second = db.second_store();
    under_reads(db.store(), &public_ids, || {
        for (n, token) in tokens.iter().enumerate() {
            let writer = [db.store(), &second][n % 2];
            let revocation = Revocation { at: at(10), by: Actor::System, reason: None };
            let id = token.id;
            writer.write(move |tx| token::mark_revoked(tx, id, &revocation)).unwrap();
            for store in [db.store(), &second] {
                let found = block_on(store.credential(&token.public_id)).unwrap().unwrap();
                assert!(found.token.revoked.is_some(), "an outdated row of token {n} was read");
            }
        }
    });
});

each_backend!(concurrent_requests_for_one_token_all_get_a_result, |db| {
    let owner = db.user("alice");
    let (one, other) = (db.token(&owner).insert(), db.token(&owner).insert());
    std::thread::scope(|scope| {
        for n in 0..16 {
            let token = [&one, &other][n % 2];
            scope.spawn(move || {
                for _ in 0..100 {
                    let seen = block_on(db.store().credential(&token.public_id)).unwrap().unwrap();
                    assert_eq!(seen.token.id, token.id);
                }
            });
        }
    });
});

#[test]
fn continuous_reads_do_not_let_the_write_ahead_log_grow_without_bound() {
    let db = TestDatabase::sqlite();
    let owner = db.user("alice");
    let public_ids = [db.token(&owner).insert().public_id];
    under_reads(db.store(), &public_ids, || {
        for n in 0..2000 {
            let written: Result<(), StoreError> =
                db.store().write(move |tx| user::insert(tx, &new_user(&format!("user {n}"))));
            written.unwrap();
        }
    });
    let log = std::fs::read_dir(db.folder().unwrap()).unwrap().flatten();
    let log = log.filter(|file| file.file_name().to_string_lossy().ends_with("-wal"));
    let bytes: u64 = log.map(|file| file.metadata().unwrap().len()).sum();
    // 2000 commits of five pages of 4 KiB are 40 MB; the log restarts after about 4 MB.
    assert!((1..16 << 20).contains(&bytes), "{bytes} bytes");
}

#[test]
fn an_unresponsive_postgres_is_unavailable_within_seconds_and_read_again_when_it_responds() {
    let Some(db) = TestDatabase::postgres() else { return };
    let (relay, url) = Relay::to_database(db.url());
    let store = Store::open(&url.parse().unwrap(), StoreSettings::default()).unwrap();
    let public_id = db.token(&db.user("alice")).insert().public_id;
    let read = || block_on(store.credential(&public_id));
    assert!(read().unwrap().is_some());
    relay.set_silent(true);
    // The first read waits until its thread is abandoned; the others fail on the next thread.
    for _ in 0..3 {
        assert!(matches!(read(), Err(StoreError::Unavailable(_))));
    }
    relay.set_silent(false);
    assert!((0..20).any(|_| read().is_ok_and(|found| found.is_some())), "reads still fail");
}
