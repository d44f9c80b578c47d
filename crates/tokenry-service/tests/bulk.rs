//! Bulk changes are complete, record one event for each row and do not block other writes.
#![allow(clippy::disallowed_methods, reason = "how long it takes is what is tested")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod common;

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use common::{at, issue, new, operator, service, service_on, user, verify};
use tokenry_service::{EventKind, Reason, Rejection, RequestContext, Tokenry, UserId, VerifyError};
use tokenry_store::audit::{self, AuditEntry};
use tokenry_testkit::{TestDatabase, each_backend};

const MANY: usize = 10_000;
/// Time limit for about a second of work on a machine with two cores that runs other tests too.
const WIDE: Duration = Duration::from_secs(20);

fn chain(db: &TestDatabase) -> Vec<AuditEntry> {
    let mut entries: Vec<AuditEntry> = Vec::new();
    loop {
        let after = entries.last().map_or(0, |entry| entry.seq);
        let page = db.store().read(|tx| audit::list(tx, after, 5000)).unwrap();
        if page.is_empty() {
            return entries;
        }
        entries.extend(page);
    }
}

/// The duration of some work, and how long concurrent writes waited.
#[derive(Debug)]
struct Times {
    took: Duration,
    /// The longest wait and the number of writes, of the same process and of another process.
    own: (Duration, usize),
    other: (Duration, usize),
}

impl Times {
    /// The goals are 2 s and 200 ms. Another process polls for SQLite's lock and may miss every gap, so it may wait as
    /// long as the whole work.
    #[allow(clippy::print_stderr, reason = "the figures themselves are worth reading")]
    fn assert_bounded(&self) {
        eprintln!("{self:?}");
        assert!(self.took < WIDE && self.other.0 < WIDE, "{self:?}");
        assert!(self.own.0 < WIDE / 10 && self.own.1 > 1, "{self:?}");
    }
}

/// Runs `work` with concurrent writers.
fn with_concurrent_writers<T>(db: &TestDatabase, work: impl FnOnce() -> T) -> (T, Times) {
    let is_done = AtomicBool::new(false);
    let (own, other) = (service_on(db.store().clone()), service_on(db.second_store()));
    std::thread::scope(|scope| {
        let writes = |tokenry: Tokenry, name: &'static str| {
            let is_done = &is_done;
            move || {
                let (mut longest, mut count) = (Duration::ZERO, 0);
                while !is_done.load(Ordering::SeqCst) {
                    let began = Instant::now();
                    user(&tokenry, &format!("{name}-{count}"), "user");
                    longest = longest.max(began.elapsed());
                    count += 1;
                }
                (longest, count)
            }
        };
        let own = scope.spawn(writes(own, "own"));
        let other = scope.spawn(writes(other, "other"));
        let began = Instant::now();
        let result = work();
        let took = began.elapsed();
        is_done.store(true, Ordering::SeqCst);
        (result, Times { took, own: own.join().unwrap(), other: other.join().unwrap() })
    })
}

each_backend!(revoking_ten_thousand_tokens_of_a_user_is_fast_and_records_one_event_each, |db| {
    let tokenry = service(db);
    let (alice, bob) = (user(&tokenry, "alice", "user"), user(&tokenry, "bob", "user"));
    let (_, kept) = issue(&tokenry, &bob, &[]);
    let texts: Vec<_> = (0..20).map(|_| issue(&tokenry, &alice, &[]).1).collect();
    db.tokens(&alice, MANY - texts.len());
    let reason = Some(Reason::parse("leaked").unwrap());
    let (revoked, times) =
        with_concurrent_writers(db, || tokenry.revoke_user_tokens(&operator(5), alice.id, reason).unwrap());
    assert_eq!(revoked, MANY);
    times.assert_bounded();
    for text in texts {
        assert!(matches!(verify(&tokenry, &text, 6), Err(VerifyError::Rejected(Rejection::Revoked))));
    }
    assert!(verify(&tokenry, &kept, 6).is_ok());
    assert_eq!(tokenry.limit_status(&operator(6), &alice).unwrap().live_tokens, 0);
    assert_eq!(tokenry.revoke_user_tokens(&operator(7), alice.id, None).unwrap(), 0);
    assert_recorded_once(db, alice.id, EventKind::TokenRevoked);
});

