//! Browser sessions: their permissions, and every way in which they end.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod common;

use common::{at, issue, new, operator, service, settings, user, verify, with_token};
use tokenry_service::{
    Activation, Actor, Caller, Catalog, ClientInfo, CredentialKind, Denial, EventKind, Expiry, IssueError,
    Lifetime, Limits, Policy, Rejection, RequestContext, Rotation, Scope, Session, SessionError,
    SessionProof, SessionSettings, Started, TokenChanges, TokenId, Tokenry, UpdateError, User, UserChanges,
    VerifyError,
};
use tokenry_store::audit;
use tokenry_testkit::{TestDatabase, each_backend};

/// Starts a session with a token; returns the session and the value of its cookie.
fn start(tokenry: &Tokenry, text: &str, seconds: i64) -> (Started, String) {
    let context = with_token(tokenry, text, seconds);
    split(tokenry.start_session(&context, None).unwrap())
}

fn split(mut started: Started) -> (Started, String) {
    let spare = tokenry_service::SessionSecret::generate(&mut tokenry_service::SecretRng::os()).unwrap();
    let secret = std::mem::replace(&mut started.secret, spare).reveal_once().to_string();
    (started, secret)
}

fn from(ip: Option<&str>) -> ClientInfo {
    ClientInfo::new(ip.map(|ip| ip.parse().unwrap()), None, None)
}

fn use_at(tokenry: &Tokenry, cookie: &str, seconds: i64) -> Result<Caller, VerifyError> {
    let used = tokenry.session(cookie.as_bytes(), at(seconds), &from(None));
    // The background thread does this within a second.
    tokenry.flush().unwrap();
    used
}

fn context(tokenry: &Tokenry, cookie: &str, seconds: i64) -> RequestContext {
    RequestContext::new(use_at(tokenry, cookie, seconds).unwrap(), at(seconds))
}

#[track_caller]
fn assert_over(tokenry: &Tokenry, cookie: &str, seconds: i64) {
    let rejected = use_at(tokenry, cookie, seconds).map(|_| ()).unwrap_err();
    assert!(matches!(rejected, VerifyError::Rejected(Rejection::Unknown)), "{rejected}");
}

/// The reasons of session ends in the audit log.
fn ends(db: &TestDatabase) -> Vec<String> {
    let entries = db.store().read(|tx| audit::list(tx, 0, 1000)).unwrap();
    let ended = entries.iter().filter(|entry| entry.event.kind == EventKind::SessionEnded);
    ended.map(|entry| entry.event.detail["reason"].as_str().unwrap().to_owned()).collect()
}

fn may(caller: &Caller, scope: &str) -> bool {
    caller.require(&scope.parse::<Scope>().unwrap()).is_ok()
}

fn with(db: &TestDatabase, session: SessionSettings) -> Tokenry {
    let limits = Limits::unlimited();
    let policy = Policy::default().with_limits(limits);
    Tokenry::new(db.store().clone(), settings(policy).with_session(session)).unwrap()
}

type End = fn(&Tokenry, &User, TokenId);

/// How a token ends or loses its secret, the recorded reason of the session's end, and how to revert the change.
const ENDS: &[(&str, End, &str, Option<End>)] = &[
    ("revoked", |t, _, id| assert!(t.revoke_token(&operator(2), id, None).unwrap()), "token_ended", None),
    (
        "all revoked",
        |t, owner, _| assert!(t.revoke_user_tokens(&operator(2), owner.id, None).unwrap() > 0),
        "token_ended",
        None,
    ),
    (
        "rotated",
        |t, _, id| {
            let rotation = Rotation::default().with_grace(Lifetime::seconds(600));
            drop(t.rotate_token(&operator(2), id, rotation).unwrap());
        },
        "token_ended",
        None,
    ),
    (
        "paused",
        |t, _, id| switch(t, id, Activation::Inactive),
        "token_ended",
        Some(|t, _, id| switch(t, id, Activation::Active)),
    ),
    (
        "disabled",
        |t, owner, _| disable(t, owner, true),
        "user_disabled",
        Some(|t, owner, _| disable(t, owner, false)),
    ),
    ("removed", |t, owner, _| t.delete_user(&operator(2), owner.id).unwrap(), "user_disabled", None),
    (
        "bound to an address",
        |t, _, id| {
            let changes = TokenChanges::default().with_allowed_ips(vec!["203.0.113.7".into()]);
            drop(t.update_token(&operator(2), id, changes).unwrap());
        },
        "address_not_allowed",
        Some(|t, _, id| {
            let changes = TokenChanges::default().with_allowed_ips(Vec::new());
            drop(t.update_token(&operator(4), id, changes).unwrap());
        }),
    ),
];

