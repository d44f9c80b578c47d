//! Hashes of other systems, stored as `$imported$…`: over the plain token, or the part of it that its shape names.

mod source;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use pbkdf2::pbkdf2_hmac;
use sha2::{Digest as _, Sha256, Sha512};
use subtle::ConstantTimeEq as _;
use tokenry_domain::SecretHash;
use zeroize::Zeroizing;

use super::{argon2id, bcrypt};
use crate::{
    hash::UnreadableHash,
    pepper::{Pepper, is_id},
    plain::PlainToken,
};

pub use source::{SourceHash, SourceHashError};

/// The scheme name of all hashes of other systems.
pub(super) const NAME: &str = "imported";
const PREFIX: &str = "$imported$";
/// The most blocks of PBKDF2 that one comparison computes: about half a second.
const MAX_PBKDF2_WORK: usize = 2_000_000;
/// Bytes that bcrypt reads; it ignores the rest.
pub(super) const BCRYPT_BYTES: usize = 72;

/// An unsalted digest by which a token can be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DigestScheme {
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
    /// HMAC-SHA-256 with the key of this id.
    HmacSha256(String),
}

impl DigestScheme {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "sha256" => Some(Self::Sha256),
            "sha512" => Some(Self::Sha512),
            _ => {
                let id = text.strip_prefix("hmac-sha256:")?;
                is_id(id).then(|| Self::HmacSha256(id.to_owned()))
            }
        }
    }

    pub(super) fn compute(
        &self,
        covered: &[u8],
        peppers: &[Pepper],
    ) -> Result<Zeroizing<Vec<u8>>, UnreadableHash> {
        Ok(Zeroizing::new(match self {
            Self::Sha256 => Sha256::digest(covered).to_vec(),
            Self::Sha512 => Sha512::digest(covered).to_vec(),
            Self::HmacSha256(id) => {
                let pepper = peppers.iter().find(|pepper| pepper.id() == id);
                pepper.ok_or(UnreadableHash::Pepper)?.mac(covered).to_vec()
            }
        }))
    }

    /// The scheme and its stored digest.
    fn split(text: &str) -> Option<(Self, Vec<u8>)> {
        let (scheme, digest) = text.rsplit_once('$')?;
        let scheme = match scheme.split_once('$') {
            Some(("hmac-sha256", id)) => Self::parse(&format!("hmac-sha256:{id}"))?,
            Some(_) => return None,
            None => Self::parse(scheme)?,
        };
        let digest = URL_SAFE_NO_PAD.decode(digest).ok()?;
        let length = if scheme == Self::Sha512 { 64 } else { 32 };
        (digest.len() == length).then_some((scheme, digest))
    }
}

/// The stored digest, if the hash is one of this scheme.
pub(crate) fn imported_digest(stored: &SecretHash, scheme: &DigestScheme) -> Option<Vec<u8>> {
    let (found, digest) = DigestScheme::split(stored.as_str().strip_prefix(PREFIX)?)?;
    (found == *scheme).then_some(digest)
}

/// Whether an imported hash takes milliseconds; one that cannot be read is fast to refuse.
pub(super) fn is_slow(text: &str) -> bool {
    let slow = ["bcrypt$", "bcrypt-sha256$", "argon2id$", "pbkdf2-sha256$"];
    text.strip_prefix(PREFIX).is_some_and(|rest| slow.iter().any(|scheme| rest.starts_with(scheme)))
}

pub(super) fn matches(token: &PlainToken, text: &str, peppers: &[Pepper]) -> Result<bool, UnreadableHash> {
    let rest = text.strip_prefix(PREFIX).ok_or(UnreadableHash::Form)?;
    let covered = token.hashed();
    match rest.split_once('$') {
        Some(("bcrypt", _)) => {
            // `strip_prefix` keeps the `$` that a bcrypt text begins with.
            let stored = rest.strip_prefix("bcrypt").ok_or(UnreadableHash::Form)?;
            // SECURITY: bcrypt ignores what follows, so that a token with another end would be accepted.
            if covered.len() > BCRYPT_BYTES { Ok(false) } else { bcrypt::matches_plain(covered, stored) }
        }
        Some(("bcrypt-sha256", _)) => {
            let stored = rest.strip_prefix("bcrypt-sha256").ok_or(UnreadableHash::Form)?;
            bcrypt::matches_plain(hexadecimal(&Sha256::digest(covered)).as_bytes(), stored)
        }
        Some(("argon2id", _)) => argon2id::matches(covered, &format!("${rest}")),
        Some(("pbkdf2-sha256", stored)) => Pbkdf2::parse(stored)?.matches(covered),
        _ => {
            let (scheme, stored) = DigestScheme::split(rest).ok_or(UnreadableHash::Form)?;
            Ok(scheme.compute(covered, peppers)?.ct_eq(&stored).into())
        }
    }
}

/// The parts of `iterations$salt$hash`, both in base64url.
struct Pbkdf2 {
    iterations: u32,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl Pbkdf2 {
    fn parse(text: &str) -> Result<Self, UnreadableHash> {
        let parts: Vec<&str> = text.split('$').collect();
        let [iterations, salt, hash] = parts.as_slice() else { return Err(UnreadableHash::Form) };
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| UnreadableHash::Form);
        let iterations = iterations.parse().map_err(|_| UnreadableHash::Form)?;
        let parsed = Self { iterations, salt: decode(salt)?, hash: decode(hash)? };
        parsed.check_cost().map(|()| parsed)
    }

    /// SECURITY: checked before any work is done.
    fn check_cost(&self) -> Result<(), UnreadableHash> {
        if !(16..=64).contains(&self.hash.len())
            || !(1..=64).contains(&self.salt.len())
            || self.iterations == 0
        {
            return Err(UnreadableHash::Form);
        }
        let blocks = self.hash.len().div_ceil(32);
        let work = usize::try_from(self.iterations).unwrap_or(usize::MAX).saturating_mul(blocks);
        if work > MAX_PBKDF2_WORK { Err(UnreadableHash::Cost) } else { Ok(()) }
    }

    fn matches(&self, covered: &[u8]) -> Result<bool, UnreadableHash> {
        let mut computed = Zeroizing::new(vec![0; self.hash.len()]);
        pbkdf2_hmac::<Sha256>(covered, &self.salt, self.iterations, &mut computed);
        Ok(computed.ct_eq(&self.hash).into())
    }

    fn text(&self) -> String {
        let (salt, hash) = (URL_SAFE_NO_PAD.encode(&self.salt), URL_SAFE_NO_PAD.encode(&self.hash));
        format!("{PREFIX}pbkdf2-sha256${}${salt}${hash}", self.iterations)
    }
}

fn hexadecimal(bytes: &[u8]) -> Zeroizing<String> {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or('0');
    Zeroizing::new(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect())
}
