//! Fixtures shared by the tests of the use cases.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
#![allow(dead_code, reason = "no test file uses all of it")]

use tokenry_service::{
    Catalog, HashSettings, Issued, Limits, NewToken, Policy, Prefix, RequestContext, Role, Scheme, Settings,
    Tokenry, UnixMillis, User, VerifiedToken, VerifyError, unrestricted,
};
use tokenry_testkit::TestDatabase;

/// 2026-01-01 plus `seconds`.
pub(crate) fn at(seconds: i64) -> UnixMillis {
    tokenry_testkit::at(seconds * 1000)
}

pub(crate) fn settings(policy: Policy) -> Settings {
    Settings::default()
        .with_prefix(Prefix::parse("test_pat_").unwrap())
        .with_hash(HashSettings::new(Scheme::Bcrypt).with_bcrypt_cost(4))
        .with_policy(policy)
        .with_catalog(Catalog::open())
        .with_retention(None)
}

/// A service without limits, but with the default lifetimes.
pub(crate) fn service(db: &TestDatabase) -> Tokenry {
    limited(db, None, None)
}

pub(crate) fn limited(
    db: &TestDatabase,
    max_live_tokens: Option<u32>,
    creations_per_hour: Option<u32>,
) -> Tokenry {
    let limits =
        Limits::default().with_max_live_tokens(max_live_tokens).with_creations_per_hour(creations_per_hour);
    Tokenry::new(db.store().clone(), settings(Policy::default().with_limits(limits))).unwrap()
}

/// A service without limits on another store, as on a second node.
pub(crate) fn service_on(store: impl Into<tokenry_service::Store>) -> Tokenry {
    let limits = Limits::unlimited();
    Tokenry::new(store, settings(Policy::default().with_limits(limits))).unwrap()
}

pub(crate) fn operator(seconds: i64) -> RequestContext {
    RequestContext::new(unrestricted::operator(), at(seconds))
}

pub(crate) fn user(tokenry: &Tokenry, subject: &str, role: &str) -> User {
    let role: Role = role.parse().unwrap();
    let new = tokenry_service::NewUser::default().with_role(role);
    tokenry.find_or_create_user(&operator(0), subject, Some(new)).unwrap()
}

pub(crate) fn new(name: &str, scopes: &[&str]) -> NewToken {
    NewToken::new(name.to_owned()).with_scopes(scopes.iter().map(ToString::to_string).collect::<Vec<_>>())
}

/// A token issued by the operator, and its secret.
pub(crate) fn issue(tokenry: &Tokenry, owner: &User, scopes: &[&str]) -> (tokenry_service::Token, String) {
    let Issued { token, secret, .. } =
        tokenry.issue_token(&operator(0), owner.id, new("token", scopes)).unwrap();
    (token, secret.reveal_once().to_string())
}

pub(crate) fn verify(tokenry: &Tokenry, text: &str, seconds: i64) -> Result<VerifiedToken, VerifyError> {
    tokenry.verify_blocking(text.as_bytes(), at(seconds), None)
}

/// A request made with a token.
pub(crate) fn with_token(tokenry: &Tokenry, text: &str, seconds: i64) -> RequestContext {
    RequestContext::new(verify(tokenry, text, seconds).unwrap().into(), at(seconds))
}

/// The public id of one token with the secret of another and a valid checksum.
pub(crate) fn with_secret_of(text: &str, donor: &str) -> String {
    let front = format!("{}{}", &text[..21], &donor[21..64]);
    let alphabet = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut sum = crc32fast::hash(front.as_bytes()) as usize;
    let mut digits = Vec::new();
    for _ in 0..6 {
        digits.insert(0, char::from(alphabet[sum % 62]));
        sum /= 62;
    }
    format!("{front}{}", digits.into_iter().collect::<String>())
}

/// Waits until the condition holds.
pub(crate) fn until(what: &str, condition: impl Fn() -> bool) {
    let is_met = (0..1500).any(|_| {
        let is_met = condition();
        if !is_met {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        is_met
    });
    assert!(is_met, "{what}");
}