fn switch(tokenry: &Tokenry, id: TokenId, to: Activation) {
    let changes = TokenChanges::default().with_switch(to);
    tokenry.update_token(&operator(3), id, changes).unwrap();
}

fn disable(tokenry: &Tokenry, owner: &User, disabled: bool) {
    tokenry.update_user(&operator(3), owner.id, UserChanges::default().with_disabled(disabled)).unwrap();
}

each_backend!(every_end_of_a_token_ends_its_sessions_permanently, |db| {
    let tokenry = service(db);
    for (number, (how, end, reason, undo)) in ENDS.iter().enumerate() {
        let owner = user(&tokenry, &format!("alice{number}"), "user");
        let (token, text) = issue(&tokenry, &owner, &["tokens:read"]);
        let (_, other) = issue(&tokenry, &user(&tokenry, &format!("bob{number}"), "user"), &["tokens:read"]);
        let ((_, one), (_, two), (_, others)) =
            (start(&tokenry, &text, 1), start(&tokenry, &text, 1), start(&tokenry, &other, 1));
        assert!(use_at(&tokenry, &one, 1).is_ok());
        let before = ends(db).len();
        end(&tokenry, &owner, token.id);
        assert_over(&tokenry, &one, 3);
        if let Some(undo) = undo {
            undo(&tokenry, &owner, token.id);
            verify(&tokenry, &text, 4).unwrap();
            assert_over(&tokenry, &one, 4);
        }
        if *reason != "address_not_allowed" {
            assert_over(&tokenry, &two, 4);
            assert_eq!(ends(db)[before..], [reason.to_string(), reason.to_string()], "{how}");
        }
        assert_eq!(ends(db)[before], *reason, "{how}");
        assert!(use_at(&tokenry, &others, 4).is_ok(), "{how}");
    }
});

each_backend!(a_session_is_checked_against_the_current_rows, |db| {
    use tokenry_domain::{PublicId, Revocation};
    use tokenry_store::{session, token, user as users};
    type Change = fn(&TestDatabase, User, TokenId);
    let changes: [Change; 3] = [
        |db, owner, _| {
            let owner = User { disabled_at: Some(at(2)), ..owner };
            assert!(db.store().write(move |tx| users::update(tx, &owner)).unwrap());
        },
        |db, _, id| {
            let revocation = Revocation { at: at(2), by: Actor::System, reason: None };
            assert!(db.store().write(move |tx| token::mark_revoked(tx, id, &revocation)).unwrap());
        },
        |_, _, _| {},
    ];
    let tokenry = service(db);
    for (number, change) in changes.into_iter().enumerate() {
        let owner = user(&tokenry, &format!("alice{number}"), "user");
        let (token, text) = issue(&tokenry, &owner, &["tokens:read"]);
        let (started, cookie) = start(&tokenry, &text, 1);
        assert!(use_at(&tokenry, &cookie, 1).is_ok());
        change(db, owner, token.id);
        if number == 2 {
            // The row of a token that was rotated since.
            let SessionProof::Token { id, .. } = started.session.proof else {
                panic!("the session was not started with a token")
            };
            let public_id = PublicId::from_stored("test_pat_another0000".to_owned());
            let proof = SessionProof::Token { id, public_id };
            let stale = Session { proof, ..started.session.clone() };
            let digest = tokenry_service::SessionSecret::parse(cookie.as_bytes()).unwrap().digest();
            db.store()
                .write(move |tx| {
                    session::take(tx, &[stale.id])?;
                    session::insert(tx, &stale, &digest)
                })
                .unwrap();
        }
        assert_over(&tokenry, &cookie, 3);
    }
});

