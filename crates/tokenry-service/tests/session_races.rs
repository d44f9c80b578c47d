//! Sessions that are started, used and ended concurrently on two nodes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod common;

use common::{at, issue, new, operator, service, service_on, user, with_token};
use tokenry_service::{
    Activation, ClientInfo, Denial, EventKind, Expiry, IssueError, Lifetime, RequestContext, Rotation,
    SessionError, TokenChanges, TokenId, Tokenry, UserChanges,
};
use tokenry_store::{audit, session};
use tokenry_testkit::{TestDatabase, each_backend};

const ROUNDS: i64 = 100;

/// Runs both concurrently.
fn concurrently<A: Send, B: Send>(a: impl FnOnce() -> A + Send, b: impl FnOnce() -> B + Send) -> (A, B) {
    let barrier = std::sync::Barrier::new(2);
    std::thread::scope(|scope| {
        let a = scope.spawn(|| {
            barrier.wait();
            a()
        });
        barrier.wait();
        let b = b();
        (a.join().unwrap(), b)
    })
}

/// The position of the newest entry of a kind, 0 if there is none.
fn newest_seq(db: &TestDatabase, kind: EventKind) -> i64 {
    let filter = audit::AuditFilter::default().kind(kind);
    let found = db.store().read(|tx| audit::search(tx, &filter, None, 1)).unwrap();
    found.first().map_or(0, |entry| entry.seq)
}

each_backend!(changes_by_a_session_finish_before_its_sign_out_returns, |db| {
    let tokenry = service(db);
    let other = service_on(db.second_store());
    let alice = user(&tokenry, "alice", "user");
    let (_, text) = issue(&tokenry, &alice, &["*"]);
    for round in 0..ROUNDS {
        let started = tokenry.start_session(&with_token(&tokenry, &text, round), None).unwrap();
        let cookie = started.secret.reveal_once().to_string();
        let caller = other.session(cookie.as_bytes(), at(round), &ClientInfo::default()).unwrap();
        let used = || {
            other.issue_token(&RequestContext::new(caller, at(round)), alice.id, new("t", &[])).map(|_| ())
        };
        let out = || tokenry.end_session(cookie.as_bytes(), at(round), ClientInfo::default()).unwrap();
        let (used, is_out) = concurrently(used, out);
        assert!(is_out);
        match used {
            Ok(()) => {
                assert!(newest_seq(db, EventKind::TokenCreated) < newest_seq(db, EventKind::SessionEnded));
            }
            Err(IssueError::Denied(Denial::NoLongerEntitled)) => {}
            Err(error) => panic!("{error}"),
        }
        assert!(other.session(cookie.as_bytes(), at(round), &ClientInfo::default()).is_err());
    }
});

type End = (EventKind, fn(&Tokenry, TokenId));

const ENDS: &[End] = &[
    (EventKind::TokenRevoked, |tokenry, id| assert!(tokenry.revoke_token(&operator(1), id, None).unwrap())),
    (EventKind::TokenRotated, |tokenry, id| {
        drop(tokenry.rotate_token(&operator(1), id, Rotation::default()).unwrap());
    }),
    (EventKind::TokenUpdated, |tokenry, id| {
        let pause = TokenChanges::default().with_switch(Activation::Inactive);
        drop(tokenry.update_token(&operator(1), id, pause).unwrap());
    }),
    (EventKind::UserDisabled, |tokenry, id| {
        let (_, owner) = tokenry.find_token(&operator(1), id).unwrap();
        drop(
            tokenry.update_user(&operator(1), owner.id, UserChanges::default().with_disabled(true)).unwrap(),
        );
    }),
];

