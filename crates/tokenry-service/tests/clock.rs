//! A clock that may be far ahead removes nothing and records no expiry.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod common;

use common::{at, issue, new, operator, service, settings, user, verify};
use tokenry_service::{
    AuditEvent, CleanupError, CleanupReport, ClientInfo, EventKind, Lifetime, Limits, Policy, Rejection,
    RequestContext, ReusePolicy, Rotation, Token, Tokenry, UnixMillis, VerifyError, unrestricted,
};
use tokenry_store::audit;
use tokenry_testkit::{TestDatabase, each_backend};

const DAY: i64 = 86_400;

each_backend!(a_clock_that_may_be_far_ahead_removes_nothing_and_records_no_expiry, |db| {
    let retention = Some(Lifetime::days(30));
    let tokenry =
        Tokenry::new(db.second_store(), settings(Policy::default()).with_retention(retention)).unwrap();
    let alice = user(&tokenry, "alice", "user");
    let (token, text) = issue(&tokenry, &alice, &[]);
    // PostgreSQL has a clock of its own; SQLite has only the times in the audit log.
    let faults = tokenry.check_clock(at(5000 * DAY)).unwrap();
    assert!(faults.iter().any(|fault| fault.forbids_cleanup()), "{faults:?}");
    assert_eq!(tokenry.clock_faults(), faults);
    assert!(matches!(tokenry.cleanup(&operator(5000 * DAY)), Err(CleanupError::Clock(_))));
    assert!(verify(&tokenry, &text, 5000 * DAY).is_err());
    assert!(
        verify(&tokenry, &text, 10).is_ok(),
        "a rejection by a clock far ahead does not outlast the clock's error"
    );
    assert_eq!(tokenry.find_token(&operator(10), token.id).unwrap().0.expiry_noted_at, None);
    let other = service(db);
    assert_eq!(other.cleanup(&operator(10)).unwrap(), CleanupReport::default(), "a correct clock continues");
});

each_backend!(a_scheduled_cleanup_checks_the_clock_first_every_time, |db| {
    let retention = Some(Lifetime::days(30));
    let tokenry =
        Tokenry::new(db.second_store(), settings(Policy::default()).with_retention(retention)).unwrap();
    let alice = user(&tokenry, "alice", "user");
    let (token, _) = issue(&tokenry, &alice, &[]);
    assert_eq!(tokenry.clock_faults(), [], "the clock has not been checked");
    assert!(matches!(tokenry.cleanup_by_clock(&operator(100_000 * DAY)), Err(CleanupError::Clock(_))));
    assert_eq!(tokenry.find_token(&operator(10), token.id).unwrap().0.expiry_noted_at, None);
});

each_backend!(a_database_without_history_is_cleaned_up_by_the_local_clock, |db| {
    let tokenry = service(db);
    assert_eq!(tokenry.check_clock(today()).unwrap(), []);
    assert_eq!(tokenry.cleanup(&operator(10)).unwrap(), CleanupReport::default());
});

/// The present instant, which a database server also knows.
fn today() -> UnixMillis {
    let passed = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    UnixMillis::new(i64::try_from(passed.as_millis()).unwrap()).unwrap()
}

fn by(at: UnixMillis) -> RequestContext {
    RequestContext::new(unrestricted::operator(), at)
}

/// A service that has checked its clock at `now`, which is correct, and revokes a token whose retired secret is used.
fn service_with_checked_clock(db: &TestDatabase, now: UnixMillis) -> Tokenry {
    let limits = Limits::unlimited();
    let policy = Policy::default().with_limits(limits).with_on_reuse(ReusePolicy::Revoke);
    let tokenry = Tokenry::new(db.second_store(), settings(policy)).unwrap();
    tokenry.check_clock(now).unwrap();
    tokenry
}

/// A token of alice created at `now`, and its secret.
fn made(tokenry: &Tokenry, now: UnixMillis) -> (Token, String) {
    let alice = tokenry.find_or_create_user(&by(now), "alice", None).unwrap();
    let issued = tokenry.issue_token(&by(now), alice.id, new("token", &["*"])).unwrap();
    (issued.token, issued.secret.reveal_once().to_string())
}

/// Such a token after a rotation with a grace in seconds: the token, its retired secret and its current one.
fn rotated(tokenry: &Tokenry, now: UnixMillis, grace: u32) -> (Token, String, String) {
    let (token, old) = made(tokenry, now);
    let rotation = Rotation::default().with_grace(Lifetime::seconds(grace));
    let rotated = tokenry.rotate_token(&by(now), token.id, rotation).unwrap();
    (rotated.token, old, rotated.secret.reveal_once().to_string())
}

fn rejected(tokenry: &Tokenry, text: &str, now: UnixMillis) -> Option<Rejection> {
    match tokenry.verify_blocking(text.as_bytes(), now, None) {
        Err(VerifyError::Rejected(rejection)) => Some(rejection),
        _ => None,
    }
}

/// The audit events about expiries and retired secrets.
fn ends(db: &TestDatabase) -> Vec<EventKind> {
    let entries = db.store().read(|tx| audit::list(tx, 0, 1000)).unwrap();
    let is_end = |event: &AuditEvent| match event.kind {
        EventKind::TokenExpired | EventKind::TokenRevoked | EventKind::SessionEnded => true,
        EventKind::RequestFailed => event.detail["reason"] == "retired_secret",
        _ => false,
    };
    entries.into_iter().map(|entry| entry.event).filter(is_end).map(|event| event.kind).collect()
}