each_backend!(a_session_ends_by_lifetime_by_idleness_and_no_later_than_its_token, |db| {
    let lifetime = Lifetime::seconds(3600);
    let tokenry =
        with(db, SessionSettings::default().with_lifetime(lifetime).with_idle(Lifetime::seconds(600)));
    let alice = user(&tokenry, "alice", "user");
    let (_, text) = issue(&tokenry, &alice, &["tokens:read"]);
    let (started, busy) = start(&tokenry, &text, 0);
    assert_eq!(started.session.expires_at, at(3600));
    let (_, idle) = start(&tokenry, &text, 0);
    for seconds in (0..3600).step_by(500) {
        assert!(use_at(&tokenry, &busy, seconds).is_ok(), "{seconds}");
    }
    assert!(use_at(&tokenry, &busy, 3599).is_ok());
    assert_over(&tokenry, &busy, 3600);
    assert_over(&tokenry, &idle, 600);
    assert_over(&tokenry, &idle, 1);
    assert_eq!(ends(db), ["expired", "expired"]);

    let short = new("short", &["tokens:read"]).with_expiry(Expiry::In(Lifetime::seconds(900)));
    let issued = tokenry.issue_token(&operator(0), alice.id, short).unwrap();
    let (started, cookie) = start(&tokenry, &issued.secret.reveal_once(), 500);
    assert_eq!(started.session.expires_at, at(900));
    assert!(use_at(&tokenry, &cookie, 899).is_ok());
    assert_over(&tokenry, &cookie, 900);

    let endless = with(db, SessionSettings::default().with_lifetime(lifetime).with_idle(None));
    let (_, cookie) = start(&endless, &text, 0);
    assert!(use_at(&endless, &cookie, 3599).is_ok());
});

each_backend!(a_use_is_recorded_once_a_minute, |db| {
    let tokenry = service(db);
    let (_, text) = issue(&tokenry, &user(&tokenry, "alice", "user"), &["tokens:read"]);
    let (_, cookie) = start(&tokenry, &text, 0);
    let writes = |seconds| {
        let before = db.store().writes();
        use_at(&tokenry, &cookie, seconds).unwrap();
        db.store().writes() - before
    };
    let counted: Vec<_> = [0, 59, 60, 61, 119, 120, 30].into_iter().map(writes).collect();
    assert_eq!(counted, [0, 0, 1, 0, 0, 1, 0]);
    assert_eq!(use_at(&tokenry, &cookie, 121).unwrap().session().unwrap().seen_at, at(120));
});

each_backend!(a_session_started_with_a_token_widens_nothing, |db| {
    let tokenry = service(db);
    let alice = user(&tokenry, "alice", "user");
    let bounds = new("mine", &["tokens:write", "x:read"])
        .with_expiry(Expiry::In(Lifetime::days(10)))
        .with_allowed_ips(vec!["192.0.2.0/24".into()]);
    let issued = tokenry.issue_token(&operator(0), alice.id, bounds).unwrap();
    let (own, text) = (issued.token, issued.secret.reveal_once().to_string());
    let ip = Some("192.0.2.1".parse().unwrap());
    let verified = tokenry.verify_blocking(text.as_bytes(), at(1), ip).unwrap();
    let begin = RequestContext::new(verified.into(), at(1)).with_client(from(Some("192.0.2.1")));
    let (_, cookie) = split(tokenry.start_session(&begin, None).unwrap());
    let caller = tokenry.session(cookie.as_bytes(), at(2), &from(Some("192.0.2.9"))).unwrap();
    assert_eq!((caller.credential(), caller.actor()), (CredentialKind::Session, Actor::Token(own.id)));
    assert!(caller.verified().is_none() && may(&caller, "x:read") && !may(&caller, "x:write"));
    let context = RequestContext::new(caller, at(2));

    let made = tokenry.issue_token(&context, alice.id, new("part", &["x:read"])).unwrap().token;
    assert_eq!((made.expires_at, made.allowed_ips), (own.expires_at, own.allowed_ips.clone()));
    assert_eq!(made.created_by, Actor::Token(own.id));
    let longer = Some(Expiry::In(Lifetime::days(20)));
    for wide in [
        new("scopes", &["x:write"]),
        new("all", &["*"]),
        new("days", &["x:read"]).with_expiry(longer),
        new("addresses", &["x:read"]).with_allowed_ips(Vec::new()),
    ] {
        let rejected = tokenry.issue_token(&context, alice.id, wide).map(|_| ()).unwrap_err();
        assert!(matches!(rejected, IssueError::Denied(_)), "{rejected}");
    }
    for wide in [
        TokenChanges::default().with_scopes(vec!["tokens:write".into(), "x:write".into()]),
        TokenChanges::default().with_expiry(longer),
        TokenChanges::default().with_allowed_ips(Vec::new()),
    ] {
        let rejected = tokenry.update_token(&context, own.id, wide).map(|_| ()).unwrap_err();
        assert!(matches!(rejected, UpdateError::Denied(_)), "{rejected}");
    }
    let bob = user(&tokenry, "bob", "user");
    let rejected = tokenry.issue_token(&context, bob.id, new("t", &[])).map(|_| ()).unwrap_err();
    assert!(matches!(rejected, IssueError::NoSuchUser));

    // The session loses at once every scope that the token loses; the owner's role limits both.
    let less = TokenChanges::default().with_scopes(vec!["tokens:read".into()]);
    tokenry.update_token(&operator(3), own.id, less).unwrap();
    let rejected = tokenry.issue_token(&context, alice.id, new("late", &["x:read"])).map(|_| ()).unwrap_err();
    assert!(matches!(rejected, IssueError::Denied(Denial::NoLongerEntitled)));
    let caller = tokenry.session(cookie.as_bytes(), at(4), &from(Some("192.0.2.1"))).unwrap();
    assert!(may(&caller, "tokens:read") && !may(&caller, "x:read") && !may(&caller, "tokens:write"));
    let elsewhere = tokenry.session(cookie.as_bytes(), at(4), &from(Some("198.51.100.1")));
    assert!(elsewhere.is_err());
});

