//! By which rows verifications decide: by those in memory while nothing has changed them, and by older ones only where
//! `max_staleness` allows it and the database is away.
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

/// A node.
fn node(db: &TestDatabase) -> Tokenry {
    node_on(db.second_store())
}

fn node_on(store: Store) -> Tokenry {
    Tokenry::new(store, settings(Policy::default().with_limits(Limits::unlimited()))).unwrap()
}

/// A node with a `max_staleness` of one minute, and one on the same connections without it.
struct Nodes {
    stale: Tokenry,
    strict: Tokenry,
    passed: Arc<AtomicU64>,
}

impl Nodes {
    fn new(db: &TestDatabase) -> Self {
        let passed = Arc::new(AtomicU64::new(0));
        let clock = passed.clone();
        let monotonic = Monotonic::from_fn(move || Duration::from_secs(clock.load(Ordering::SeqCst)));
        let store = db.second_store();
        let settings = settings(Policy::default().with_limits(Limits::unlimited()))
            .with_max_staleness(Duration::from_secs(BOUND.unsigned_abs()))
            .with_monotonic(monotonic);
        Self { stale: Tokenry::new(store.clone(), settings).unwrap(), strict: node_on(store), passed }
    }

    /// Takes the database away, and returns once verifications without `max_staleness` have no answer.
    fn lose_database(&self, db: &TestDatabase, text: &str, seconds: i64) {
        db.execute("ALTER TABLE instance RENAME TO instance_away");
        while !matches!(verify(&self.strict, text, seconds), Err(VerifyError::Store(_))) {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
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

each_backend!(changes_by_another_process_are_seen_by_the_next_verification, |db| {
    let (node, other) = (node(db), service(db));
    let alice = user(&other, "alice", "user");
    for _ in 0..20 {
        let (token, text) = issue(&other, &alice, &["demo:read"]);
        verify(&node, &text, 10).unwrap();
        verify(&node, &text, 10).unwrap();
        other.revoke_token(&operator(11), token.id, None).unwrap();
        assert!(is_rejected(&node, &text, 11, Rejection::Revoked));
        assert!(is_rejected(&other, &text, 11, Rejection::Revoked));
    }
});

each_backend!(a_row_is_read_once_until_it_changes, |db| {
    let node = node(db);
    let alice = user(&node, "alice", "user");
    let (token, text) = issue(&node, &alice, &["demo:read"]);
    let verified = verify(&node, &text, 10).unwrap();
    let reads = node.row_reads();
    (0..100).for_each(|_| drop(verify(&node, &text, 10).unwrap()));
    assert_eq!(node.row_reads(), reads);
    // Neither a use nor a rejection changes what a verification decides.
    node.record_use(&verified, &UsageEvent::new(at(10), None, 200));
    node.record_scopes(&verified, [&"demo:read".parse().unwrap()], at(10));
    node.record_failure("invalid_token", None, at(10));
    node.flush().unwrap();
    issue(&node, &alice, &["demo:read"]);
    verify(&node, &text, 10).unwrap();
    assert_eq!(node.row_reads(), reads);
    node.update_token(&operator(11), token.id, TokenChanges::default().with_name("other".to_owned()))
        .unwrap();
    assert_eq!(verify(&node, &text, 11).unwrap().token().name.as_str(), "other");
    assert_eq!(node.row_reads(), reads + 1);
});

each_backend!(a_change_past_tokenry_is_seen, |db| {
    let node = node(db);
    let cases = [
        ("UPDATE users SET disabled_at = created_at WHERE subject = 'alice'", Rejection::OwnerDisabled),
        (
            "UPDATE personal_access_tokens SET revoked_at = created_at, revoked_by = 'system' \
             WHERE user_id = (SELECT id FROM users WHERE subject = 'bob')",
            Rejection::Revoked,
        ),
        ("DELETE FROM users WHERE subject = 'carol'", Rejection::Unknown),
    ];
    for ((statement, rejection), name) in cases.into_iter().zip(["alice", "bob", "carol"]) {
        let owner = user(&node, name, "user");
        let (_, text) = issue(&node, &owner, &["demo:read"]);
        verify(&node, &text, 10).unwrap();
        db.execute(statement);
        // On PostgreSQL a notification tells the node, and nobody waits for it.
        let tries = if db.folder().is_some() { 1 } else { 500 };
        let is_seen = (0..tries).any(|_| {
            let is_seen = is_rejected(&node, &text, 11, rejection);
            if !is_seen {
                std::thread::sleep(Duration::from_millis(10));
            }
            is_seen
        });
        assert!(is_seen, "{statement}");
    }
});

each_backend!(changes_by_this_process_are_seen_at_once, |db| {
    let node = node(db);
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

each_backend!(a_row_in_memory_never_rejects_a_token_that_is_valid_now, |db| {
    let (node, other) = (node(db), service(db));
    let alice = user(&other, "alice", "user");
    let (token, text) = issue(&other, &alice, &[]);
    pause(&other, token.id, false);
    assert!(is_rejected(&node, &text, 3, Rejection::Inactive));
    pause(&other, token.id, true);
    verify(&node, &text, 3).unwrap();
});

each_backend!(a_row_in_memory_is_evaluated_at_the_current_time, |db| {
    let node = node(db);
    let alice = user(&node, "alice", "user");
    let (token, text) = issue(&node, &alice, &[]);
    let end = token.expires_at.unwrap().seconds() - at(0).seconds();
    verify(&node, &text, end - 1).unwrap();
    assert!(is_rejected(&node, &text, end, Rejection::Expired));
});

each_backend!(a_wrong_secret_of_a_known_token_is_rejected_from_memory, |db| {
    let node = node(db);
    let alice = user(&node, "alice", "user");
    let (token, right) = issue(&node, &alice, &[]);
    let (_, other) = issue(&node, &alice, &[]);
    verify(&node, &right, 1).unwrap();
    let forged = with_secret_of(&right, &other);
    assert!(is_rejected(&node, &forged, 1, Rejection::Unknown));
    let reads = node.row_reads();
    (0..10).for_each(|_| assert!(is_rejected(&node, &forged, 1, Rejection::Unknown)));
    assert_eq!(node.row_reads(), reads);
    // After a rotation the public id is that of a retired secret, and a wrong secret is still a wrong one.
    node.rotate_token(&operator(2), token.id, Rotation::default()).unwrap();
    assert!(is_rejected(&node, &forged, 2, Rejection::Unknown));
    assert!(matches!(verify(&node, &right, 3), Err(VerifyError::Rejected(Rejection::Rotated(_)))));
});

each_backend!(a_verification_started_after_the_revocation_returned_is_rejected, |db| {
    let node = node(db);
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

each_backend!(without_the_database_an_old_row_admits_within_max_staleness_only, |db| {
    let nodes = Nodes::new(db);
    let alice = user(&nodes.strict, "alice", "user");
    let (_, text) = issue(&nodes.strict, &alice, &[]);
    let (paused, paused_text) = issue(&nodes.strict, &alice, &[]);
    let (_, unread) = issue(&nodes.strict, &alice, &[]);
    verify(&nodes.stale, &text, 100).unwrap();
    pause(&nodes.strict, paused.id, false);
    assert!(is_rejected(&nodes.stale, &paused_text, 100, Rejection::Inactive));
    let (revoked, revoked_text) = issue(&nodes.strict, &alice, &[]);
    verify(&nodes.stale, &revoked_text, 100).unwrap();
    nodes.strict.revoke_token(&operator(100), revoked.id, None).unwrap();
    verify(&nodes.stale, &text, 100).unwrap();
    nodes.lose_database(db, &text, 100);
    let has_no_answer =
        |text: &str, seconds| matches!(verify(&nodes.stale, text, seconds), Err(VerifyError::Store(_)));
    assert!(verify(&nodes.stale, &text, 100).is_ok());
    assert!(verify(&nodes.stale, &text, 100 + BOUND - 1).is_ok());
    assert!(has_no_answer(&text, 100 + BOUND));
    // A row that would reject, a row that was never read, a wrong secret, and whatever this process has changed since get
    // no answer.
    assert!(has_no_answer(&revoked_text, 100));
    assert!(has_no_answer(&paused_text, 100));
    assert!(has_no_answer(&unread, 100));
    assert!(has_no_answer(&with_secret_of(&text, &unread), 100));
    // Setting the clock back does not make a row fresh.
    assert!(has_no_answer(&text, 99));
    nodes.passed.store(BOUND.unsigned_abs() - 1, Ordering::SeqCst);
    assert!(verify(&nodes.stale, &text, 100).is_ok(), "within the bound");
    nodes.passed.store(BOUND.unsigned_abs(), Ordering::SeqCst);
    assert!(has_no_answer(&text, 100));
    db.execute("ALTER TABLE instance_away RENAME TO instance");
    while verify(&nodes.strict, &text, 101).is_err() {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(verify(&nodes.stale, &text, 101).is_ok());
});
