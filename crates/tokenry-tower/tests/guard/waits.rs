//! Waiting for a hash holds no thread of the executor.

use std::sync::atomic::{AtomicBool, Ordering};

use tokenry_testkit::{TestDatabase, http::get};
use tokenry_tower::{
    TrustedProxies,
    tokenry::{HashSettings, Scheme, SlowHash},
};

use crate::servers::{Servers, settings};

#[test]
fn other_requests_are_answered_while_a_hash_is_computed() {
    let db = TestDatabase::sqlite();
    let mut settings = settings();
    settings.hash = HashSettings::new(Scheme::Bcrypt).with_bcrypt_cost(13);
    settings.slow_hash = SlowHash::Always;
    let servers = Servers::with(&db, settings, &TrustedProxies::default());
    let (_, good) = servers.token(&servers.user("alice"), &["demo:read"], |_, _| {});
    let is_verified = AtomicBool::new(false);
    let mut answered = 0;
    std::thread::scope(|scope| {
        // The first use in this process computes the hash, on an executor with one thread.
        scope.spawn(|| {
            let answer = get(servers.axum, "/guarded", &[format!("Bearer {good}").as_bytes()]);
            is_verified.store(true, Ordering::SeqCst);
            assert_eq!(answer.status, 200);
        });
        while !is_verified.load(Ordering::SeqCst) {
            assert_eq!(get(servers.axum, "/public", &[]).status, 200);
            answered += 1;
        }
    });
    // If the hash held the thread, at most those before and after it would be answered.
    assert!(answered > 10, "{answered}");
}