each_backend!(a_session_started_with_an_administrators_token_cannot_change_their_role_or_subject, |db| {
    let tokenry = service(db);
    let root = user(&tokenry, "root", "admin");
    let (_, text) = issue(&tokenry, &root, &["*"]);
    let (_, cookie) = start(&tokenry, &text, 1);
    let session = context(&tokenry, &cookie, 2);
    for changes in [
        UserChanges::default().with_role("user".parse::<tokenry_service::Role>().unwrap()),
        UserChanges::default().with_subject("other".to_owned()),
    ] {
        let rejected = tokenry.update_user(&session, root.id, changes).map(|_| ()).unwrap_err();
        assert!(matches!(rejected, tokenry_service::UserError::Denied(Denial::Beyond(_))), "{rejected}");
    }
    tokenry
        .update_user(
            &operator(3),
            root.id,
            UserChanges::default().with_role("user".parse::<tokenry_service::Role>().unwrap()),
        )
        .unwrap();
    assert!(!may(&use_at(&tokenry, &cookie, 4).unwrap(), "admin:read"));
});

each_backend!(a_session_of_an_embedders_user_has_their_current_role, |db| {
    let tokenry = service(db);
    let alice = user(&tokenry, "alice", "admin");
    let begin = RequestContext::new(tokenry.caller_for_user(alice.clone()).unwrap(), at(1));
    let (started, cookie) = split(tokenry.start_session(&begin, None).unwrap());
    assert_eq!(started.session.proof.as_str(), "proxy");
    let caller = use_at(&tokenry, &cookie, 2).unwrap();
    assert!(may(&caller, "admin:write") && caller.token().is_none());
    assert_eq!(caller.actor(), Actor::User(alice.id));
    tokenry
        .update_user(
            &operator(3),
            alice.id,
            UserChanges::default().with_role("user".parse::<tokenry_service::Role>().unwrap()),
        )
        .unwrap();
    assert!(!may(&use_at(&tokenry, &cookie, 4).unwrap(), "admin:read"));
});

each_backend!(changing_a_subject_ends_the_sessions_signed_in_with_the_old_one, |db| {
    let tokenry = service(db);
    let mallory = user(&tokenry, "mallory", "user");
    let (_, text) = issue(&tokenry, &mallory, &["tokens:read"]);
    let vouched = RequestContext::new(tokenry.caller_for_user(mallory.clone()).unwrap(), at(1));
    let (_, by_name) = split(tokenry.start_session(&vouched, None).unwrap());
    let (_, by_token) = start(&tokenry, &text, 1);
    let changes = UserChanges::default().with_subject("alice".to_owned());
    tokenry.update_user(&operator(2), mallory.id, changes).unwrap();
    assert_over(&tokenry, &by_name, 3);
    assert_eq!(ends(db), ["account_changed"]);
    assert!(use_at(&tokenry, &by_token, 3).is_ok(), "a token belongs to the account and not to its subject");
    // A caller admitted before the change is rejected after it.
    let late = tokenry.start_session(&vouched, None).map(|_| ()).unwrap_err();
    assert!(matches!(late, SessionError::Denied(Denial::NoLongerEntitled)), "{late}");
});

