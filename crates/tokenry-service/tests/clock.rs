//! A clock that may be far ahead removes nothing and records no end.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{at, issue, operator, service, settings, user, verify};
use tokenry_service::{Cleaned, CleanupError, Lifetime, Policy, Settings, Tokenry};
use tokenry_testkit::each_backend;

const DAY: i64 = 86_400;

each_backend!(a_clock_that_may_be_far_ahead_removes_nothing_and_records_no_end, |db| {
    let retention = Some(Lifetime::days(30));
    let tokenry =
        Tokenry::new(db.second_store(), Settings { retention, ..settings(Policy::default()) }).unwrap();
    let alice = user(&tokenry, "alice", "user");
    let (token, text) = issue(&tokenry, &alice, &[]);
    // PostgreSQL has a clock of its own; on SQLite the audit log is all there is.
    let faults = tokenry.check_clock(at(5000 * DAY)).unwrap();
    assert!(faults.iter().any(|fault| fault.forbids_cleanup()), "{faults:?}");
    assert_eq!(tokenry.clock_faults(), faults);
    assert!(matches!(tokenry.cleanup(&operator(5000 * DAY)), Err(CleanupError::Clock(_))));
    assert!(verify(&tokenry, &text, 5000 * DAY).is_err());
    assert!(verify(&tokenry, &text, 10).is_ok(), "what a clock far ahead refused is back when it is right");
    assert_eq!(tokenry.find(&operator(10), token.id).unwrap().0.expiry_noted_at, None);
    let other = service(db);
    assert_eq!(other.cleanup(&operator(10)).unwrap(), Cleaned::default(), "a clock that is right goes on");
});

each_backend!(a_cleanup_by_the_clock_looks_at_it_first_and_at_each_time, |db| {
    let retention = Some(Lifetime::days(30));
    let tokenry =
        Tokenry::new(db.second_store(), Settings { retention, ..settings(Policy::default()) }).unwrap();
    let alice = user(&tokenry, "alice", "user");
    let (token, _) = issue(&tokenry, &alice, &[]);
    assert_eq!(tokenry.clock_faults(), [], "nobody has looked");
    assert!(matches!(tokenry.cleanup_by_clock(&operator(100_000 * DAY)), Err(CleanupError::Clock(_))));
    assert_eq!(tokenry.find(&operator(10), token.id).unwrap().0.expiry_noted_at, None);
});

each_backend!(a_database_without_history_is_cleaned_up_by_the_clock_there_is, |db| {
    let tokenry = service(db);
    let now = tokenry_service::UnixMillis::new(
        i64::try_from(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap(),
    );
    assert_eq!(tokenry.check_clock(now.unwrap()).unwrap(), []);
    assert_eq!(tokenry.cleanup(&operator(10)).unwrap(), Cleaned::default());
});
