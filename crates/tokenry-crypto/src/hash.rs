//! Stored hashes: four schemes behind one self-describing text.

mod argon2id;
mod bcrypt;
mod digest;

use std::{fmt, str::FromStr};

use thiserror::Error;
use tokenry_domain::{SecretHash, SecretProof};

use crate::{
    pepper::Pepper,
    plain::PlainToken,
    proof::Proof,
    rng::{RngError, SecretRng},
};

/// No scheme writes more characters; a longer text is not read at all.
const MAX_STORED_LEN: usize = 256;

/// How secrets are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// `$2b$…`, bcrypt of a digest of the token.
    Bcrypt,
    /// `$sha256$…`, a digest: enough for 256 random bits, and no key to keep.
    Sha256,
    /// `$hmac-sha256$…`, a digest under a pepper.
    HmacSha256,
    /// `$argon2id$…`, a PHC string.
    Argon2id,
}

/// The text names no scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be bcrypt, sha256, hmac-sha256 or argon2id")]
pub struct UnknownScheme;

impl FromStr for Scheme {
    type Err = UnknownScheme;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::Bcrypt, Self::Sha256, Self::HmacSha256, Self::Argon2id];
        all.into_iter().find(|scheme| scheme.name() == text).ok_or(UnknownScheme)
    }
}

impl Scheme {
    fn name(self) -> &'static str {
        match self {
            Self::Bcrypt => "bcrypt",
            Self::Sha256 => "sha256",
            Self::HmacSha256 => "hmac-sha256",
            Self::Argon2id => "argon2id",
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How secrets are stored, and with which keys.
#[derive(Clone)]
pub struct HashSettings {
    /// The scheme of new hashes; others are still read.
    pub scheme: Scheme,
    /// Bcrypt's cost, 4 to 14; each step doubles the work. 6 is about 5 ms.
    pub bcrypt_cost: u32,
    /// At most two peppers: the first for new hashes, both for reading.
    pub peppers: Vec<Pepper>,
}

/// Why hash settings were refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HasherError {
    /// Below 4 or above 14.
    #[error("the bcrypt cost must be between 4 and 14")]
    Cost,
    /// `hmac-sha256` has no key.
    #[error("hmac-sha256 needs a pepper")]
    NoPepper,
    /// More than two keys, or two with one id.
    #[error("there can be at most two peppers, with different ids")]
    Peppers,
}

/// Whether a token matches a stored hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// Nobody can tell: to be treated as no, and reported.
    Unreadable(UnreadableHash),
}

/// Why a stored hash cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UnreadableHash {
    /// No scheme of ours.
    #[error("unknown scheme")]
    Scheme,
    /// Not as long, or not of the characters, that the scheme writes.
    #[error("malformed hash")]
    Form,
    /// A cost that would keep the server busy.
    #[error("cost out of bounds")]
    Cost,
    /// Made with a pepper that is not configured.
    #[error("unknown pepper")]
    Pepper,
    /// The memory that it asks for, within bounds, was not to be had. The only one of these that may pass by itself.
    #[error("not enough memory")]
    Memory,
}

/// Makes and compares stored hashes. Shared by all threads.
pub struct Hasher {
    settings: HashSettings,
    dummy: SecretHash,
    /// How every hash begins that these settings write: scheme, cost and key.
    current: String,
}

