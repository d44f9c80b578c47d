//! Verification of the JWTs of configured issuers.
//!
//! Nothing in a token chooses how it is verified: `iss` names one of the configured issuers, and the algorithm, the
//! keys and every other rule are that issuer's.

mod algorithm;
mod claims;
mod form;
mod issuer;
mod json;
mod keys;

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
use self::{form::Form, keys::Keys};

/// Verifies the tokens of its issuers. Shared by all threads; keys can be replaced while it works.
pub struct JwtVerifier {
    issuers: Vec<Issuer>,
}

struct Issuer {
    rules: JwtIssuer,
    /// `None` until the first set has arrived.
    keys: RwLock<Option<Arc<Keys>>>,
}

/// Why a token was refused. Everything from [`WrongAudience`](Self::WrongAudience) on is told only of a token that the
/// issuer did sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JwtError {
    /// Not three parts of base64url, over 8 KiB, no JSON objects, a name that stands twice, or a header that asks for
    /// what is not supported: `crit`, `jwk`, `jku`, `x5u`, `x5c`.
    #[error("malformed token")]
    Malformed,
    /// `iss` is missing or names no configured issuer.
    #[error("unknown issuer")]
    UnknownIssuer,
    /// `alg` is not the one algorithm of the issuer.
    #[error("not the issuer's algorithm")]
    WrongAlgorithm,
    /// `typ` is none of those the issuer's tokens may have.
    #[error("not a type of token that is accepted")]
    WrongType,
    /// The issuer's keys have not arrived yet: nobody can tell whether the token is good.
    #[error("the issuer's keys are not available")]
    KeysUnavailable,
    /// `kid` names no usable key, or is missing although there are several. New keys may be had from the issuer.
    #[error("unknown key")]
    UnknownKey,
    /// The signature is not of this key over this token.
    #[error("wrong signature")]
    BadSignature,
    /// `aud` is missing or holds none of the audiences.
    #[error("meant for another audience")]
    WrongAudience,
    /// At or after `exp`, or older than allowed.
    #[error("expired")]
    Expired,
    /// Before `nbf`, or issued in the future.
    #[error("not yet valid")]
    NotYetValid,
    /// The named claim is required and missing, or not of the form that it must have.
    #[error("unusable claim `{0}`")]
    BadClaims(&'static str),
}

impl JwtVerifier {
    /// A verifier of these issuers' tokens, and of no others.
    ///
    /// # Errors
    /// [`JwtSettingsError`] names the issuer and says what to change.
    pub fn new(issuers: Vec<(JwtIssuer, JwtKeys)>) -> Result<Self, JwtSettingsError> {
        let mut verifier = Self { issuers: Vec::with_capacity(issuers.len()) };
        for (rules, keys) in issuers {
            rules.check()?;
            if verifier.find(&rules.issuer).is_some() {
                return Err(JwtSettingsError::Doubled(rules.issuer));
            }
            let keys = RwLock::new(keys.read(&rules)?.map(Arc::new));
            verifier.issuers.push(Issuer { rules, keys });
        }
        Ok(verifier)
    }

    /// Whether there is no issuer, so that no token can be verified.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.issuers.is_empty()
    }

    /// Whether a credential has the outer form of a JWT: three non-empty parts of base64url between two dots. A personal
    /// access token has no dot.
    #[must_use]
    pub fn looks_like_jwt(presented: &[u8]) -> bool {
        form::parts(presented).is_some()
    }

    /// The claims of a token that is good at `now`. No bytes make it panic.
    ///
    /// # Errors
    /// The first of these that is wrong, in this order: form, issuer, algorithm, type, key, signature, audience,
    /// times, subject.
    pub fn verify(&self, presented: &[u8], now: UnixMillis) -> Result<JwtClaims, JwtError> {
        let (form, issuer) = self.read(presented)?;
        let rules = &issuer.rules;
        let keys = issuer.keys().ok_or(JwtError::KeysUnavailable)?;
        let key = keys.find(form.key_id()).ok_or(JwtError::UnknownKey)?;
        if !keys::is_signed(key, rules.algorithm, form.message(), form.signature()) {
            return Err(JwtError::BadSignature);
        }
        JwtClaims::check(form.into_payload(), rules, now)
    }

    /// The issuer whose keys lack the one that a token names; `None` if it is there, or the token is refused before.
    #[must_use]
    pub fn missing_key(&self, presented: &[u8]) -> Option<&str> {
        let (form, issuer) = self.read(presented).ok()?;
        let is_here = issuer.keys().is_some_and(|keys| keys.find(form.key_id()).is_some());
        (!is_here).then_some(issuer.rules.issuer.as_str())
    }

    /// What can be told of a token without a key.
    fn read<'t>(&self, presented: &'t [u8]) -> Result<(Form<'t>, &Issuer), JwtError> {
        let form = Form::read(presented).ok_or(JwtError::Malformed)?;
        let issuer = form.issuer().and_then(|name| self.find(name)).ok_or(JwtError::UnknownIssuer)?;
        if form.algorithm() != Some(issuer.rules.algorithm.name()) {
            return Err(JwtError::WrongAlgorithm);
        }
        if !issuer.rules.accepts_type(form.kind()) {
            return Err(JwtError::WrongType);
        }
        Ok((form, issuer))
    }

    /// Replaces the keys of an issuer. On an error the old ones stay, also when the new set has no usable key.
    ///
    /// # Errors
    /// [`JwtKeysError`].
    pub fn replace_keys(&self, issuer: &str, jwks: &str) -> Result<(), JwtKeysError> {
        let issuer = self.find(issuer).ok_or(JwtKeysError::UnknownIssuer)?;
        let keys = Keys::parse(jwks, issuer.rules.algorithm)?;
        *issuer.keys.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(keys));
        Ok(())
    }

    /// How far the clock of an issuer may differ; the longest there is for one that is not known.
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
