//! What an installation with `max_staleness` may see late, and what it must see at once.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use common::{at, issue, operator, service, settings, user, verify, with_secret_of};
use tokenry_service::{
    Activation, Limits, Monotonic, Policy, Rejection, Rotation, TokenChanges, TokenId, Tokenry, UsageEvent,
    UserChanges, VerifyError,
};
use tokenry_store::Store;
use tokenry_testkit::{TestDatabase, each_backend};

const BOUND: i64 = 60;

/// A node with a `max_staleness` of one minute.
fn stale_node(db: &TestDatabase) -> Tokenry {
    stale_node_with_clock(db, Monotonic::system())
}

/// Such a node with a clock that the test sets.
fn stale_node_with_clock(db: &TestDatabase, monotonic: Monotonic) -> Tokenry {
    stale_node_on(db.second_store(), monotonic)
}

fn stale_node_on(store: Store, monotonic: Monotonic) -> Tokenry {
    let bound = Duration::from_secs(BOUND.unsigned_abs());
    let limits = Limits::unlimited();
    let settings = settings(Policy::default().with_limits(limits));
    Tokenry::new(store, settings.with_max_staleness(bound).with_monotonic(monotonic)).unwrap()
}

fn is_rejected(tokenry: &Tokenry, text: &str, seconds: i64, rejection: Rejection) -> bool {
    match verify(tokenry, text, seconds) {
        Ok(_) => false,
        Err(VerifyError::Rejected(seen)) => {
            assert_eq!(seen, rejection);
            true
        }
        Err(error) => panic!("{error}"),
    }
}

fn pause(tokenry: &Tokenry, id: TokenId, is_active: bool) {
    let switch = Some(if is_active { Activation::Active } else { Activation::Inactive });
    let changes = TokenChanges::default().with_switch(switch);
    tokenry.update_token(&operator(2), id, changes).unwrap();
}

each_backend!(changes_by_another_process_are_seen_within_max_staleness, |db| {
    let (node, other) = (stale_node(db), service(db));
    let alice = user(&other, "alice", "user");
    let (token, text) = issue(&other, &alice, &["demo:read"]);
    verify(&node, &text, 10).unwrap();
    other.revoke_token(&operator(11), token.id, None).unwrap();
    // A stale row is accepted within the bound …
    assert!(verify(&node, &text, 10 + BOUND - 1).is_ok());
    // … and not beyond it.
    assert!(is_rejected(&node, &text, 10 + BOUND, Rejection::Revoked));
    assert!(is_rejected(&node, &text, 10 + BOUND + 1, Rejection::Revoked));
    assert!(is_rejected(&other, &text, 11, Rejection::Revoked));
});

each_backend!(changes_by_this_process_are_seen_at_once, |db| {
    let node = stale_node(db);
    let alice = user(&node, "alice", "user");
    let (token, text) = issue(&node, &alice, &["demo:read"]);
    verify(&node, &text, 1).unwrap();
    pause(&node, token.id, false);
    assert!(is_rejected(&node, &text, 2, Rejection::Inactive));
    pause(&node, token.id, true);
    verify(&node, &text, 2).unwrap();
    node.update_user(&operator(3), alice.id, UserChanges::default().with_disabled(true)).unwrap();
    assert!(is_rejected(&node, &text, 3, Rejection::OwnerDisabled));
    node.update_user(&operator(3), alice.id, UserChanges::default().with_disabled(false)).unwrap();
    verify(&node, &text, 3).unwrap();
    let rotated = node.rotate_token(&operator(4), token.id, Rotation::default()).unwrap();
    assert!(matches!(verify(&node, &text, 4), Err(VerifyError::Rejected(Rejection::Rotated(_)))));
    let text = rotated.secret.reveal_once();
    verify(&node, &text, 5).unwrap();
    node.revoke_user_tokens(&operator(5), alice.id, None).unwrap();
    assert!(is_rejected(&node, &text, 5, Rejection::Revoked));
});

each_backend!(a_cached_row_never_rejects_a_token_that_is_valid_now, |db| {
    let (node, other) = (stale_node(db), service(db));
    let alice = user(&other, "alice", "user");
    let (token, text) = issue(&other, &alice, &[]);
    pause(&other, token.id, false);
    assert!(is_rejected(&node, &text, 3, Rejection::Inactive));
    pause(&other, token.id, true);
    verify(&node, &text, 3).unwrap();
});

