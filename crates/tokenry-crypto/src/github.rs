//! Signatures of GitHub's secret scanning: ECDSA with P-256 and SHA-256 over the raw body of a report.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ParsedPublicKey};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use thiserror::Error;

/// The limits of a document with keys, which bound time and memory: its length in bytes and its number of keys.
const MAX_LEN: usize = 256 * 1024;
const MAX_KEYS: usize = 100;

/// Why a document with keys was rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReportKeysError {
    /// More than 256 KiB or 100 keys.
    #[error("has more than 256 KiB or more than 100 keys")]
    TooLarge,
    /// It is no JSON object with a list `public_keys` of `key_identifier` and `key`.
    #[error("is no list of public keys in the format of GitHub")]
    Malformed,
    /// No key is a P-256 key in PEM.
    #[error("has no public key for ECDSA with P-256")]
    NoUsableKey,
}

/// The public keys by which GitHub signs reports of leaked tokens, as listed at
/// `https://api.github.com/meta/public_keys/secret_scanning`.
pub struct ReportKeys(Vec<(String, ParsedPublicKey)>);

#[derive(Deserialize)]
struct Document {
    public_keys: Vec<PublicKey>,
}

#[derive(Deserialize)]
struct PublicKey {
    key_identifier: String,
    key: String,
}

impl ReportKeys {
    /// No keys: no report is signed by any of them.
    #[must_use]
    pub fn none() -> Self {
        Self(Vec::new())
    }

    /// Parses GitHub's document. Every listed key is valid, also one that is no longer the current one; keys of other kinds
    /// are ignored.
    ///
    /// # Errors
    /// [`ReportKeysError`].
    pub fn parse(json: &str) -> Result<Self, ReportKeysError> {
        if json.len() > MAX_LEN {
            return Err(ReportKeysError::TooLarge);
        }
        let document: Document = serde_json::from_str(json).map_err(|_| ReportKeysError::Malformed)?;
        if document.public_keys.len() > MAX_KEYS {
            return Err(ReportKeysError::TooLarge);
        }
        let usable = document.public_keys.into_iter().filter_map(|listed| {
            let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, pem(&listed.key)?).ok()?;
            Some((listed.key_identifier, key))
        });
        let usable: Vec<_> = usable.collect();
        if usable.is_empty() { Err(ReportKeysError::NoUsableKey) } else { Ok(Self(usable)) }
    }

    /// Whether there is a key with this identifier.
    #[must_use]
    pub fn has(&self, identifier: &str) -> bool {
        self.0.iter().any(|(known, _)| known == identifier)
    }

    /// Whether the key with this identifier has signed the message; the signature is in base64.
    #[must_use]
    pub fn is_signed(&self, identifier: &str, signature: &str, message: &[u8]) -> bool {
        let Ok(signature) = STANDARD.decode(signature) else { return false };
        let mut named = self.0.iter().filter(|(known, _)| known == identifier);
        named.any(|(_, key)| key.verify_sig(message, &signature).is_ok())
    }
}

