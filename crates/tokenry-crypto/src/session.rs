//! The secret of a browser session.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use tokenry_domain::SessionDigest;
use zeroize::Zeroizing;

use crate::rng::{RngError, SecretRng};

/// Bytes of a secret.
const BYTES: usize = 32;
/// Characters of a secret: 32 bytes in base64url without padding. Every token is longer, so the two cannot be confused.
const LEN: usize = 43;

/// The plaintext of a session secret. It exists from generation until the one response that sets the cookie, or from the
/// request's cookie until its digest is computed. Wiped on drop.
///
/// It cannot be printed, copied, compared or serialized:
/// ```compile_fail
/// fn log(secret: tokenry_crypto::SessionSecret) { println!("{secret:?}") }
/// ```
pub struct SessionSecret(Zeroizing<String>);

impl SessionSecret {
    /// Generates a new secret of 256 bits.
    ///
    /// # Errors
    /// [`RngError`].
    pub fn generate(rng: &mut SecretRng) -> Result<Self, RngError> {
        let mut bytes = Zeroizing::new([0; BYTES]);
        rng.fill(bytes.as_mut_slice())?;
        Ok(Self(Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()))))
    }

    /// Parses a presented value; only the canonical encoding of 32 bytes is accepted.
    #[must_use]
    pub fn parse(presented: &[u8]) -> Option<Self> {
        if presented.len() != LEN {
            return None;
        }
        let mut bytes = Zeroizing::new([0; BYTES + 1]);
        let read = URL_SAFE_NO_PAD.decode_slice(presented, bytes.as_mut_slice()).ok()?;
        let text = Zeroizing::new(std::str::from_utf8(presented).ok()?.to_owned());
        (read == BYTES).then_some(Self(text))
    }

    /// The stored digest: SHA-256("tokenry session v1" ‖ secret). A fast hash is sufficient for 256 random bits.
    #[must_use]
    pub fn digest(&self) -> SessionDigest {
        let digest = Sha256::new().chain_update(b"tokenry session v1").chain_update(self.0.as_bytes());
        SessionDigest::from_stored(digest.finalize().into())
    }

    /// Returns the text for the one response that sets the cookie.
    #[must_use]
    pub fn reveal_once(self) -> Zeroizing<String> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{format::Prefix, plain::PlainToken};

    static_assertions::assert_not_impl_any!(
        SessionSecret: std::fmt::Debug, std::fmt::Display, Clone, Copy, PartialEq, std::hash::Hash, AsRef<str>
    );
    static_assertions::assert_not_impl_any!(SessionDigest: std::fmt::Debug, std::fmt::Display, PartialEq);

    fn generated(seed: u64) -> String {
        SessionSecret::generate(&mut SecretRng::seeded(seed)).unwrap().reveal_once().to_string()
    }

    fn digest(text: &str) -> [u8; 32] {
        *SessionSecret::parse(text.as_bytes()).unwrap().digest().as_bytes()
    }

    #[test]
    fn a_parsed_secret_has_the_same_digest_and_no_other_secret_has_it() {
        let (one, two) = (generated(1), generated(2));
        assert_eq!(one.len(), LEN);
        assert_eq!(digest(&one), digest(&one));
        assert_ne!(digest(&one), digest(&two));
    }

    #[test]
    fn the_digest_of_a_session_is_domain_separated() {
        let plain = Sha256::digest(generated(1).as_bytes());
        assert_ne!(SessionSecret::parse(generated(1).as_bytes()).unwrap().digest().as_bytes()[..], plain[..]);
    }

    #[test]
    fn only_the_canonical_encoding_is_a_secret() {
        let text = generated(3);
        for end in 0..LEN {
            assert!(SessionSecret::parse(&text.as_bytes()[..end]).is_none());
        }
        let mut last = text.clone().into_bytes();
        // The same 32 bytes with other trailing bits.
        last[LEN - 1] = if last[LEN - 1] == b'B' { b'C' } else { b'B' };
        for other in [
            format!("{text}=").into_bytes(),
            format!(" {text}").into_bytes(),
            format!("\"{}\"", &text[..41]).into_bytes(),
            text.replace(&text[5..6], "+").into_bytes(),
            vec![0xff; LEN],
            last,
        ] {
            assert!(SessionSecret::parse(&other).is_none());
        }
    }

    #[test]
    fn no_token_parses_as_a_session_secret_and_no_session_secret_as_a_token() {
        for prefix in ["a_", "pat_", "abcdefghijklmnopqrs_"] {
            let prefix = Prefix::parse(prefix).unwrap();
            let token = PlainToken::generate(&prefix, &mut SecretRng::seeded(4)).unwrap().reveal_once();
            assert!(SessionSecret::parse(token.as_bytes()).is_none());
            assert!(PlainToken::parse(&prefix, generated(4).as_bytes()).is_err());
        }
    }
}
