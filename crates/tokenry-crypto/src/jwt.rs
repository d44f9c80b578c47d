//! Verification of the JWTs of configured issuers.
//!
//! A token never chooses how it is verified: `iss` selects one of the configured issuers, and the algorithm, the keys and
//! all other rules come from that issuer's configuration.

mod algorithm;
mod claims;
mod issuer;
mod json;
mod keys;
mod unverified;

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use thiserror::Error;
use tokenry_domain::UnixMillis;

pub use self::{
    algorithm::{JwtAlgorithm, UnknownJwtAlgorithm},
    claims::JwtClaims,
    issuer::{JwtIssuer, JwtKeys, JwtSettingsError},
    keys::JwtKeysError,
};
use self::{keys::Keys, unverified::UnverifiedJwt};

/// Verifies the tokens of its issuers. Shared by all threads; keys can be replaced at run time.
pub struct JwtVerifier {
    issuers: Vec<Issuer>,
}

struct Issuer {
    rules: JwtIssuer,
    /// `None` until the first key set has been loaded.
    keys: RwLock<Option<Arc<Keys>>>,
}

/// Why a token was rejected. [`WrongAudience`](Self::WrongAudience) and all variants after it are returned only for a token
/// that the issuer has signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JwtError {
    /// Not three parts of base64url, over 8 KiB, no JSON objects, a duplicate name, or an unsupported header: `crit`, `jwk`,
    /// `jku`, `x5u`, `x5c`.
    #[error("malformed token")]
    Malformed,
    /// `iss` is missing or names no configured issuer.
    #[error("unknown issuer")]
    UnknownIssuer,
    /// `alg` is not the configured algorithm of the issuer.
    #[error("not the issuer's algorithm")]
    WrongAlgorithm,
    /// `typ` is not an accepted type.
    #[error("not a type of token that is accepted")]
    WrongType,
    /// The issuer's keys have not been loaded yet, so the token cannot be verified.
    #[error("the issuer's keys are not available")]
    KeysUnavailable,
    /// `kid` names no usable key, or is missing although there are several keys. The issuer may have published new keys.
    #[error("unknown key")]
    UnknownKey,
    /// The signature does not match the token and the key.
    #[error("wrong signature")]
    BadSignature,
    /// `aud` is missing or contains none of the audiences.
    #[error("meant for another audience")]
    WrongAudience,
    /// At or after `exp`, or older than allowed.
    #[error("expired")]
    Expired,
    /// Before `nbf`, or issued in the future.
    #[error("not yet valid")]
    NotYetValid,
    /// The named claim is required and missing, or has an invalid form.
    #[error("unusable claim `{0}`")]
    BadClaims(&'static str),
}

impl JwtVerifier {
    /// Creates a verifier for the tokens of these issuers.
    ///
    /// # Errors
    /// [`JwtSettingsError`] names the issuer and describes what to change.
    pub fn new(issuers: Vec<(JwtIssuer, JwtKeys)>) -> Result<Self, JwtSettingsError> {
        let mut verifier = Self { issuers: Vec::with_capacity(issuers.len()) };
        for (rules, keys) in issuers {
            rules.check()?;
            if verifier.find(&rules.issuer).is_some() {
                return Err(JwtSettingsError::Duplicate(rules.issuer));
            }
            let keys = RwLock::new(keys.load(&rules)?.map(Arc::new));
            verifier.issuers.push(Issuer { rules, keys });
        }
        Ok(verifier)
    }

    /// Whether there are no issuers, so that every token is rejected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.issuers.is_empty()
    }

    /// Whether a credential has the outer form of a JWT: three non-empty parts of base64url, separated by dots. A personal
    /// access token contains no dot.
    #[must_use]
    pub fn looks_like_jwt(presented: &[u8]) -> bool {
        unverified::parts(presented).is_some()
    }

    /// The claims of a token that is valid at `now`. Never panics.
    ///
    /// # Errors
    /// The first failed check, in this order: form, issuer, algorithm, type, key, signature, audience, times, subject.
    pub fn verify(&self, presented: &[u8], now: UnixMillis) -> Result<JwtClaims, JwtError> {
        let (form, issuer) = self.parse(presented)?;
        let rules = &issuer.rules;
        let keys = issuer.keys().ok_or(JwtError::KeysUnavailable)?;
        let key = keys.find(form.key_id()).ok_or(JwtError::UnknownKey)?;
        if !keys::is_signed(key, rules.algorithm, form.message(), form.signature()) {
            return Err(JwtError::BadSignature);
        }
        JwtClaims::check(form.into_payload(), rules, now)
    }

    /// The issuer whose keys lack the one that a token names; `None` if the key is known or the token is rejected earlier.
    #[must_use]
    pub fn missing_key(&self, presented: &[u8]) -> Option<&str> {
        let (form, issuer) = self.parse(presented).ok()?;
        let has_key = issuer.keys().is_some_and(|keys| keys.find(form.key_id()).is_some());
        (!has_key).then_some(issuer.rules.issuer.as_str())
    }

    /// Runs the checks that require no key.
    fn parse<'t>(&self, presented: &'t [u8]) -> Result<(UnverifiedJwt<'t>, &Issuer), JwtError> {
        let form = UnverifiedJwt::parse(presented).ok_or(JwtError::Malformed)?;
        let issuer = form.issuer().and_then(|name| self.find(name)).ok_or(JwtError::UnknownIssuer)?;
        if form.algorithm() != Some(issuer.rules.algorithm.name()) {
            return Err(JwtError::WrongAlgorithm);
        }
        if !issuer.rules.accepts_type(form.kind()) {
            return Err(JwtError::WrongType);
        }
        Ok((form, issuer))
    }

    /// Replaces the keys of an issuer. On an error the old keys stay; a set without a usable key is an error.
    ///
    /// # Errors
    /// [`JwtKeysError`].
    pub fn replace_keys(&self, issuer: &str, jwks: &str) -> Result<(), JwtKeysError> {
        let issuer = self.find(issuer).ok_or(JwtKeysError::UnknownIssuer)?;
        let keys = Keys::parse(jwks, issuer.rules.algorithm)?;
        *issuer.keys.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(keys));
        Ok(())
    }

    /// The clock leeway of an issuer; the maximum for an unknown issuer.
    #[must_use]
    pub fn leeway(&self, issuer: &str) -> Duration {
        self.find(issuer).map_or(issuer::MAX_LEEWAY, |issuer| issuer.rules.leeway)
    }

    fn find(&self, issuer: &str) -> Option<&Issuer> {
        self.issuers.iter().find(|known| known.rules.issuer == issuer)
    }
}

impl Issuer {
    fn keys(&self) -> Option<Arc<Keys>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static_assertions::assert_impl_all!(JwtVerifier: Send, Sync);
    static_assertions::assert_not_impl_any!(JwtVerifier: std::fmt::Debug);
    static_assertions::assert_not_impl_any!(JwtKeys: std::fmt::Debug, Clone, PartialEq);
    static_assertions::assert_not_impl_any!(JwtClaims: std::fmt::Debug, std::fmt::Display);
}