const YEAR: Lifetime = Lifetime::days(366);

each_backend!(a_clock_that_jumped_since_the_last_check_records_no_expiry, |db| {
    let now = today();
    let tokenry = service_with_checked_clock(db, now);
    let later = |seconds: u32| now.checked_add(Lifetime::seconds(seconds)).unwrap();
    let (token, old, present) = rotated(&tokenry, now, 3600);
    let (_, text) = made(&tokenry, now);
    let caller = |text: &str, at| {
        RequestContext::new(tokenry.verify_blocking(text.as_bytes(), at, None).unwrap().into(), at)
    };
    let start = |context: &RequestContext| {
        tokenry.start_session(context, None).unwrap().secret.reveal_once().to_string()
    };
    let alice = tokenry.find_or_create_user(&by(now), "alice", None).unwrap();
    let vouched = |at| RequestContext::new(tokenry.caller_for_user(alice.clone()).unwrap(), at);
    let cookies = [start(&caller(&text, now)), start(&vouched(now))];
    let is_signed_in =
        |cookie: &String, at| tokenry.session(cookie.as_bytes(), at, &ClientInfo::default()).is_ok();

    let jumped = later(30).checked_add(YEAR).unwrap();
    assert_eq!(rejected(&tokenry, &text, jumped), Some(Rejection::Expired));
    assert_eq!(rejected(&tokenry, &present, jumped), Some(Rejection::Expired));
    assert_eq!(rejected(&tokenry, &old, jumped), Some(Rejection::Rotated(token.id)));
    assert!(cookies.iter().all(|cookie| !is_signed_in(cookie, jumped)));
    // A session started now does not end those that only this clock calls expired.
    start(&vouched(jumped));

    for text in [&text, &present, &old] {
        assert_eq!(rejected(&tokenry, text, later(60)), None);
    }
    assert!(cookies.iter().all(|cookie| is_signed_in(cookie, later(60))));
    tokenry.flush().unwrap();
    let row = tokenry.find_token(&by(now), token.id).unwrap().0;
    assert_eq!((row.expiry_noted_at, row.revoked), (None, None));
    let digest = tokenry_service::SessionSecret::parse(cookies[1].as_bytes()).unwrap().digest();
    assert!(db.store().read(|tx| tokenry_store::session::find(tx, &digest)).unwrap().is_some());
    assert!(tokenry.end_session(cookies[1].as_bytes(), jumped, ClientInfo::default()).unwrap());
    // Dropping the service writes the events that are recorded asynchronously.
    drop(tokenry);
    assert_eq!(ends(db), [EventKind::SessionEnded]);
});

each_backend!(a_correct_clock_records_the_same_expiries, |db| {
    let now = today();
    let tokenry = service_with_checked_clock(db, now);
    let (token, old, _) = rotated(&tokenry, now, 60);
    let after = now.checked_add(Lifetime::seconds(3600)).unwrap();
    assert_eq!(rejected(&tokenry, &old, after), Some(Rejection::Rotated(token.id)));
    drop(tokenry);
    assert_eq!(ends(db), [EventKind::RequestFailed, EventKind::TokenRevoked]);
});

// Without a grace the row itself says that the secret is retired: a clock only decides how long ago.
each_backend!(the_use_of_a_secret_retired_without_grace_is_recorded_unless_the_clock_is_ahead, |db| {
    let now = today();
    let tokenry = service_with_checked_clock(db, now);
    let (token, old, _) = rotated(&tokenry, now, 0);
    let jumped = now.checked_add(YEAR).unwrap();
    assert_eq!(rejected(&tokenry, &old, jumped), Some(Rejection::Rotated(token.id)));
    drop(tokenry);
    assert_eq!(ends(db), [], "the answer to the rotation may have been lost");
    let tokenry = service_with_checked_clock(db, now);
    let after = now.checked_add(Lifetime::seconds(61)).unwrap();
    assert_eq!(rejected(&tokenry, &old, after), Some(Rejection::Rotated(token.id)));
    drop(tokenry);
    assert_eq!(ends(db), [EventKind::RequestFailed, EventKind::TokenRevoked]);
});

each_backend!(a_clock_far_behind_records_the_expiries_it_sees, |db| {
    let tokenry = service(db);
    let alice = user(&tokenry, "alice", "user");
    let (_, text) = issue(&tokenry, &alice, &[]);
    // Months behind PostgreSQL's clock; SQLite has no clock to compare with.
    tokenry.check_clock(at(10)).unwrap();
    let short = new("short", &[]).with_expiry(tokenry_service::Expiry::In(Lifetime::seconds(60)));
    let short = tokenry.issue_token(&operator(0), alice.id, short).unwrap().secret.reveal_once();
    assert!(verify(&tokenry, &short, 3600).is_err());
    assert!(verify(&tokenry, &short, 10).is_err(), "the expiry is recorded and outlasts the clock's error");
    assert!(verify(&tokenry, &text, 10).is_ok());
});