each_backend!(a_token_that_may_not_read_tokens_cannot_start_a_session, |db| {
    let tokenry = service(db);
    let alice = user(&tokenry, "alice", "user");
    let (_, poor) = issue(&tokenry, &alice, &["x:read"]);
    let (full, old) = issue(&tokenry, &alice, &["*"]);
    let rotation = Rotation::default().with_grace(Lifetime::seconds(600));
    tokenry.rotate_token(&operator(1), full.id, rotation).unwrap();
    let (_, good) = issue(&tokenry, &alice, &["*"]);
    let (_, cookie) = start(&tokenry, &good, 2);
    let begin = |context: RequestContext| tokenry.start_session(&context, None).map(|_| ()).unwrap_err();
    let denied = |context| matches!(begin(context), SessionError::Denied(Denial::MissingScopes(_)));
    assert!(denied(with_token(&tokenry, &poor, 2)));
    let retired = begin(with_token(&tokenry, &old, 2));
    assert!(matches!(retired, SessionError::Denied(Denial::Retired)), "{retired}");
    assert!(matches!(begin(operator(2)), SessionError::NoCredential));
    assert!(matches!(begin(context(&tokenry, &cookie, 2)), SessionError::NoCredential));
});

each_backend!(a_token_has_at_most_twenty_sessions_and_another_ends_its_oldest, |db| {
    let tokenry = service(db);
    let alice = user(&tokenry, "alice", "user");
    let (_, text) = issue(&tokenry, &alice, &["tokens:read"]);
    let (_, bobs) = issue(&tokenry, &user(&tokenry, "bob", "user"), &["tokens:read"]);
    let (_, others) = start(&tokenry, &bobs, 0);
    let (_, second) = issue(&tokenry, &alice, &["tokens:read"]);
    let (_, own) = start(&tokenry, &second, 0);
    let mut cookies: Vec<_> = (0..20).map(|seconds| start(&tokenry, &text, seconds).1).collect();
    assert!(cookies.iter().all(|cookie| use_at(&tokenry, cookie, 20).is_ok()));
    cookies.push(start(&tokenry, &text, 20).1);
    assert_over(&tokenry, &cookies[0], 21);
    assert_eq!(ends(db), ["replaced"]);
    assert!(cookies[1..].iter().chain([&others, &own]).all(|cookie| use_at(&tokenry, cookie, 21).is_ok()));
    // Expired sessions are replaced first: all but one are idle by now.
    assert!(use_at(&tokenry, &cookies[1], 3000).is_ok());
    start(&tokenry, &text, 3700);
    assert!(use_at(&tokenry, &cookies[1], 3701).is_ok());
    assert!(ends(db)[1..].iter().all(|end| end == "expired") && ends(db).len() == 21);
});

each_backend!(the_cleanup_ends_expired_sessions_that_were_not_used_again, |db| {
    let tokenry = service(db);
    let alice = user(&tokenry, "alice", "user");
    let (_, text) = issue(&tokenry, &alice, &["tokens:read"]);
    let bound = new("bound", &["tokens:read"]).with_allowed_ips(vec!["192.0.2.1".into()]);
    let bound = tokenry.issue_token(&operator(0), alice.id, bound).unwrap().secret.reveal_once();
    let verified = tokenry.verify_blocking(bound.as_bytes(), at(3000), from(Some("192.0.2.1")).ip).unwrap();
    let (_, elsewhere) =
        split(tokenry.start_session(&RequestContext::new(verified.into(), at(3000)), None).unwrap());
    let (_, idle) = start(&tokenry, &text, 0);
    let (_, live) = start(&tokenry, &text, 3000);
    // Two concurrent cleanups record each end once.
    let second = common::service_on(db.second_store());
    let ended: usize = std::thread::scope(|scope| {
        let nodes = [&tokenry, &second]
            .map(|node| scope.spawn(|| node.cleanup(&operator(3700)).unwrap().ended_sessions));
        nodes.into_iter().map(|node| node.join().unwrap()).sum()
    });
    assert_eq!(ended, 1);
    assert_eq!(ends(db), ["expired"]);
    assert_over(&tokenry, &idle, 3701);
    assert!(use_at(&tokenry, &live, 3701).is_ok());
    assert!(tokenry.session(elsewhere.as_bytes(), at(3701), &from(Some("192.0.2.1"))).is_ok());
    assert_eq!(tokenry.cleanup(&operator(3702)).unwrap().ended_sessions, 0);
});

