//! Stored hashes: four schemes with one self-describing text format, and those of imported tokens.

mod argon2id;
mod bcrypt;
mod digest;
mod imported;

use strum::{Display, EnumString};
use thiserror::Error;
use tokenry_domain::{SecretHash, SecretProof};

use crate::{
    pepper::Pepper,
    plain::PlainToken,
    proof::Proof,
    rng::{RngError, SecretRng},
};

pub(crate) use self::imported::{DigestScheme, imported_digest};
pub use self::imported::{SourceHash, SourceHashError};

/// The longest stored hash of any scheme; a longer text is rejected without parsing.
const MAX_STORED_LEN: usize = 256;

/// A hash scheme for stored secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, EnumString)]
#[strum(serialize_all = "kebab-case", parse_err_ty = UnknownScheme, parse_err_fn = unknown_scheme)]
#[non_exhaustive]
pub enum Scheme {
    /// `$2b$…`, bcrypt of a digest of the token.
    Bcrypt,
    /// `$sha256$…`, a digest: sufficient for secrets of 256 random bits, without a key.
    Sha256,
    /// `$hmac-sha256$…`, an HMAC with a pepper as its key.
    HmacSha256,
    /// `$argon2id$…`, a PHC string.
    Argon2id,
}

/// The text is not the name of a scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be bcrypt, sha256, hmac-sha256 or argon2id")]
pub struct UnknownScheme;

impl Scheme {
    fn is_slow(self) -> bool {
        matches!(self, Self::Bcrypt | Self::Argon2id)
    }
}

fn unknown_scheme(_: &str) -> UnknownScheme {
    UnknownScheme
}

/// The settings for stored hashes.
#[derive(Clone)]
#[non_exhaustive]
pub struct HashSettings {
    /// The scheme of new hashes; hashes of other schemes are still verified.
    pub scheme: Scheme,
    /// Bcrypt's cost, 4 to 14; each step doubles the work. The default of 6 takes about 5 ms.
    pub bcrypt_cost: u32,
    /// At most two peppers: the first is used for new hashes, both for verification. Default: none.
    pub peppers: Vec<Pepper>,
}

impl HashSettings {
    /// The default cost, and no peppers.
    #[must_use]
    pub fn new(scheme: Scheme) -> Self {
        Self { scheme, bcrypt_cost: 6, peppers: Vec::new() }
    }

    /// Sets [`bcrypt_cost`](Self::bcrypt_cost).
    #[must_use]
    pub fn with_bcrypt_cost(mut self, bcrypt_cost: u32) -> Self {
        self.bcrypt_cost = bcrypt_cost;
        self
    }

    /// Sets [`peppers`](Self::peppers).
    #[must_use]
    pub fn with_peppers(mut self, peppers: Vec<Pepper>) -> Self {
        self.peppers = peppers;
        self
    }
}

/// Why hash settings are invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HasherError {
    /// Below 4 or above 14.
    #[error("the bcrypt cost must be between 4 and 14")]
    Cost,
    /// `hmac-sha256` without a key.
    #[error("hmac-sha256 requires a pepper")]
    NoPepper,
    /// More than two keys, or two with the same id.
    #[error("there can be at most two peppers, with different ids")]
    Peppers,
}

/// Whether a token matches a stored hash.
///
/// Exhaustive, so that a new result does not compile until verification decides whether to accept it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// The stored hash cannot be evaluated: treat it as no match, and report it.
    Unreadable(UnreadableHash),
}

/// Why a stored hash cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UnreadableHash {
    /// An unknown scheme.
    #[error("unknown scheme")]
    Scheme,
    /// A length or characters that the scheme does not produce.
    #[error("malformed hash")]
    Form,
    /// A cost above the limit that protects the server.
    #[error("cost out of bounds")]
    Cost,
    /// Created with a pepper that is not configured.
    #[error("unknown pepper")]
    Pepper,
    /// The required memory, within bounds, could not be allocated. The only temporary one of these errors.
    #[error("not enough memory")]
    Memory,
}

/// Creates and verifies stored hashes. Shared by all threads.
pub struct Hasher {
    settings: HashSettings,
    dummy: SecretHash,
    /// The common prefix of all hashes under these settings: scheme, cost and key id.
    current_prefix: String,
}

