//! Changes of many rows: complete, told of one by one, and in no one's way.
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
/// What the work of a second or less may take where two noisy cores run other tests as well.
const WIDE: Duration = Duration::from_secs(20);

fn chain(db: &TestDatabase) -> Vec<AuditEntry> {
    let mut links: Vec<AuditEntry> = Vec::new();
    loop {
        let after = links.last().map_or(0, |link| link.seq);
        let page = db.store().read(|tx| audit::list(tx, after, 5000)).unwrap();
        if page.is_empty() {
            return links;
        }
        links.extend(page);
    }
}

/// How long some work took, and how long others waited meanwhile for writes of their own.
#[derive(Debug)]
struct Times {
    took: Duration,
    /// The longest wait and the number of writes of the same process, and of another one.
    own: (Duration, usize),
    other: (Duration, usize),
}

impl Times {
    /// The goals are 2 s and 200 ms. Another process asks for SQLite's lock again and again and may miss each gap; it is
    /// kept waiting no longer than the whole takes.
    #[allow(clippy::print_stderr, reason = "the figures themselves are worth reading")]
    fn assert_bounded(&self) {
        eprintln!("{self:?}");
        assert!(self.took < WIDE && self.other.0 < WIDE, "{self:?}");
        assert!(self.own.0 < WIDE / 10 && self.own.1 > 1, "{self:?}");
    }
}

/// Runs `work` while others write.
fn beside_others<T>(db: &TestDatabase, work: impl FnOnce() -> T) -> (T, Times) {
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

each_backend!(ten_thousand_tokens_of_a_user_are_revoked_soon_one_event_each_and_nobody_waits, |db| {
    let tokenry = service(db);
    let (alice, bob) = (user(&tokenry, "alice", "user"), user(&tokenry, "bob", "user"));
    let (_, kept) = issue(&tokenry, &bob, &[]);
    let texts: Vec<_> = (0..20).map(|_| issue(&tokenry, &alice, &[]).1).collect();
    db.tokens(&alice, MANY - texts.len());
    let reason = Some(Reason::parse("leaked").unwrap());
    let (revoked, times) =
        beside_others(db, || tokenry.revoke_user_tokens(&operator(5), alice.id, reason).unwrap());
    assert_eq!(revoked, MANY);
    times.assert_bounded();
    for text in texts {
        assert!(matches!(verify(&tokenry, &text, 6), Err(VerifyError::Rejected(Rejection::Revoked))));
    }
    assert!(verify(&tokenry, &kept, 6).is_ok());
    assert_eq!(tokenry.limit_status(&operator(6), &alice).unwrap().live_tokens, 0);
    assert_eq!(tokenry.revoke_user_tokens(&operator(7), alice.id, None).unwrap(), 0);
    told(db, alice.id, EventKind::TokenRevoked);
});

/// Each token has one event of this kind, and the chain is whole.
fn told(db: &TestDatabase, owner: UserId, kind: EventKind) {
    let links = chain(db);
    let mut before = tokenry_crypto::GENESIS;
    for (place, link) in (1..).zip(&links) {
        assert_eq!((link.seq, link.prev_hash), (place, before));
        assert_eq!(link.hash, tokenry_crypto::link(&before, &link.event.canonical(place)));
        before = link.hash;
    }
    let mut tokens: Vec<_> = links
        .iter()
        .map(|link| &link.event)
        .filter(|event| event.kind == kind && event.user_id == Some(owner))
        .map(|event| event.token_id.unwrap())
        .collect();
    assert_eq!(tokens.len(), MANY);
    tokens.sort_unstable();
    tokens.dedup();
    assert_eq!(tokens.len(), MANY);
}

each_backend!(a_user_with_ten_thousand_tokens_is_deleted_soon_and_nobody_waits, |db| {
    let tokenry = service(db);
    let alice = user(&tokenry, "alice", "user");
    let (_, text) = issue(&tokenry, &alice, &[]);
    db.tokens(&alice, MANY - 1);
    let ((), times) = beside_others(db, || tokenry.delete_user(&operator(5), alice.id).unwrap());
    times.assert_bounded();
    assert!(matches!(verify(&tokenry, &text, 6), Err(VerifyError::Rejected(Rejection::Unknown))));
});

each_backend!(ten_thousand_expired_tokens_are_told_of_one_by_one_and_nobody_waits, |db| {
    let tokenry = service(db);
    let alice = user(&tokenry, "alice", "user");
    db.tokens(&alice, MANY);
    let later = operator(400 * 86_400);
    let (cleaned, times) = beside_others(db, || tokenry.cleanup(&later).unwrap());
    assert_eq!(cleaned.expired, MANY);
    times.assert_bounded();
    told(db, alice.id, EventKind::TokenExpired);
});

// The maker has the greatest id, and so the last turn.
each_backend!(what_a_token_makes_while_it_waits_for_its_end_ends_too, |db| {
    let tokenry = service(db);
    let alice = user(&tokenry, "alice", "user");
    db.tokens(&alice, 5000);
    let (_, maker) = issue(&tokenry, &alice, &["*"]);
    let is_expired = AtomicBool::new(false);
    let (revoked, made) = std::thread::scope(|scope| {
        let maker = scope.spawn(|| {
            let mut made = Vec::new();
            while !is_expired.load(Ordering::SeqCst) {
                // Each time let in anew, so that nothing it asks for was asked for before the revocation.
                let Ok(verified) = verify(&tokenry, &maker, 5) else { break };
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
        let made = maker.join().unwrap();
        assert!(made.iter().any(|(at, _)| *at > begun), "nothing was made while they ended");
        (revoked, made)
    });
    for (_, text) in &made {
        let outcome = verify(&tokenry, text, 6);
        assert!(matches!(outcome, Err(VerifyError::Rejected(Rejection::Revoked))));
    }
    assert_eq!(tokenry.limit_status(&operator(6), &alice).unwrap().live_tokens, 0);
    assert_eq!(revoked, 5001 + made.len(), "each was ended once");
});
