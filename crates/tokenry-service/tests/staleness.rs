//! What an installation with `max_staleness` sees late, and what it never does.
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
    Activation, Limits, Monotonic, Policy, Rejection, Rotation, Settings, TokenChanges, TokenId, Tokenry,
    UsageEvent, UserChanges, VerifyError,
};
use tokenry_testkit::{TestDatabase, each_backend};

const BOUND: i64 = 60;

/// A node that may be a minute behind.
fn behind(db: &TestDatabase) -> Tokenry {
    behind_by(db, Monotonic::system())
}

/// The same, whose time passes as the test says.
fn behind_by(db: &TestDatabase, monotonic: Monotonic) -> Tokenry {
    let bound = Duration::from_secs(BOUND.unsigned_abs());
    let store = db.second_store();
    let limits = Limits { max_live_tokens: None, creations_per_hour: None };
    let settings = settings(Policy { limits, ..Policy::default() });
    Tokenry::new(store, Settings { max_staleness: bound, monotonic, ..settings }).unwrap()
}

fn is_refused(tokenry: &Tokenry, text: &str, seconds: i64, rejection: Rejection) -> bool {
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
    let changes = TokenChanges { switch, ..TokenChanges::default() };
    tokenry.update_token(&operator(2), id, changes).unwrap();
}

each_backend!(what_another_process_changes_is_seen_within_the_bound_and_not_later, |db| {
    let (node, other) = (behind(db), service(db));
    let alice = user(&other, "alice", "user");
    let (token, text) = issue(&other, &alice, &["demo:read"]);
    verify(&node, &text, 10).unwrap();
    other.revoke_token(&operator(11), token.id, None).unwrap();
    // It is behind, which is what was asked for …
    assert!(verify(&node, &text, 10 + BOUND - 1).is_ok());
    // … and not by more than that.
    assert!(is_refused(&node, &text, 10 + BOUND, Rejection::Revoked));
    assert!(is_refused(&node, &text, 10 + BOUND + 1, Rejection::Revoked));
    assert!(is_refused(&other, &text, 11, Rejection::Revoked));
});

each_backend!(what_this_process_changes_is_seen_at_once, |db| {
    let node = behind(db);
    let alice = user(&node, "alice", "user");
    let (token, text) = issue(&node, &alice, &["demo:read"]);
    verify(&node, &text, 1).unwrap();
    pause(&node, token.id, false);
    assert!(is_refused(&node, &text, 2, Rejection::Inactive));
    pause(&node, token.id, true);
    verify(&node, &text, 2).unwrap();
    node.update_user(&operator(3), alice.id, UserChanges::disabled(true)).unwrap();
    assert!(is_refused(&node, &text, 3, Rejection::OwnerDisabled));
    node.update_user(&operator(3), alice.id, UserChanges::disabled(false)).unwrap();
    verify(&node, &text, 3).unwrap();
    let rotated = node.rotate_token(&operator(4), token.id, Rotation::default()).unwrap();
    assert!(matches!(verify(&node, &text, 4), Err(VerifyError::Rejected(Rejection::Rotated(_)))));
    let text = rotated.secret.reveal_once();
    verify(&node, &text, 5).unwrap();
    node.revoke_user_tokens(&operator(5), alice.id, None).unwrap();
    assert!(is_refused(&node, &text, 5, Rejection::Revoked));
});

each_backend!(nobody_is_refused_for_what_is_no_longer_so, |db| {
    let (node, other) = (behind(db), service(db));
    let alice = user(&other, "alice", "user");
    let (token, text) = issue(&other, &alice, &[]);
    pause(&other, token.id, false);
    assert!(is_refused(&node, &text, 3, Rejection::Inactive));
    pause(&other, token.id, true);
    verify(&node, &text, 3).unwrap();
});

each_backend!(a_row_of_a_moment_ago_is_judged_by_the_clock_of_now, |db| {
    let node = behind(db);
    let alice = user(&node, "alice", "user");
    let (token, text) = issue(&node, &alice, &[]);
    let end = token.expires_at.unwrap().seconds() - at(0).seconds();
    verify(&node, &text, end - 1).unwrap();
    assert!(is_refused(&node, &text, end, Rejection::Expired));
    // A clock that was set back makes no row young.
    let (other, text) = issue(&node, &alice, &[]);
    verify(&node, &text, 2 * BOUND).unwrap();
    service(db).revoke_token(&operator(1), other.id, None).unwrap();
    assert!(is_refused(&node, &text, 2 * BOUND - 1, Rejection::Revoked));
});

each_backend!(a_wrong_secret_is_wrong_beside_the_row_of_a_moment_ago, |db| {
    let node = behind(db);
    let alice = user(&node, "alice", "user");
    let (_, right) = issue(&node, &alice, &[]);
    let (_, other) = issue(&node, &alice, &[]);
    verify(&node, &right, 1).unwrap();
    let forged = with_secret_of(&right, &other);
    assert!(is_refused(&node, &forged, 1, Rejection::Unknown));
});

each_backend!(no_verification_that_began_after_its_revoke_was_answered_succeeds, |db| {
    let node = behind(db);
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
                        assert!(!(was_gone && is_let_in), "let in after its revoke was answered");
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

each_backend!(a_row_grows_old_although_the_clock_was_set_back, |db| {
    let passed = Arc::new(AtomicU64::new(0));
    let told = passed.clone();
    let monotonic = Monotonic::from_fn(move || Duration::from_secs(told.load(Ordering::SeqCst)));
    let (node, other) = (behind_by(db, monotonic), service(db));
    let (token, text) = issue(&other, &user(&other, "alice", "user"), &[]);
    verify(&node, &text, 100).unwrap();
    other.revoke_token(&operator(101), token.id, None).unwrap();
    passed.store(BOUND.unsigned_abs() - 1, Ordering::SeqCst);
    assert!(verify(&node, &text, 100).is_ok(), "within the bound");
    // The clock was set back by a minute in the meantime: it shows the time of the reading again.
    passed.store(BOUND.unsigned_abs(), Ordering::SeqCst);
    assert!(is_refused(&node, &text, 100, Rejection::Revoked));
});

each_backend!(what_only_notes_uses_and_refusals_leaves_the_rows_of_a_moment_ago, |db| {
    let (node, other) = (behind(db), service(db));
    let (token, text) = issue(&other, &user(&other, "alice", "user"), &["demo:read"]);
    let verified = verify(&node, &text, 100).unwrap();
    let changes = node.store().changes();
    node.record_use(&verified, &UsageEvent::new(at(100), None, 200));
    node.record_scopes(&verified, [&"demo:read".parse().unwrap()], at(100));
    node.record_failure("invalid_token", None, at(100));
    node.flush().unwrap();
    assert_eq!(other.find_token(&operator(101), token.id).unwrap().0.last_used_at, Some(at(100)));
    other.revoke_token(&operator(101), token.id, None).unwrap();
    assert!(verify(&node, &text, 102).is_ok(), "the row of before is still there");
    assert_eq!(node.store().changes(), changes);
    user(&node, "bob", "user");
    assert!(node.store().changes() > changes, "whatever else is written ends it");
    assert!(is_refused(&node, &text, 103, Rejection::Revoked));
});
