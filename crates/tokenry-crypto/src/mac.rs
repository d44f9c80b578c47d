//! Message authentication codes of texts that clients send back, such as list cursors.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::rng::{RngError, SecretRng};

/// The authentication key of one installation. Not `Debug`.
pub struct MacKey(Zeroizing<[u8; 32]>);

impl MacKey {
    /// Wraps 32 random bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Generates a new key.
    ///
    /// # Errors
    /// [`RngError`].
    pub fn generate(rng: &mut SecretRng) -> Result<Self, RngError> {
        let mut key = Self::from_bytes([0; 32]);
        rng.fill(key.0.as_mut_slice())?;
        Ok(key)
    }

    /// The authentication tag of a list of parts: the first half of an HMAC-SHA-256 over all parts, each preceded by its
    /// length, so that different lists never have the same input.
    #[must_use]
    pub fn tag(&self, parts: &[&[u8]]) -> [u8; 16] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.0).expect("HMAC takes keys of any length");
        mac.update(b"tokenry seal v1");
        for part in parts {
            mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            mac.update(part);
        }
        let mut tag = [0; 16];
        tag.iter_mut().zip(mac.finalize().into_bytes()).for_each(|(to, from)| *to = from);
        tag
    }

    /// Whether `tag` authenticates these parts, compared in constant time.
    #[must_use]
    pub fn verify(&self, parts: &[&[u8]], tag: &[u8]) -> bool {
        self.tag(parts).ct_eq(tag).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static_assertions::assert_not_impl_any!(MacKey: std::fmt::Debug, Clone, PartialEq);

    #[test]
    fn a_tag_depends_on_the_key_and_the_list_of_parts() {
        let (key, other) = (MacKey::from_bytes([1; 32]), MacKey::from_bytes([2; 32]));
        let generated = [(); 2].map(|()| MacKey::generate(&mut SecretRng::os()).unwrap().tag(&[]));
        assert_ne!(generated[0], generated[1]);
        let tag = key.tag(&[b"ab", b"c"]);
        assert!(key.verify(&[b"ab", b"c"], &tag));
        assert!(!key.verify(&[b"a", b"bc"], &tag));
        assert!(!key.verify(&[b"abc"], &tag));
        assert!(!other.verify(&[b"ab", b"c"], &tag));
        assert!(!key.verify(&[b"ab", b"c"], &tag[..15]));
        assert!(!key.verify(&[b"ab", b"c"], b""));
    }
}