impl Hasher {
    /// Validates the settings.
    ///
    /// # Errors
    /// [`HasherError`] describes what to change.
    pub fn new(settings: HashSettings) -> Result<Self, HasherError> {
        let HashSettings { scheme, bcrypt_cost, peppers } = &settings;
        if !bcrypt::COSTS.contains(bcrypt_cost) {
            return Err(HasherError::Cost);
        }
        if peppers.len() > 2 || matches!(&peppers[..], [a, b] if a.id() == b.id()) {
            return Err(HasherError::Peppers);
        }
        // The digest of a token is all zeros with a probability of at most 2^-184 (bcrypt's 23 bytes).
        let (dummy, fields) = match (scheme, peppers.as_slice()) {
            (Scheme::Bcrypt, _) => (bcrypt::dummy(*bcrypt_cost), 3),
            (Scheme::Sha256, _) => (digest::dummy_sha256(), 2),
            (Scheme::HmacSha256, [pepper, ..]) => (digest::dummy_hmac(pepper), 3),
            (Scheme::HmacSha256, []) => return Err(HasherError::NoPepper),
            (Scheme::Argon2id, _) => (argon2id::dummy(), 4),
        };
        let current_prefix = dummy.split_inclusive('$').take(fields).collect();
        Ok(Self { settings, dummy: SecretHash::from_stored(dummy), current_prefix })
    }

    /// Hashes the token under the configured scheme.
    ///
    /// # Errors
    /// [`RngError`] when no salt can be generated.
    pub fn hash(&self, token: &PlainToken, rng: &mut SecretRng) -> Result<SecretHash, RngError> {
        let text = match self.settings.scheme {
            Scheme::Bcrypt => bcrypt::hash(token, self.settings.bcrypt_cost, rng.bytes()?),
            Scheme::Sha256 => Some(digest::sha256(token)),
            Scheme::HmacSha256 => self.settings.peppers.first().map(|pepper| digest::hmac(token, pepper)),
            Scheme::Argon2id => argon2id::hash(token, rng.bytes()?),
        };
        // The settings and the length of the token were validated, so every scheme returns a hash.
        text.map(SecretHash::from_stored).ok_or(RngError)
    }

    /// Whether the token matches the stored hash, compared in constant time. Never panics, and never takes longer than the
    /// highest allowed cost.
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
            Some(Scheme::Argon2id) => argon2id::matches(token.as_bytes(), text),
            None if Self::is_imported(stored) => imported::matches(token, text, &self.settings.peppers),
            None => Err(UnreadableHash::Scheme),
        };
        match outcome {
            Ok(true) => Match::Yes,
            Ok(false) => Match::No,
            Err(why) => Match::Unreadable(why),
        }
    }

    /// Whether verifying this hash takes milliseconds.
    #[must_use]
    pub fn is_slow(&self, stored: &SecretHash) -> bool {
        match Self::scheme_of(stored.as_str()) {
            Some(scheme) => scheme.is_slow(),
            None => imported::is_slow(stored.as_str()),
        }
    }

    /// Whether another system created this hash.
    #[must_use]
    pub fn is_imported(stored: &SecretHash) -> bool {
        stored.as_str().strip_prefix('$').and_then(|text| text.split('$').next()) == Some(imported::NAME)
    }

    /// Whether a hash of the configured scheme may replace this one of an imported secret. SECURITY: a fast hash never
    /// replaces a slow one, since the secret may be guessable.
    #[must_use]
    pub fn may_replace(&self, stored: &SecretHash) -> bool {
        self.settings.scheme.is_slow() || !self.is_slow(stored)
    }

    /// The unsalted digest of a text.
    pub(crate) fn digest(
        &self,
        scheme: &DigestScheme,
        text: &[u8],
    ) -> Result<zeroize::Zeroizing<Vec<u8>>, UnreadableHash> {
        scheme.compute(text, &self.settings.peppers)
    }

    /// Whether this hash has the configured scheme, cost and key. Called at every use of a token.
    #[must_use]
    pub fn is_current(&self, stored: &SecretHash) -> bool {
        stored.as_str().starts_with(&self.current_prefix)
    }

    /// The proof to store with this hash of this token; `None` for fast hashes and for imported tokens.
    ///
    /// SECURITY: a stored proof is as strong as the scheme `sha256`: an attacker with the database can guess secrets at the
    /// speed of SHA-256. That is infeasible for the 250 random bits of a [`PlainToken`], but an imported secret of unknown
    /// strength must never get a proof. Fast hashes need none, since verifying them costs as little, and a stolen database
    /// with `hmac-sha256` must not allow any guessing without the pepper.
    #[must_use]
    pub fn storable_proof(&self, token: &PlainToken, stored: &SecretHash) -> Option<SecretProof> {
        (self.is_slow(stored) && !token.is_imported()).then(|| Proof::new(token, stored).to_stored())
    }

    /// A hash of the configured scheme and cost that matches no token: for equal work on unknown public ids.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_schemes_are_stable_and_round_trip() {
        for (scheme, name) in [
            (Scheme::Bcrypt, "bcrypt"),
            (Scheme::Sha256, "sha256"),
            (Scheme::HmacSha256, "hmac-sha256"),
            (Scheme::Argon2id, "argon2id"),
        ] {
            assert_eq!((scheme.to_string().as_str(), name.parse()), (name, Ok(scheme)));
        }
        assert_eq!("Bcrypt".parse::<Scheme>(), Err(UnknownScheme));
    }
}