each_backend!(no_session_started_concurrently_with_the_end_of_its_token_survives, |db| {
    let tokenry = service(db);
    let other = service_on(db.second_store());
    for round in 0..ROUNDS {
        let (kind, end) = ENDS[usize::try_from(round).unwrap() % ENDS.len()];
        let alice = user(&tokenry, &format!("alice{round}"), "user");
        let (token, text) = issue(&tokenry, &alice, &["*"]);
        let context = with_token(&other, &text, 1);
        let (begun, ()) = concurrently(|| other.start_session(&context, None), || end(&tokenry, token.id));
        match begun {
            Ok(started) => {
                let (begun, ended) = (newest_seq(db, EventKind::SessionStarted), newest_seq(db, kind));
                assert!(begun < ended, "round {round}: the session started with an ended token");
                let cookie = started.secret.reveal_once();
                assert!(other.session(cookie.as_bytes(), at(1), &ClientInfo::default()).is_err());
            }
            Err(SessionError::Denied(Denial::NoLongerEntitled)) => {}
            Err(error) => panic!("{error}"),
        }
        let left = db.store().read(|tx| session::of_user(tx, alice.id)).unwrap();
        assert!(left.is_empty(), "round {round}");
        assert!(newest_seq(db, EventKind::SessionStarted) <= newest_seq(db, EventKind::SessionEnded));
    }
});

each_backend!(at_most_twenty_of_many_concurrent_sign_ins_survive, |db| {
    let tokenry = service(db);
    let other = service_on(db.second_store());
    let alice = user(&tokenry, "alice", "user");
    let (_, text) = issue(&tokenry, &alice, &["*"]);
    std::thread::scope(|scope| {
        for node in [&tokenry, &other, &tokenry, &other] {
            scope.spawn(|| {
                for _ in 0..15 {
                    drop(node.start_session(&with_token(node, &text, 1), None).unwrap());
                }
            });
        }
    });
    assert_eq!(db.store().read(|tx| session::of_user(tx, alice.id)).unwrap().len(), 20);
});

each_backend!(a_session_ended_concurrently_is_recorded_once, |db| {
    let tokenry = service(db);
    let other = service_on(db.second_store());
    let (_, text) = issue(&tokenry, &user(&tokenry, "alice", "user"), &["*"]);
    for round in 0..20 {
        let started = tokenry.start_session(&with_token(&tokenry, &text, 1), None).unwrap();
        let cookie = started.secret.reveal_once().to_string();
        // Long idle: its next use, its sign-out and the cleanup all find it expired.
        let late = at(7200);
        let found = || drop(other.session(cookie.as_bytes(), late, &ClientInfo::default()));
        let out = || {
            let out = || tokenry.end_session(cookie.as_bytes(), late, ClientInfo::default()).unwrap();
            concurrently(out, || tokenry.cleanup(&operator(7200)).unwrap())
        };
        concurrently(found, out);
        let filter = audit::AuditFilter::default().kind(EventKind::SessionEnded);
        let ended = db.store().read(|tx| audit::search(tx, &filter, None, 100)).unwrap();
        assert_eq!(ended.len(), round + 1);
    }
});

each_backend!(a_cleanup_by_a_session_finishes_before_its_sign_out_returns, |db| {
    let tokenry = service(db);
    let other = service_on(db.second_store());
    let (_, text) = issue(&tokenry, &user(&tokenry, "root", "admin"), &["*"]);
    let bob = user(&tokenry, "bob", "user");
    for round in 0..30 {
        let now = 100 * (round + 1);
        let short = new("short", &[]).with_expiry(Expiry::In(Lifetime::seconds(60)));
        let short = tokenry.issue_token(&operator(now - 90), bob.id, short).unwrap().token.id;
        let started = tokenry.start_session(&with_token(&tokenry, &text, now), None).unwrap();
        let cookie = started.secret.reveal_once().to_string();
        let caller = other.session(cookie.as_bytes(), at(now), &ClientInfo::default()).unwrap();
        let clean = || other.cleanup(&RequestContext::new(caller, at(now))).map(|_| ());
        let out = || tokenry.end_session(cookie.as_bytes(), at(now), ClientInfo::default()).unwrap();
        assert!(concurrently(clean, out).1);
        let expired = newest_seq(db, EventKind::TokenExpired);
        assert!(expired < newest_seq(db, EventKind::SessionEnded), "an expired session recorded an event");
        tokenry.revoke_token(&operator(now), short, None).unwrap();
    }
});