impl Hasher {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`HasherError`] says what to change.
    pub fn new(settings: HashSettings) -> Result<Self, HasherError> {
        let HashSettings { scheme, bcrypt_cost, peppers } = &settings;
        if !bcrypt::COSTS.contains(bcrypt_cost) {
            return Err(HasherError::Cost);
        }
        let is_doubled = |pair: &[Pepper]| matches!(pair, [a, b] if a.id() == b.id());
        if peppers.len() > 2 || is_doubled(peppers) {
            return Err(HasherError::Peppers);
        }
        // No digest of a token is all zeros, except with a chance of one in 2^184 (bcrypt's 23 bytes) or less.
        let (dummy, fields) = match (scheme, peppers.as_slice()) {
            (Scheme::Bcrypt, _) => (bcrypt::dummy(*bcrypt_cost), 3),
            (Scheme::Sha256, _) => (digest::dummy_sha256(), 2),
            (Scheme::HmacSha256, [pepper, ..]) => (digest::dummy_hmac(pepper), 3),
            (Scheme::HmacSha256, []) => return Err(HasherError::NoPepper),
            (Scheme::Argon2id, _) => (argon2id::dummy(), 4),
        };
        let current = dummy.split_inclusive('$').take(fields).collect();
        Ok(Self { settings, dummy: SecretHash::from_stored(dummy), current })
    }

    /// A stored hash of the token under the configured scheme.
    ///
    /// # Errors
    /// [`RngError`] when no salt can be drawn.
    pub fn hash(&self, token: &PlainToken, rng: &mut SecretRng) -> Result<SecretHash, RngError> {
        let text = match self.settings.scheme {
            Scheme::Bcrypt => bcrypt::hash(token, self.settings.bcrypt_cost, rng.bytes()?),
            Scheme::Sha256 => Some(digest::sha256(token)),
            Scheme::HmacSha256 => self.settings.peppers.first().map(|pepper| digest::hmac(token, pepper)),
            Scheme::Argon2id => argon2id::hash(token, rng.bytes()?),
        };
        // The settings and the length of a token were checked, so every scheme has an answer.
        text.map(SecretHash::from_stored).ok_or(RngError)
    }

    /// Whether the token is the one that was stored, compared in constant time. No stored text makes it panic, and
    /// none makes it work longer than the dearest cost that is allowed.
    #[must_use]
    pub fn matches(&self, token: &PlainToken, stored: &SecretHash) -> Match {
        let text = stored.as_str();
        if text.len() > MAX_STORED_LEN || !text.is_ascii() {
            return Match::Unreadable(UnreadableHash::Form);
        }
        let outcome = match Self::scheme_of(text) {
            Some(Scheme::Bcrypt) => bcrypt::matches(token, text),
            Some(Scheme::Sha256) => digest::sha256_matches(token, text),
            Some(Scheme::HmacSha256) => digest::hmac_matches(token, text, &self.settings.peppers),
            Some(Scheme::Argon2id) => argon2id::matches(token, text),
            None => Err(UnreadableHash::Scheme),
        };
        match outcome {
            Ok(true) => Match::Yes,
            Ok(false) => Match::No,
            Err(why) => Match::Unreadable(why),
        }
    }

    /// Whether comparing with this hash takes milliseconds.
    #[must_use]
    pub fn is_slow(&self, stored: &SecretHash) -> bool {
        matches!(Self::scheme_of(stored.as_str()), Some(Scheme::Bcrypt | Scheme::Argon2id))
    }

    /// Whether this hash is what the settings would write now. Asked at every use.
    #[must_use]
    pub fn is_current(&self, stored: &SecretHash) -> bool {
        stored.as_str().starts_with(&self.current)
    }

    /// The proof to be stored beside this hash of this token; `None` where none is.
    ///
    /// SECURITY: a stored proof is as strong as the scheme `sha256`: whoever has the database can try secrets at the speed
    /// of SHA-256. That is nothing against the 250 random bits of the native form, which a [`PlainToken`] has; a secret of
    /// unknown strength that was made elsewhere must never get one. Fast hashes need none, since comparing with them costs
    /// as little, and a stolen database with `hmac-sha256` shall not allow trying anything without the pepper.
    #[must_use]
    pub fn storable_proof(&self, token: &PlainToken, stored: &SecretHash) -> Option<SecretProof> {
        self.is_slow(stored).then(|| Proof::new(token, stored).to_stored())
    }

    /// A hash that matches no token, of the configured scheme and cost: for equal work on public ids that do not exist.
    #[must_use]
    pub fn dummy(&self) -> &SecretHash {
        &self.dummy
    }

    fn scheme_of(text: &str) -> Option<Scheme> {
        let name = text.strip_prefix('$')?.split('$').next()?;
        match name {
            "2a" | "2b" | "2y" => Some(Scheme::Bcrypt),
            "sha256" => Some(Scheme::Sha256),
            "hmac-sha256" => Some(Scheme::HmacSha256),
            "argon2id" => Some(Scheme::Argon2id),
            _ => None,
        }
    }
}