/// Asserts that each token has one event of this kind, and that the audit chain is intact.
fn assert_recorded_once(db: &TestDatabase, owner: UserId, kind: EventKind) {
    let entries = chain(db);
    let mut before = tokenry_crypto::GENESIS;
    for (seq, entry) in (1..).zip(&entries) {
        assert_eq!((entry.seq, entry.prev_hash), (seq, before));
        assert_eq!(entry.hash, tokenry_crypto::chain_digest(&before, &entry.event.canonical_bytes(seq)));
        before = entry.hash;
    }
    let mut tokens: Vec<_> = entries
        .iter()
        .map(|entry| &entry.event)
        .filter(|event| event.kind == kind && event.user_id == Some(owner))
        .map(|event| event.token_id.unwrap())
        .collect();
    assert_eq!(tokens.len(), MANY);
    tokens.sort_unstable();
    tokens.dedup();
    assert_eq!(tokens.len(), MANY);
}

each_backend!(deleting_a_user_with_ten_thousand_tokens_is_fast_and_blocks_no_other_write, |db| {
    let tokenry = service(db);
    let alice = user(&tokenry, "alice", "user");
    let (_, text) = issue(&tokenry, &alice, &[]);
    db.tokens(&alice, MANY - 1);
    let ((), times) = with_concurrent_writers(db, || tokenry.delete_user(&operator(5), alice.id).unwrap());
    times.assert_bounded();
    assert!(matches!(verify(&tokenry, &text, 6), Err(VerifyError::Rejected(Rejection::Unknown))));
});

each_backend!(ten_thousand_expired_tokens_are_recorded_one_by_one_without_blocking_other_writes, |db| {
    let tokenry = service(db);
    let alice = user(&tokenry, "alice", "user");
    db.tokens(&alice, MANY);
    let later = operator(400 * 86_400);
    let (cleaned, times) = with_concurrent_writers(db, || tokenry.cleanup(&later).unwrap());
    assert_eq!(cleaned.expired, MANY);
    times.assert_bounded();
    assert_recorded_once(db, alice.id, EventKind::TokenExpired);
});

each_backend!(tokens_created_by_a_token_awaiting_revocation_are_revoked_too, |db| {
    let tokenry = service(db);
    // A busy machine may let no creation in between the units of a revocation.
    let is_tried =
        (0..20).any(|round| a_revocation_beside_creations(db, &tokenry, &format!("alice-{round}")) > 0);
    assert!(is_tried, "no token was created during a revocation");
});

/// Revokes the tokens of a new user while one of them creates others, and answers how many it created meanwhile.
// The creating token has the greatest id, so it is revoked last.
fn a_revocation_beside_creations(db: &TestDatabase, tokenry: &Tokenry, name: &str) -> usize {
    let alice = user(tokenry, name, "user");
    db.tokens(&alice, 5000);
    let (_, maker) = issue(tokenry, &alice, &["*"]);
    let is_expired = AtomicBool::new(false);
    let (revoked, made, begun) = std::thread::scope(|scope| {
        let maker = scope.spawn(|| {
            let mut made = Vec::new();
            while !is_expired.load(Ordering::SeqCst) {
                // Verifies again for each request, so that no request was admitted before the revocation.
                let verified = match verify(tokenry, &maker, 5) {
                    Ok(verified) => verified,
                    Err(VerifyError::Rejected(_)) => break,
                    Err(_) => continue,
                };
                let context = RequestContext::new(verified.into(), at(5));
                if let Ok(issued) = tokenry.issue_token(&context, alice.id, new("made", &[])) {
                    made.push((Instant::now(), issued.secret.reveal_once().to_string()));
                }
            }
            made
        });
        while tokenry.limit_status(&operator(5), &alice).unwrap().live_tokens < 5002 {
            std::thread::yield_now();
        }
        let begun = Instant::now();
        let revoked = tokenry.revoke_user_tokens(&operator(5), alice.id, None).unwrap();
        is_expired.store(true, Ordering::SeqCst);
        (revoked, maker.join().unwrap(), begun)
    });
    for (_, text) in &made {
        let outcome = verify(tokenry, text, 6);
        assert!(matches!(outcome, Err(VerifyError::Rejected(Rejection::Revoked))));
    }
    assert_eq!(tokenry.limit_status(&operator(6), &alice).unwrap().live_tokens, 0);
    assert_eq!(revoked, 5001 + made.len(), "each token is revoked once");
    made.iter().filter(|(at, _)| *at > begun).count()
}
