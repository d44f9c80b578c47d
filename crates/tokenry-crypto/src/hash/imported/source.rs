//! Reads a hash as another system stores it.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::URL_SAFE_NO_PAD},
};
use thiserror::Error;
use tokenry_domain::SecretHash;

use super::{BCRYPT_BYTES, DigestScheme, PREFIX, Pbkdf2};
use crate::hash::{UnreadableHash, argon2id, bcrypt};

/// A hash as a row of another system has it.
#[derive(Clone, Copy)]
pub struct SourceHash<'t> {
    /// `sha256`, `sha512`, `hmac-sha256:KEY` with the id of a configured pepper, `bcrypt`, `bcrypt-sha256`, `argon2id` or
    /// `pbkdf2-sha256`; `None` for a text that says it itself.
    pub scheme: Option<&'t str>,
    /// The text: hexadecimal digits in either case, base64 in either alphabet with or without padding, a PHC or bcrypt
    /// text, or one of Django's.
    pub text: &'t str,
    /// The salt of `pbkdf2-sha256`, which counts as text, if the hash does not contain it.
    pub salt: Option<&'t str>,
    /// The iterations of `pbkdf2-sha256`, if the hash does not contain them.
    pub iterations: Option<u32>,
}

/// Why a hash of another system was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SourceHashError {
    /// The scheme is not known.
    #[error(
        "the scheme must be sha256, sha512, hmac-sha256:KEY, bcrypt, bcrypt-sha256, argon2id or pbkdf2-sha256"
    )]
    Scheme,
    /// The text is not of its scheme.
    #[error("the hash does not have the form of its scheme")]
    Form,
    /// The scheme has parameters that would stall the server.
    #[error("the cost of the hash is out of bounds")]
    Cost,
    /// The tokens can be longer than what bcrypt reads.
    #[error("bcrypt ignores everything after {BCRYPT_BYTES} bytes, and the tokens can be longer")]
    Truncated,
}

impl SourceHash<'_> {
    /// The stored form, if the parameters are within bounds. `max_hashed` is the longest text that it may cover.
    ///
    /// # Errors
    /// [`SourceHashError`].
    pub fn to_stored(self, max_hashed: usize) -> Result<SecretHash, SourceHashError> {
        let (scheme, text) = self.scheme_and_text().ok_or(SourceHashError::Scheme)?;
        let stored = match scheme {
            "bcrypt" | "bcrypt-sha256" => {
                bcrypt::check_plain(text).map_err(SourceHashError::from)?;
                if scheme == "bcrypt" && max_hashed > BCRYPT_BYTES {
                    return Err(SourceHashError::Truncated);
                }
                format!("{PREFIX}{scheme}{text}")
            }
            "argon2id" => {
                argon2id::check(text).map_err(SourceHashError::from)?;
                format!("{}{}", PREFIX.trim_end_matches('$'), text)
            }
            "pbkdf2-sha256" => self.pbkdf2(text)?.text(),
            _ => {
                let scheme = DigestScheme::parse(scheme).ok_or(SourceHashError::Scheme)?;
                let length = if scheme == DigestScheme::Sha512 { 64 } else { 32 };
                let digest =
                    decoded(text).filter(|digest| digest.len() == length).ok_or(SourceHashError::Form)?;
                let name = match &scheme {
                    DigestScheme::Sha256 => "sha256".to_owned(),
                    DigestScheme::Sha512 => "sha512".to_owned(),
                    DigestScheme::HmacSha256(id) => format!("hmac-sha256${id}"),
                };
                format!("{PREFIX}{name}${}", URL_SAFE_NO_PAD.encode(digest))
            }
        };
        Ok(SecretHash::from_stored(stored))
    }

    /// The scheme, and the text without what Django puts before it.
    fn scheme_and_text(&self) -> Option<(&str, &str)> {
        let said = match self.text.split_once('$') {
            Some(("pbkdf2_sha256", _)) => Some(("pbkdf2-sha256", self.text)),
            Some(("argon2", _)) => Some(("argon2id", from_dollar(self.text))),
            Some(("bcrypt", rest)) => Some(("bcrypt", rest)),
            Some(("bcrypt_sha256", rest)) => Some(("bcrypt-sha256", rest)),
            Some(("sha512", rest)) => rest.strip_prefix('$').map(|digest| ("sha512", digest)),
            Some(("", rest)) if rest.starts_with("argon2id$") => Some(("argon2id", self.text)),
            Some(("", rest)) if rest.starts_with('2') => Some((
                if self.scheme == Some("bcrypt-sha256") { "bcrypt-sha256" } else { "bcrypt" },
                self.text,
            )),
            _ => None,
        };
        match (self.scheme.filter(|scheme| !scheme.is_empty()), said) {
            (None, said) => said,
            (Some(scheme), None) => Some((scheme, self.text)),
            // What the text says itself must not contradict the row.
            (Some(scheme), Some((said, text))) => (scheme == said).then_some((said, text)),
        }
    }

    fn pbkdf2(&self, text: &str) -> Result<Pbkdf2, SourceHashError> {
        let (iterations, salt, hash) = match text.strip_prefix("pbkdf2_sha256$") {
            Some(rest) => {
                let parts: Vec<&str> = rest.split('$').collect();
                let [iterations, salt, hash] = parts.as_slice() else { return Err(SourceHashError::Form) };
                (iterations.parse().map_err(|_| SourceHashError::Form)?, *salt, *hash)
            }
            None => {
                let (Some(iterations), Some(salt)) = (self.iterations, self.salt) else {
                    return Err(SourceHashError::Form);
                };
                (iterations, salt, text)
            }
        };
        let hash = decoded(hash).ok_or(SourceHashError::Form)?;
        let pbkdf2 = Pbkdf2 { iterations, salt: salt.as_bytes().to_vec(), hash };
        pbkdf2.check_cost().map_err(SourceHashError::from)?;
        Ok(pbkdf2)
    }
}

impl From<UnreadableHash> for SourceHashError {
    fn from(why: UnreadableHash) -> Self {
        if why == UnreadableHash::Cost { Self::Cost } else { Self::Form }
    }
}

/// The PHC string behind Django's `argon2`.
fn from_dollar(text: &str) -> &str {
    text.find('$').and_then(|at| text.get(at..)).unwrap_or(text)
}

/// The bytes of hexadecimal digits in either case, or of base64 in either alphabet. No digest of these schemes has the
/// same length in both.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let is_hexadecimal = text.bytes().all(|b| b.is_ascii_hexdigit());
    if is_hexadecimal && matches!(text.len(), 64 | 100 | 128) {
        let digit = |b: u8| char::from(b).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        return text
            .as_bytes()
            .chunks_exact(2)
            .map(|pair| match pair {
                [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
                _ => None,
            })
            .collect();
    }
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let alphabet = if text.contains(['-', '_']) { alphabet::URL_SAFE } else { alphabet::STANDARD };
    GeneralPurpose::new(&alphabet, config).decode(text).ok()
}