each_backend!(a_policy_that_expires_the_token_ends_its_session, |db| {
    let tokenry = service(db);
    let (_, text) = issue(&tokenry, &user(&tokenry, "alice", "user"), &["tokens:read"]);
    let (_, cookie) = start(&tokenry, &text, 100);
    let policy = Policy::default().with_max_lifetime(Some(Lifetime::seconds(60)));
    let strict = Tokenry::new(db.store().clone(), settings(policy)).unwrap();
    assert_over(&strict, &cookie, 101);
    assert_over(&tokenry, &cookie, 101);
    assert_eq!(ends(db), ["token_ended"]);
});

each_backend!(the_start_and_end_of_a_session_are_recorded_with_actor_token_and_reason, |db| {
    let tokenry = service(db);
    let alice = user(&tokenry, "alice", "user");
    let (token, text) = issue(&tokenry, &alice, &["tokens:read"]);
    let client = ClientInfo::new(Some("192.0.2.1".parse().unwrap()), Some("Firefox"), Some("req-1".into()));
    let begin = with_token(&tokenry, &text, 1).with_client(client.clone());
    let (first, cookie) = split(tokenry.start_session(&begin, None).unwrap());
    let (second, other) = split(tokenry.start_session(&begin, Some(cookie.as_bytes())).unwrap());
    assert!(tokenry.end_session(other.as_bytes(), at(5), client.clone()).unwrap());
    assert!(!tokenry.end_session(other.as_bytes(), at(5), client.clone()).unwrap());
    assert!(!tokenry.end_session(b"nonsense", at(5), client.clone()).unwrap());
    let entries = db.store().read(|tx| audit::list(tx, 0, 100)).unwrap();
    let recorded: Vec<_> = entries
        .iter()
        .map(|entry| &entry.event)
        .filter(|event| matches!(event.kind, EventKind::SessionStarted | EventKind::SessionEnded))
        .collect();
    let ids = [first.session.id, first.session.id, second.session.id, second.session.id];
    let kinds = ["started", "ended", "started", "ended"].map(|kind| format!("auth.session.{kind}"));
    let reasons = [None, Some("replaced"), None, Some("signed_out")];
    assert_eq!(recorded.len(), 4);
    for (((event, id), kind), reason) in recorded.iter().zip(ids).zip(kinds).zip(reasons) {
        assert_eq!(event.kind.as_str(), kind);
        assert_eq!((event.user_id, event.token_id), (Some(alice.id), Some(token.id)));
        assert_eq!((event.actor, &event.client), (Actor::Token(token.id), &client));
        assert_eq!(event.detail["session_id"], id.to_string());
        assert_eq!(event.detail["credential"], "pat");
        assert_eq!(event.detail.get("reason").and_then(|reason| reason.as_str()), reason);
    }
    assert!(!format!("{entries:?}").contains(&cookie[8..20]));
});

each_backend!(scopes_denied_to_tokens_are_denied_to_their_sessions, |db| {
    let definition =
        tokenry_service::catalog::Definition::default().with_denied_scopes(vec!["admin:write".into()]);
    let catalog = Catalog::define(&definition).unwrap();
    let tokenry =
        Tokenry::new(db.store().clone(), settings(Policy::default()).with_catalog(catalog)).unwrap();
    let (_, text) = issue(&tokenry, &user(&tokenry, "root", "admin"), &["*"]);
    let (_, cookie) = start(&tokenry, &text, 1);
    let caller = use_at(&tokenry, &cookie, 2).unwrap();
    assert!(may(&caller, "admin:read") && !may(&caller, "admin:write"));
});