each_backend!(a_cached_row_is_evaluated_at_the_current_time, |db| {
    let node = stale_node(db);
    let alice = user(&node, "alice", "user");
    let (token, text) = issue(&node, &alice, &[]);
    let end = token.expires_at.unwrap().seconds() - at(0).seconds();
    verify(&node, &text, end - 1).unwrap();
    assert!(is_rejected(&node, &text, end, Rejection::Expired));
    // Setting the clock back does not make a row fresh.
    let (other, text) = issue(&node, &alice, &[]);
    verify(&node, &text, 2 * BOUND).unwrap();
    service(db).revoke_token(&operator(1), other.id, None).unwrap();
    assert!(is_rejected(&node, &text, 2 * BOUND - 1, Rejection::Revoked));
});

each_backend!(a_wrong_secret_is_rejected_with_a_cached_row, |db| {
    let node = stale_node(db);
    let alice = user(&node, "alice", "user");
    let (_, right) = issue(&node, &alice, &[]);
    let (_, other) = issue(&node, &alice, &[]);
    verify(&node, &right, 1).unwrap();
    let forged = with_secret_of(&right, &other);
    assert!(is_rejected(&node, &forged, 1, Rejection::Unknown));
});

each_backend!(a_verification_started_after_the_revocation_returned_is_rejected, |db| {
    let node = stale_node(db);
    let alice = user(&node, "alice", "user");
    let tokens: Vec<_> = (0..60).map(|_| issue(&node, &alice, &[])).collect();
    let gone: Vec<_> = tokens.iter().map(|_| AtomicBool::new(false)).collect();
    let is_expired = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !is_expired.load(Ordering::SeqCst) {
                    for ((_, text), gone) in tokens.iter().zip(&gone) {
                        let was_gone = gone.load(Ordering::SeqCst);
                        let is_let_in = verify(&node, text, 1).is_ok();
                        assert!(!(was_gone && is_let_in), "accepted after its revocation returned");
                    }
                }
            });
        }
        for ((token, _), gone) in tokens.iter().zip(&gone) {
            node.revoke_token(&operator(1), token.id, None).unwrap();
            gone.store(true, Ordering::SeqCst);
        }
        is_expired.store(true, Ordering::SeqCst);
    });
});

each_backend!(a_cached_row_ages_although_the_clock_was_set_back, |db| {
    let passed = Arc::new(AtomicU64::new(0));
    let clock = passed.clone();
    let monotonic = Monotonic::from_fn(move || Duration::from_secs(clock.load(Ordering::SeqCst)));
    let (node, other) = (stale_node_with_clock(db, monotonic), service(db));
    let (token, text) = issue(&other, &user(&other, "alice", "user"), &[]);
    verify(&node, &text, 100).unwrap();
    other.revoke_token(&operator(101), token.id, None).unwrap();
    passed.store(BOUND.unsigned_abs() - 1, Ordering::SeqCst);
    assert!(verify(&node, &text, 100).is_ok(), "within the bound");
    // The clock was set back by a minute and shows the time of the read again.
    passed.store(BOUND.unsigned_abs(), Ordering::SeqCst);
    assert!(is_rejected(&node, &text, 100, Rejection::Revoked));
});

each_backend!(writing_uses_and_rejections_does_not_invalidate_cached_rows, |db| {
    let store = db.second_store();
    let (node, other) = (stale_node_on(store.clone(), Monotonic::system()), service(db));
    let (token, text) = issue(&other, &user(&other, "alice", "user"), &["demo:read"]);
    let verified = verify(&node, &text, 100).unwrap();
    let changes = store.changes();
    node.record_use(&verified, &UsageEvent::new(at(100), None, 200));
    node.record_scopes(&verified, [&"demo:read".parse().unwrap()], at(100));
    node.record_failure("invalid_token", None, at(100));
    node.flush().unwrap();
    assert_eq!(other.find_token(&operator(101), token.id).unwrap().0.last_used_at, Some(at(100)));
    other.revoke_token(&operator(101), token.id, None).unwrap();
    assert!(verify(&node, &text, 102).is_ok(), "the cached row is still used");
    assert_eq!(store.changes(), changes);
    user(&node, "bob", "user");
    assert!(store.changes() > changes, "every other write invalidates it");
    assert!(is_rejected(&node, &text, 103, Rejection::Revoked));
});
