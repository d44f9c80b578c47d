//! The test installation, used only through its public items, as an embedding program does.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::time::Duration;

use tokenry_service::{
    IssueError, Limits, NewToken, Policy, Rejection, VerifiedToken, VerifyError, testing::TestInstallation,
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn verify(test: &TestInstallation, secret: &str) -> Result<VerifiedToken, VerifyError> {
    test.tokenry().verify_blocking(secret.as_bytes(), test.now(), None)
}

fn rejection(result: Result<VerifiedToken, VerifyError>) -> Rejection {
    match result {
        Err(VerifyError::Rejected(rejection)) => rejection,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("the token was accepted"),
    }
}

#[test]
fn a_created_token_is_accepted_until_it_expires() {
    let test = TestInstallation::new();
    let created = test.create_token("alice", &["projects:read"]);
    let verified = verify(&test, &created.secret).unwrap();
    assert_eq!(verified.owner().subject.as_str(), "alice");
    assert!(verified.grants(&"projects:read".parse().unwrap()));
    assert!(!verified.grants(&"projects:write".parse().unwrap()));

    test.advance(90 * DAY - Duration::from_millis(1));
    assert!(verify(&test, &created.secret).is_ok());
    test.advance(Duration::from_millis(1));
    assert_eq!(Some(test.now()), created.token.expires_at);
    assert_eq!(rejection(verify(&test, &created.secret)), Rejection::Expired);
}

#[test]
fn a_revoked_token_is_rejected() {
    let test = TestInstallation::new();
    let (revoked, other) =
        (test.create_token("alice", &["demo:read"]), test.create_token("alice", &["demo:read"]));
    test.tokenry().revoke_token(&test.operator(), revoked.token.id, None).unwrap();
    assert_eq!(rejection(verify(&test, &revoked.secret)), Rejection::Revoked);
    assert!(verify(&test, &other.secret).is_ok());
}

#[test]
fn two_installations_share_neither_tokens_nor_clocks() {
    let (first, second) = (TestInstallation::new(), TestInstallation::new());
    let created = first.create_token("alice", &["demo:read"]);
    assert_eq!(rejection(verify(&second, &created.secret)), Rejection::Unknown);
    first.advance(DAY);
    assert_eq!(first.now().since(second.now()), DAY);
}

#[test]
fn there_are_no_limits_unless_the_test_sets_them() {
    let unlimited = TestInstallation::new();
    for _ in 0..20 {
        let created = unlimited.create_token("alice", &["demo:read"]);
        assert!(verify(&unlimited, &created.secret).is_ok());
    }

    let limits = Limits::default().with_max_live_tokens(Some(1)).with_creations_per_hour(None);
    let policy = Policy::default().with_limits(limits);
    let limited = TestInstallation::with_settings(TestInstallation::settings().with_policy(policy));
    let first = limited.create_token("alice", &["demo:read"]);
    let new = NewToken::new("second");
    let second = limited.tokenry().issue_token(&limited.operator(), first.owner.id, new);
    assert!(matches!(second, Err(IssueError::TokenLimitReached { limit: 1 })));
}
