//! Creates valid and invalid tokens.

use std::sync::LazyLock;

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, crypto, jwk::Jwk};
use serde_json::{Value, json};
use tokenry_crypto::JwtAlgorithm;
use zeroize::Zeroizing;

/// An issuer's side of one key.
pub(crate) struct Signer {
    pub(crate) algorithm: JwtAlgorithm,
    /// The public key, or the shared secret of a symmetric algorithm.
    pub(crate) jwk: Value,
    /// Empty unless the algorithm is symmetric.
    pub(crate) secret: Zeroizing<Vec<u8>>,
    library: Algorithm,
    key: EncodingKey,
}

impl Signer {
    fn new(library: Algorithm, key: EncodingKey, id: &str) -> Self {
        let mut jwk = serde_json::to_value(Jwk::from_encoding_key(&key, library).unwrap()).unwrap();
        jwk["kid"] = id.into();
        let secret = if id == "hmac" { key.as_bytes().to_vec() } else { Vec::new() };
        let algorithm = format!("{library:?}").parse().unwrap();
        Self { algorithm, jwk, secret: Zeroizing::new(secret), library, key }
    }

    /// A token created by the library.
    pub(crate) fn encoded(&self, payload: &Value) -> String {
        jsonwebtoken::encode(&Header::new(self.library), payload, &self.key).unwrap()
    }

    /// A token with the usual header.
    pub(crate) fn signed(&self, payload: &Value) -> String {
        self.raw(&self.header().to_string(), &payload.to_string())
    }

    /// The usual header.
    pub(crate) fn header(&self) -> Value {
        json!({ "alg": self.algorithm.to_string(), "typ": "JWT", "kid": self.jwk["kid"] })
    }

    /// A token of any header and payload text with a valid signature of this key.
    pub(crate) fn raw(&self, header: &str, payload: &str) -> String {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let signature = crypto::sign(message.as_bytes(), &self.key, self.library).unwrap();
        format!("{message}.{signature}")
    }

    /// This key under another algorithm of its family.
    fn under(&self, library: Algorithm) -> Self {
        Self::new(library, self.key.clone(), self.jwk["kid"].as_str().unwrap())
    }
}

/// HS256 with a secret of 32 equal bytes.
pub(crate) fn hmac(byte: u8) -> Signer {
    Signer::new(Algorithm::HS256, EncodingKey::from_secret(&[byte; 32]), "hmac")
}

/// RS256.
pub(crate) fn rsa() -> &'static Signer {
    static SIGNER: LazyLock<Signer> = LazyLock::new(new_rsa);
    &SIGNER
}

/// RS256 with a new key.
pub(crate) fn new_rsa() -> Signer {
    let key: Pkcs8V1Der<'_> = KeyPair::generate(KeySize::Rsa2048).unwrap().as_der().unwrap();
    // The library expects PKCS #1, which PKCS #8 wraps with a header of 26 bytes for this size.
    Signer::new(Algorithm::RS256, EncodingKey::from_rsa_der(&key.as_ref()[26..]), "rsa")
}

/// ES256 or ES384.
pub(crate) fn ec(library: Algorithm) -> Signer {
    let (algorithm, id) = match library {
        Algorithm::ES384 => (&ECDSA_P384_SHA384_FIXED_SIGNING, "p384"),
        _ => (&ECDSA_P256_SHA256_FIXED_SIGNING, "p256"),
    };
    let key = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).unwrap();
    Signer::new(library, EncodingKey::from_ec_der(key.as_ref()), id)
}

/// EdDSA.
pub(crate) fn ed() -> Signer {
    let key = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).unwrap();
    Signer::new(Algorithm::EdDSA, EncodingKey::from_ed_der(key.as_ref()), "ed")
}

/// A signer for each algorithm.
pub(crate) fn all() -> Vec<Signer> {
    use Algorithm::{ES256, ES384, HS256, HS384, HS512, PS256, PS384, PS512, RS256, RS384, RS512};
    let symmetric = [HS256, HS384, HS512].map(|library| hmac(1).under(library));
    let asymmetric = [RS256, RS384, RS512, PS256, PS384, PS512].map(|library| rsa().under(library));
    symmetric.into_iter().chain(asymmetric).chain([ec(ES256), ec(ES384), ed()]).collect()
}

/// Header and payload of a token, for the message of a failed test.
pub(crate) fn shown(token: &str) -> String {
    let parts = token.split('.').take(2).map(|part| URL_SAFE_NO_PAD.decode(part).unwrap_or_default());
    parts.map(|part| String::from_utf8_lossy(&part).into_owned()).collect::<Vec<_>>().join(" ")
}
