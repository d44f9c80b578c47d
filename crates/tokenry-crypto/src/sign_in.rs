//! The secret of a sign-in at an OpenID provider, from which all values of one attempt are derived.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::{
    rng::{RngError, SecretRng},
    session::SessionSecret,
};

/// The plaintext of one attempt to sign in at one provider: 256 random bits that only the browser keeps, in a cookie.
/// State, nonce and PKCE verifier are digests of it, so the server stores nothing until the attempt succeeds. Wiped on
/// drop.
///
/// SECURITY: each digest has its own label and the id of the provider, so that no value can be used as another or at
/// another provider.
///
/// It cannot be printed, copied, compared or serialized:
/// ```compile_fail
/// fn log(secret: tokenry_crypto::SignInSecret) { println!("{secret:?}") }
/// ```
pub struct SignInSecret(Zeroizing<String>);

impl SignInSecret {
    /// Generates a new secret of 256 bits.
    ///
    /// # Errors
    /// [`RngError`].
    pub fn generate(rng: &mut SecretRng) -> Result<Self, RngError> {
        SessionSecret::generate(rng).map(|secret| Self(secret.reveal_once()))
    }

    /// Parses the value of a cookie; only the canonical encoding of 32 bytes is accepted.
    #[must_use]
    pub fn parse(presented: &[u8]) -> Option<Self> {
        SessionSecret::parse(presented).map(|secret| Self(secret.reveal_once()))
    }

    /// The parameter `state` (RFC 6749, section 10.12), 43 characters of base64url.
    #[must_use]
    pub fn state(&self, provider: &str) -> String {
        self.derive(b"tokenry sign-in state v1", provider).to_string()
    }

    /// Whether a presented `state` belongs to this attempt, compared in constant time.
    #[must_use]
    pub fn has_state(&self, provider: &str, presented: &str) -> bool {
        self.state(provider).as_bytes().ct_eq(presented.as_bytes()).into()
    }

    /// The parameter `nonce` (OpenID Connect Core, section 3.1.2.1), 43 characters of base64url.
    #[must_use]
    pub fn nonce(&self, provider: &str) -> String {
        self.derive(b"tokenry sign-in nonce v1", provider).to_string()
    }

    /// The PKCE code verifier (RFC 7636, section 4.1), 43 characters of base64url.
    #[must_use]
    pub fn code_verifier(&self, provider: &str) -> Zeroizing<String> {
        self.derive(b"tokenry sign-in pkce v1", provider)
    }

    /// The PKCE code challenge of the method `S256`.
    #[must_use]
    pub fn code_challenge(&self, provider: &str) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.code_verifier(provider).as_bytes()))
    }

    /// The digest by which a used attempt is remembered.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        Sha256::new()
            .chain_update(b"tokenry sign-in used v1")
            .chain_update(self.0.as_bytes())
            .finalize()
            .into()
    }

    /// Returns the text for the one response that sets the cookie.
    #[must_use]
    pub fn reveal_once(self) -> Zeroizing<String> {
        self.0
    }

    fn derive(&self, label: &[u8], provider: &str) -> Zeroizing<String> {
        // The secret has a fixed length, so that no two inputs are equal.
        let digest = Sha256::new().chain_update(label).chain_update(self.0.as_bytes()).chain_update(provider);
        Zeroizing::new(URL_SAFE_NO_PAD.encode(digest.finalize()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static_assertions::assert_not_impl_any!(
        SignInSecret: std::fmt::Debug, std::fmt::Display, Clone, Copy, PartialEq, std::hash::Hash, AsRef<str>
    );

    fn secret(seed: u64) -> SignInSecret {
        SignInSecret::generate(&mut SecretRng::seeded(seed)).unwrap()
    }

    #[test]
    fn all_values_of_an_attempt_are_different_and_bound_to_the_provider() {
        let all = |secret: &SignInSecret, provider: &str| {
            [
                secret.state(provider),
                secret.nonce(provider),
                secret.code_verifier(provider).to_string(),
                secret.code_challenge(provider),
            ]
        };
        let (one, two) = (secret(1), secret(2));
        let mut values: Vec<String> =
            [all(&one, "a"), all(&one, "b"), all(&two, "a"), all(&two, "b")].concat();
        values.push(one.0.to_string());
        assert!(values.iter().all(|value| value.len() == 43), "{values:?}");
        let count = values.len();
        values.sort();
        values.dedup();
        assert_eq!(values.len(), count);
        assert!(one.has_state("a", &one.state("a")));
        for wrong in ["", &one.state("b"), &two.state("a"), &one.nonce("a"), &one.state("a")[..42]] {
            assert!(!one.has_state("a", wrong), "{wrong}");
        }
        assert_ne!(one.digest(), two.digest());
    }

    #[test]
    fn a_parsed_secret_has_the_same_values() {
        let text = secret(3).reveal_once();
        let parsed = SignInSecret::parse(text.as_bytes()).unwrap();
        assert_eq!(parsed.state("a"), secret(3).state("a"));
        for wrong in ["", &text[..42], &format!("{}=", *text)] {
            assert!(SignInSecret::parse(wrong.as_bytes()).is_none(), "{wrong}");
        }
    }

    /// The example of RFC 7636, appendix B, by the same two functions.
    #[test]
    fn the_challenge_is_the_s256_of_the_verifier() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
        assert_eq!(challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        let own = secret(4);
        assert_eq!(
            own.code_challenge("a"),
            URL_SAFE_NO_PAD.encode(Sha256::digest(own.code_verifier("a").as_bytes()))
        );
    }
}
