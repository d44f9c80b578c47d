//! The key of the keyed hash.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use thiserror::Error;
use zeroize::Zeroizing;

/// A secret key stored outside of the database, so that a stolen database alone cannot verify any guess. Not `Debug`;
/// wiped on drop.
#[derive(Clone)]
pub struct Pepper {
    id: String,
    key: Zeroizing<Vec<u8>>,
}

/// Why a key is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PepperError {
    /// Not 1 to 16 lower-case letters, digits and `-`.
    #[error("the key's id must be 1 to 16 lower-case letters, digits or `-`")]
    Id,
    /// Fewer than 32 bytes.
    #[error("the key must have at least 32 bytes")]
    TooShort,
}

impl Pepper {
    /// Creates a key. The id is stored with every hash of this key.
    ///
    /// # Errors
    /// [`PepperError`].
    pub fn new(id: &str, key: Vec<u8>) -> Result<Self, PepperError> {
        let key = Zeroizing::new(key);
        if !is_id(id) {
            return Err(PepperError::Id);
        }
        if key.len() < 32 {
            return Err(PepperError::TooShort);
        }
        Ok(Self { id: id.to_owned(), key })
    }

    /// The key's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// A text that can be stored to detect a changed key later; it does not reveal the key.
    #[must_use]
    pub fn key_check(&self) -> String {
        format!("{}:{}", self.id, URL_SAFE_NO_PAD.encode(*self.mac(b"tokenry key check v1")))
    }

    /// Whether a stored key check belongs to this key.
    #[must_use]
    pub fn matches_key_check(&self, stored: &str) -> bool {
        self.key_check().as_bytes().ct_eq(stored.as_bytes()).into()
    }

    pub(crate) fn mac(&self, message: &[u8]) -> Zeroizing<[u8; 32]> {
        let mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        Zeroizing::new(mac.chain_update(message).finalize().into_bytes().into())
    }
}

pub(crate) fn is_id(text: &str) -> bool {
    (1..=16).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    static_assertions::assert_not_impl_any!(Pepper: std::fmt::Debug, std::fmt::Display, PartialEq);

    #[test]
    fn short_keys_and_invalid_ids_are_rejected() {
        assert_eq!(Pepper::new("a", vec![1; 31]).err(), Some(PepperError::TooShort));
        for id in ["", "A", "a b", "a$b", "aaaaaaaaaaaaaaaaa"] {
            assert_eq!(Pepper::new(id, vec![1; 32]).err(), Some(PepperError::Id), "{id}");
        }
    }

    #[test]
    fn a_key_check_matches_only_its_key() {
        let (one, two) = (Pepper::new("a", vec![1; 32]).unwrap(), Pepper::new("a", vec![2; 32]).unwrap());
        assert!(one.matches_key_check(&one.key_check()));
        assert!(!one.matches_key_check(&two.key_check()));
    }
}
