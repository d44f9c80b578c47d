//! A switchover to another primary.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::disallowed_methods, reason = "the test waits with a deadline")]

use std::{
    sync::Barrier,
    time::{Duration, Instant},
};

use futures_executor::block_on;
use tokenry_domain::{Actor, Revocation, Token};
use tokenry_store::{Store, StoreError, StoreSettings, token};
use tokenry_testkit::{Cluster, FloatingAddress, TestDatabase, at, create_database};

fn revoke(store: &Store, of: &Token) -> Result<(), StoreError> {
    let (id, revocation) = (of.id, Revocation { at: at(10), by: Actor::System, reason: None });
    store.write(move |tx| token::mark_revoked(tx, id, &revocation)).map(drop)
}

fn is_revoked(store: &Store, of: &Token) -> Result<bool, StoreError> {
    // A missing row would be a 401 for a valid token.
    Ok(block_on(store.credential(&of.public_id))?.unwrap().token.revoked.is_some())
}

/// Retries while the store is unavailable, for at most 30 seconds.
fn retry<T>(mut work: impl FnMut() -> Result<T, StoreError>) -> T {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        match work() {
            Ok(value) => return value,
            Err(StoreError::Unavailable(_)) if Instant::now() < end => {}
            Err(error) => panic!("{error}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_revocation_on_the_new_primary_is_never_missed_by_reading_another_server() {
    let Some(mut old) = Cluster::start() else { return };
    create_database(&old.url("postgres"), "tokens").unwrap();
    let new = old.standby();
    let address = FloatingAddress::to(old.port());
    let url = format!("postgres://tokenry@127.0.0.1:{}/tokens", address.port());
    let db = TestDatabase::at(url.clone());
    let store = db.store();
    let owner = db.user("alice");
    let tokens: Vec<_> = (0..4).map(|_| db.token(&owner).insert()).collect();
    let [first, second, third, fourth] = tokens.as_slice() else { unreachable!() };
    assert!(!is_revoked(store, first).unwrap());
    new.wait_for("SELECT 1 FROM personal_access_tokens OFFSET 3", "tokens");

    // The address leads to a new primary; the old one keeps running and keeps its connections.
    new.promote();
    address.redirect_to(new.port());
    // The reader and the pooled connections are still connected to the old primary.
    assert!(!is_revoked(store, first).unwrap());
    let units = StoreSettings::default().pool_size;
    let begun = Barrier::new(usize::try_from(units).unwrap());
    std::thread::scope(|scope| {
        for _ in 0..units {
            scope.spawn(|| {
                let _: Result<(), StoreError> = store.read(|_| {
                    begun.wait();
                    Ok(())
                });
            });
        }
    });
    // The concurrent units have opened further connections, so the new primary is known.
    retry(|| revoke(store, first));
    new.wait_for("SELECT 1 FROM personal_access_tokens WHERE revoked_at IS NOT NULL", "tokens");
    for _ in 0..100 {
        match is_revoked(store, first) {
            Ok(is_revoked) => assert!(is_revoked, "it was read from the old primary"),
            Err(error) => assert!(matches!(error, StoreError::Unavailable(_)), "{error}"),
        }
    }
    assert!(retry(|| is_revoked(store, first)));
    assert!(!retry(|| is_revoked(store, second)));

    // The address leads back by mistake: the promoted server is the newer one, although both are writable.
    address.redirect_to(old.port());
    new.disconnect();
    assert!(matches!(revoke(store, second), Err(StoreError::Unavailable(_))));
    assert!(matches!(is_revoked(store, second), Err(StoreError::Unavailable(_))));
    address.redirect_to(new.port());
    retry(|| revoke(store, second));
    assert!(retry(|| is_revoked(store, second)));

    // The old primary becomes a standby, and the address leads to it.
    old.follow(&new);
    address.redirect_to(old.port());
    new.disconnect();
    for _ in 0..2 {
        assert!(matches!(revoke(store, third), Err(StoreError::Unavailable(_))));
        assert!(matches!(is_revoked(store, third), Err(StoreError::Unavailable(_))));
        assert!(store.is_ready().is_err());
    }
    let opened = Store::open(&url.parse().unwrap(), StoreSettings::default());
    let message = opened.err().unwrap().to_string();
    assert!(message.contains("the server is a standby or read-only: Tokenry needs the primary"), "{message}");
    address.redirect_to(new.port());
    retry(|| revoke(store, third));
    assert!(retry(|| is_revoked(store, third)) && !is_revoked(store, fourth).unwrap());

    // A server that becomes read-only while connections are open.
    let set_read_only = |value: &str| {
        new.execute(&format!("ALTER SYSTEM SET default_transaction_read_only = {value}"), "postgres");
        new.execute("SELECT pg_reload_conf()", "postgres");
    };
    set_read_only("on");
    let end = Instant::now() + Duration::from_secs(10);
    while revoke(store, fourth).is_ok() || is_revoked(store, fourth).is_ok() {
        assert!(Instant::now() < end, "the read-only server is not detected");
    }
    set_read_only("off");
    retry(|| revoke(store, fourth));
    assert!(retry(|| is_revoked(store, fourth)));
}
