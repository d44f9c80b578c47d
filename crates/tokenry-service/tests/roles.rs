//! The service as a PostgreSQL role that lacks a right: nothing is lost, and work that does not need the right continues.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod common;

use common::{at, issue, operator, settings, user, verify};
use tokenry_service::{
    CleanupError, Lifetime, Policy, Store, StoreError, StoreSettings, Tokenry, UnixMillis, UsageEvent,
    UsageQuery, UsageSettings, grants,
};
use tokenry_testkit::{TestDatabase, TestRole};

const DAY: i64 = 86_400;

/// A service that connects as a role with the rights that a server needs.
fn restricted(db: &TestDatabase, role: &TestRole) -> Tokenry {
    db.run(&grants::script(role.name(), &"public".parse().unwrap()).unwrap());
    let store = Store::open(&role.url().parse().unwrap(), StoreSettings::default()).unwrap();
    let day = Some(Lifetime::days(1));
    let usage = UsageSettings::default().with_retention(day);
    Tokenry::new(store, settings(Policy::default()).with_retention(day).with_usage(usage)).unwrap()
}

fn get(at: UnixMillis) -> UsageEvent<'static> {
    UsageEvent::new(at, None, 200).with_method("GET").with_route("/a").with_user_agent(None)
}

#[test]
fn uses_are_kept_until_the_right_to_write_them_returns() {
    let Some(db) = TestDatabase::postgres() else { return };
    let role = TestRole::new(&db);
    let tokenry = restricted(&db, &role);
    let (token, text) = issue(&tokenry, &user(&tokenry, "alice", "user"), &["tokens:read"]);
    let verified = verify(&tokenry, &text, 1).unwrap();
    db.run(&format!("REVOKE INSERT ON token_usage FROM {}", role.name()));
    for _ in 0..5 {
        tokenry.record_use(&verified, &get(at(5)));
    }
    let message = tokenry.flush().unwrap_err().to_string();
    let right =
        "permission denied for table token_usage: the role needs SELECT, INSERT, UPDATE, DELETE on it";
    assert!(message.contains(right), "{message}");
    db.run(&format!("GRANT INSERT ON token_usage TO {}", role.name()));
    tokenry.flush().unwrap();
    let all = UsageQuery::default().with_from(UnixMillis::MIN);
    assert_eq!(tokenry.usage(&operator(10), token.id, all).unwrap().total_count, 5);
}

#[test]
fn a_missing_database_right_holds_back_only_its_own_part_of_a_cleanup() {
    let Some(db) = TestDatabase::postgres() else { return };
    let role = TestRole::new(&db);
    let name = role.name();
    let tokenry = restricted(&db, &role);
    let owner = user(&tokenry, "alice", "user");
    let (token, text) = issue(&tokenry, &owner, &["tokens:read"]);
    tokenry.record_use(&verify(&tokenry, &text, 1).unwrap(), &get(at(5)));
    tokenry.flush().unwrap();
    let uses = || db.texts("SELECT count(*) FROM token_usage").remove(0);
    let tokens = || db.texts("SELECT count(*) FROM personal_access_tokens").remove(0);
    let rejected = |message: &str| match tokenry.cleanup(&operator(1000 * DAY)) {
        Err(CleanupError::Store(StoreError::Unusable(text))) => assert!(text.contains(message), "{text}"),
        other => panic!("{other:?}"),
    };
    // Without the right to write the audit log no token is removed, but uses are.
    db.run(&format!("REVOKE INSERT ON audit_events FROM {name}"));
    assert_eq!((uses(), tokens()), ("1".to_owned(), "1".to_owned()));
    rejected("audit_events");
    assert_eq!((uses(), tokens()), ("0".to_owned(), "1".to_owned()));
    // Without the right to remove sessions everything else is removed.
    db.run(&format!("GRANT INSERT ON audit_events TO {name}; REVOKE SELECT ON sessions FROM {name}"));
    rejected("permission denied for table sessions");
    assert_eq!(tokens(), "0");
    assert!(tokenry.find_token(&operator(1000 * DAY), token.id).is_err());
    db.run(&format!("GRANT SELECT ON sessions TO {name}"));
    tokenry.cleanup(&operator(1000 * DAY)).unwrap();
}