/// The bytes of a public key in PEM.
fn pem(text: &str) -> Option<Vec<u8>> {
    let text = text.trim().strip_prefix("-----BEGIN PUBLIC KEY-----")?;
    let encoded: String = text.strip_suffix("-----END PUBLIC KEY-----")?.split_ascii_whitespace().collect();
    STANDARD.decode(encoded).ok()
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::{
        rand::SystemRandom,
        signature::{
            ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _,
        },
    };

    use super::*;

    /// The message, signature and key of GitHub's documentation of its secret scanning partner program.
    const BODY: &str = r#"[{"source":"commit","token":"some_token","type":"some_type","url":"https://example.com/base-repo-url/"}]"#;
    const SIGNATURE: &str =
        "MEQCIQDaMKqrGnE27S0kgMrEK0eYBmyG0LeZismAEz/BgZyt7AIfXt9fErtRS4XaeSt/AO1RtBY66YcAdjxji410VQV4xg==";
    const IDENTIFIER: &str = "bcb53661c06b4728e59d897fb6165d5c9cda0fd9cdf9d09ead458168deb7518c";
    /// The document that GitHub published with this key.
    const KEYS: &str = r#"{"public_keys": [
        {"key_identifier": "90a421169f0a406205f1563a953312f0be898d3c7b6c06b681aa86a874555f4a",
         "key": "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE9MJJHnMfn2+H4xL4YaPDA4RpJqUq\nkCmRCBnYERxZanmcpzQSXs1X/AljlKkbJ8qpVIW4clayyef9gWhFbNHWAA==\n-----END PUBLIC KEY-----\n",
         "is_current": false},
        {"key_identifier": "bcb53661c06b4728e59d897fb6165d5c9cda0fd9cdf9d09ead458168deb7518c",
         "key": "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYAGMWO8XgCamYKMJS6jc/qgvSlAd\nAjPuDPRcXU22YxgBrz+zoN19MzuRyW87qEt9/AmtoNP5GrobzUvQSyJFVw==\n-----END PUBLIC KEY-----\n",
         "is_current": true}]}"#;

    #[test]
    fn the_example_of_githubs_documentation_is_signed() {
        let keys = ReportKeys::parse(KEYS).unwrap();
        assert!(keys.has(IDENTIFIER) && keys.is_signed(IDENTIFIER, SIGNATURE, BODY.as_bytes()));
    }

    #[test]
    fn another_body_signature_or_key_is_not_signed() {
        let keys = ReportKeys::parse(KEYS).unwrap();
        let signed = |id: &str, signature: &str, body: &str| keys.is_signed(id, signature, body.as_bytes());
        assert!(!signed(IDENTIFIER, SIGNATURE, &BODY.replace("some_token", "some_tokem")));
        assert!(!signed(IDENTIFIER, SIGNATURE, &format!("{BODY}\n")), "the raw body is signed");
        assert!(!signed("90a421169f0a406205f1563a953312f0be898d3c7b6c06b681aa86a874555f4a", SIGNATURE, BODY));
        assert!(!signed("", SIGNATURE, BODY) && !signed("unknown", SIGNATURE, BODY));
        let other = SIGNATURE.replace("MEQCIQDa", "MEQCIQDb");
        for signature in ["", "x", " ", "MEQ=", &other, &SIGNATURE[4..], &format!("{SIGNATURE}AAAA")] {
            assert!(!signed(IDENTIFIER, signature, BODY), "{signature}");
        }
        assert!(!ReportKeys::none().is_signed(IDENTIFIER, SIGNATURE, BODY.as_bytes()));
    }

    fn document(keys: &[(&str, &[u8])]) -> String {
        let listed: Vec<_> = keys
            .iter()
            .map(|(id, der)| {
                let pem = format!(
                    "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
                    STANDARD.encode(der)
                );
                serde_json::json!({"key_identifier": id, "key": pem, "is_current": true})
            })
            .collect();
        serde_json::json!({"public_keys": listed}).to_string()
    }

    #[test]
    fn keys_of_other_curves_are_ignored() {
        let (p256, p384) = (
            EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap(),
            EcdsaKeyPair::generate(&ECDSA_P384_SHA384_ASN1_SIGNING).unwrap(),
        );
        let der = |pair: &EcdsaKeyPair| {
            use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
            let der: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
            der.as_ref().to_vec()
        };
        let keys = ReportKeys::parse(&document(&[("a", &der(&p384)), ("b", &der(&p256))])).unwrap();
        assert!(!keys.has("a") && keys.has("b"));
        let signature = p256.sign(&SystemRandom::new(), b"body").unwrap();
        assert!(keys.is_signed("b", &STANDARD.encode(signature), b"body"));
        assert_eq!(
            ReportKeys::parse(&document(&[("a", &der(&p384))])).err(),
            Some(ReportKeysError::NoUsableKey)
        );
    }

    #[test]
    fn other_documents_are_rejected() {
        for text in ["", "[]", "{}", r#"{"keys": []}"#, r#"{"public_keys": [{"key": "x"}]}"#] {
            assert_eq!(ReportKeys::parse(text).err(), Some(ReportKeysError::Malformed), "{text}");
        }
        for text in [r#"{"public_keys": []}"#, r#"{"public_keys": [{"key_identifier": "a", "key": "x"}]}"#] {
            assert_eq!(ReportKeys::parse(text).err(), Some(ReportKeysError::NoUsableKey), "{text}");
        }
        let many: Vec<_> = (0..=MAX_KEYS).map(|_| ("a", &b"x"[..])).collect();
        assert_eq!(ReportKeys::parse(&document(&many)).err(), Some(ReportKeysError::TooLarge));
        assert_eq!(ReportKeys::parse(&" ".repeat(MAX_LEN + 1)).err(), Some(ReportKeysError::TooLarge));
    }
}
