//! The configuration of an issuer: its rules and keys.

use std::time::Duration;

use thiserror::Error;
use zeroize::Zeroizing;

use super::{
    algorithm::JwtAlgorithm,
    keys::{JwtKeysError, Keys, MIN_SECRET_LEN},
};

/// The longest leeway; a larger difference means that a clock is wrong.
pub(super) const MAX_LEEWAY: Duration = Duration::from_secs(5 * 60);

/// An issuer and the rules for its tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct JwtIssuer {
    /// The exact value of `iss`.
    pub issuer: String,
    /// `aud` must contain one of these. At least one is required, so that tokens for other services are rejected.
    pub audiences: Vec<String>,
    /// The signature algorithm.
    pub algorithm: JwtAlgorithm,
    /// The accepted values of `typ`, in any case and with or without `application/`. The empty string accepts tokens without
    /// a `typ`.
    pub types: Vec<String>,
    /// The tolerated difference between the clocks, at most 5 minutes. Expired tokens stay valid for this long.
    pub leeway: Duration,
    /// The maximum age of a token after its `iat`, independent of its `exp`; `iat` is then required.
    pub max_age: Option<Duration>,
}

impl JwtIssuer {
    /// An issuer with the default rules: types `JWT` and `at+jwt`, a leeway of 30 seconds, no maximum age.
    #[must_use]
    pub fn new(issuer: String, audiences: Vec<String>, algorithm: JwtAlgorithm) -> Self {
        let types = vec!["JWT".to_owned(), "at+jwt".to_owned()];
        Self { issuer, audiences, algorithm, types, leeway: Duration::from_secs(30), max_age: None }
    }

    /// Sets [`types`](Self::types).
    #[must_use]
    pub fn with_types(mut self, types: Vec<String>) -> Self {
        self.types = types;
        self
    }

    /// Sets [`leeway`](Self::leeway).
    #[must_use]
    pub fn with_leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// Sets [`max_age`](Self::max_age).
    #[must_use]
    pub fn with_max_age(mut self, max_age: Option<Duration>) -> Self {
        self.max_age = max_age;
        self
    }

    pub(super) fn check(&self) -> Result<(), JwtSettingsError> {
        if self.issuer.is_empty() {
            return Err(JwtSettingsError::NoIssuer);
        }
        if self.audiences.is_empty() || self.audiences.iter().any(String::is_empty) {
            return Err(JwtSettingsError::Audience(self.issuer.clone()));
        }
        if self.types.is_empty() {
            return Err(JwtSettingsError::NoType(self.issuer.clone()));
        }
        if self.leeway > MAX_LEEWAY {
            return Err(JwtSettingsError::Leeway(self.issuer.clone()));
        }
        Ok(())
    }

    pub(super) fn accepts_type(&self, kind: &str) -> bool {
        self.types.iter().any(|accepted| bare(accepted).eq_ignore_ascii_case(bare(kind)))
    }
}

/// A media type without `application/`, which may be omitted (RFC 7515).
fn bare(kind: &str) -> &str {
    const PREFIX: &str = "application/";
    match kind.split_at_checked(PREFIX.len()) {
        Some((start, rest)) if start.eq_ignore_ascii_case(PREFIX) && !rest.is_empty() => rest,
        _ => kind,
    }
}

/// The keys that verify an issuer's signatures. Not `Debug`.
///
/// Exhaustive, so that a new kind does not compile until the settings can copy it.
pub enum JwtKeys {
    /// The shared secret of a symmetric algorithm, at least 32 bytes. A token's `kid` is ignored.
    Secret(Zeroizing<Vec<u8>>),
    /// A JWK Set (RFC 7517) as JSON.
    Set(String),
    /// Set later by [`replace_keys`](super::JwtVerifier::replace_keys); until then no token can be verified.
    Pending,
}

impl JwtKeys {
    pub(super) fn load(self, rules: &JwtIssuer) -> Result<Option<Keys>, JwtSettingsError> {
        let issuer = rules.issuer.clone();
        match self {
            Self::Secret(_) if !rules.algorithm.is_symmetric() => Err(JwtSettingsError::Secret(issuer)),
            Self::Secret(secret) if secret.len() < MIN_SECRET_LEN => {
                Err(JwtSettingsError::ShortSecret(issuer))
            }
            Self::Secret(secret) => Ok(Some(Keys::secret(&secret))),
            Self::Set(jwks) => match Keys::parse(&jwks, rules.algorithm) {
                Ok(keys) => Ok(Some(keys)),
                Err(why) => Err(JwtSettingsError::Keys(issuer, why)),
            },
            Self::Pending => Ok(None),
        }
    }
}

/// Why an issuer's settings are invalid. Each variant names the issuer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JwtSettingsError {
    /// An issuer's name is empty.
    #[error("an issuer must have a name")]
    NoIssuer,
    /// Two issuers have the same name.
    #[error("the issuer `{0}` is configured twice")]
    Duplicate(String),
    /// No audience, or an empty one.
    #[error("the issuer `{0}` requires an audience, and none may be empty")]
    Audience(String),
    /// No accepted type.
    #[error("the issuer `{0}` requires an accepted type of token")]
    NoType(String),
    /// A leeway over 5 minutes.
    #[error("the leeway of the issuer `{0}` must be at most 5 minutes")]
    Leeway(String),
    /// A secret for an algorithm that verifies with public keys.
    #[error("the issuer `{0}` has an algorithm that takes public keys, not a secret")]
    Secret(String),
    /// A secret of fewer than 32 bytes.
    #[error("the secret of the issuer `{0}` must have at least 32 bytes")]
    ShortSecret(String),
    /// The key set cannot be used.
    #[error("the keys of the issuer `{0}` cannot be used")]
    Keys(String, #[source] JwtKeysError),
}
