//! A complete installation for the tests of an embedding program, with a clock that the test sets.
//!
//! Enable the feature `testing` in `[dev-dependencies]`:
//!
//! ```toml
//! tokenry-service = { version = "0.1", features = ["testing"] }
//! ```
//!
//! A test then needs no file, no migration and no sleep:
//!
//! ```
//! use std::time::Duration;
//!
//! use tokenry_service::{Rejection, VerifyError, testing::TestInstallation};
//!
//! let test = TestInstallation::new();
//! let ci = test.create_token("alice", &["projects:read"]);
//!
//! let verified = test.tokenry().verify_blocking(ci.secret.as_bytes(), test.now(), None).unwrap();
//! assert!(verified.grants(&"projects:read".parse().unwrap()));
//!
//! // A new token lives for 90 days by default.
//! test.advance(Duration::from_secs(91 * 24 * 60 * 60));
//! let result = test.tokenry().verify_blocking(ci.secret.as_bytes(), test.now(), None);
//! assert!(matches!(result, Err(VerifyError::Rejected(Rejection::Expired))));
//! ```
//!
//! The database is SQLite in a temporary folder and not in memory: an in-memory database that several connections
//! share has no write-ahead log and locks whole tables, so readers would fail where they succeed in production.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tempfile::TempDir;
use tokenry_crypto::{HashSettings, Scheme};
use tokenry_domain::{Limits, Policy, Token, UnixMillis, User};
use tokenry_store::{Store, StoreSettings};

use crate::{
    caller::RequestContext,
    issue::{Issued, NewToken},
    monotonic::Monotonic,
    settings::Settings,
    tokenry::Tokenry,
    unrestricted,
};

/// 2026-01-01T00:00:00Z, where the clock of every test installation starts.
const START_MILLIS: i64 = 1_767_225_600_000;

/// A [`Tokenry`] on a new, empty SQLite database, and its clock. Both databases and clocks of two values are separate,
/// so tests may run in parallel. The database is deleted when the value is dropped.
pub struct TestInstallation {
    tokenry: Tokenry,
    /// The time that has passed since the start.
    elapsed: Arc<Mutex<Duration>>,
    // Dropped last: the store has its files open.
    _folder: TempDir,
}

/// A token and its secret, which tests may print, copy and compare.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TestToken {
    /// The token as it is stored.
    pub token: Token,
    /// Its owner.
    pub owner: User,
    /// The text that a client sends behind `Bearer`.
    pub secret: String,
}

impl Default for TestInstallation {
    fn default() -> Self {
        Self::new()
    }
}

impl TestInstallation {
    /// An installation with [`TestInstallation::settings`].
    ///
    /// # Panics
    /// If there is no temporary folder to write to.
    #[must_use]
    #[track_caller]
    pub fn new() -> Self {
        Self::with_settings(Self::settings())
    }

    /// An installation with other settings. [`Settings::monotonic`] is replaced by the clock of the test, so that
    /// [`Settings::max_staleness`] also follows [`advance`](Self::advance).
    ///
    /// # Panics
    /// If the settings are rejected ([`OpenError`](crate::OpenError)), or there is no temporary folder to write to.
    #[must_use]
    #[track_caller]
    pub fn with_settings(settings: Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("tokenry.db").display());
        let store = Store::open(&url.parse().unwrap(), StoreSettings::default()).unwrap();
        store.migrate().unwrap();
        let elapsed = Arc::<Mutex<Duration>>::default();
        let clock = elapsed.clone();
        let monotonic = Monotonic::from_fn(move || read(&clock));
        let tokenry = Tokenry::new(store, Settings { monotonic, ..settings }).unwrap();
        Self { tokenry, elapsed, _folder: folder }
    }

    /// The default settings, without limits on the number of tokens and with the cheapest hash. To change some:
    /// `TestInstallation::settings().with_catalog(catalog)`.
    #[must_use]
    pub fn settings() -> Settings {
        Settings {
            hash: HashSettings::new(Scheme::Sha256).with_bcrypt_cost(4),
            policy: Policy::default().with_limits(Limits::unlimited()),
            ..Settings::default()
        }
    }

    /// The service under test. It can be cloned and moved into the program that embeds it.
    #[must_use]
    pub fn tokenry(&self) -> &Tokenry {
        &self.tokenry
    }

    /// The present instant of this installation: 2026-01-01T00:00:00Z plus every [`advance`](Self::advance) so far.
    ///
    /// # Panics
    /// After the year 9999.
    #[must_use]
    pub fn now(&self) -> UnixMillis {
        let elapsed = i64::try_from(read(&self.elapsed).as_millis()).unwrap();
        UnixMillis::new(START_MILLIS + elapsed).unwrap()
    }

    /// Moves the clock forward. Nothing sleeps.
    pub fn advance(&self, by: Duration) {
        let mut elapsed = self.elapsed.lock().unwrap_or_else(PoisonError::into_inner);
        *elapsed = elapsed.saturating_add(by);
    }

    /// A request of the operator, who may do everything, at the present instant.
    ///
    /// # Panics
    /// After the year 9999.
    #[must_use]
    pub fn operator(&self) -> RequestContext {
        RequestContext::new(unrestricted::operator(), self.now())
    }

    /// The user with this subject. A new user is created with the lowest role of the catalog.
    ///
    /// # Panics
    /// If the subject is invalid.
    #[must_use]
    #[track_caller]
    pub fn user(&self, subject: &str) -> User {
        self.tokenry.find_or_create_user(&self.operator(), subject, None).unwrap()
    }

    /// A new token of this user, whom it creates if necessary, with the default lifetime. For other attributes, call
    /// [`Tokenry::issue_token`] with [`operator`](Self::operator).
    ///
    /// # Panics
    /// If the subject or a scope is invalid, or the policy forbids the token.
    #[must_use]
    #[track_caller]
    pub fn create_token(&self, subject: &str, scopes: &[&str]) -> TestToken {
        let owner = self.user(subject);
        let scopes = scopes.iter().map(ToString::to_string).collect();
        let new = NewToken { name: "test".to_owned(), scopes: Some(scopes), ..NewToken::default() };
        let Issued { token, owner, secret } =
            self.tokenry.issue_token(&self.operator(), owner.id, new).unwrap();
        TestToken { token, owner, secret: secret.reveal_once().to_string() }
    }
}

fn read(elapsed: &Mutex<Duration>) -> Duration {
    *elapsed.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advancing_the_clock_ages_the_rows_that_max_staleness_allows() {
        let max_staleness = Duration::from_secs(10);
        let settings = || Settings { max_staleness, ..TestInstallation::settings() };
        let test = TestInstallation::with_settings(settings());
        let created = test.create_token("alice", &["demo:read"]);
        let is_accepted =
            || test.tokenry().verify_blocking(created.secret.as_bytes(), test.now(), None).is_ok();
        assert!(is_accepted());
        // The database is away.
        while test.tokenry().store().revert_migration().unwrap().is_some() {}
        assert!(is_accepted(), "the row is not too old yet");
        test.advance(max_staleness);
        assert!(!is_accepted());
    }
}
