//! The keys of an issuer.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{DecodingKey, crypto::aws_lc};
use serde_json::{Map, Value};
use thiserror::Error;

use super::{
    algorithm::{JwtAlgorithm, KeyKind},
    json,
};

/// The shortest shared secret, in bytes: the output length of HS256.
pub(super) const MIN_SECRET_LEN: usize = 32;

/// The limits of a key set, which bound time and memory: its length in bytes and its number of keys.
const MAX_SET_LEN: usize = 256 * 1024;
const MAX_KEYS: usize = 100;

/// The shortest RSA modulus, in bits.
const MIN_RSA_BITS: usize = 2048;

/// Why a key set was rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JwtKeysError {
    /// No configured issuer has that name.
    #[error("unknown issuer")]
    UnknownIssuer,
    /// More than 256 KiB.
    #[error("the key set is larger than 256 KiB")]
    TooLarge,
    /// No JSON object with an array of objects called `keys`, or a duplicate name.
    #[error("the key set is not a JWK Set")]
    Malformed,
    /// More than 100 keys.
    #[error("the key set has more than 100 keys")]
    TooMany,
    /// Two usable keys have the same `kid`.
    #[error("the key set has two keys with one id")]
    Duplicate,
    /// No key matches the issuer's algorithm and is strong enough.
    #[error("the key set has no key that fits the algorithm")]
    NoUsableKey,
}

/// The usable keys of an issuer, at least one.
pub(super) enum Keys {
    Secret(DecodingKey),
    Set(Vec<(Option<String>, DecodingKey)>),
}

impl Keys {
    pub(super) fn secret(secret: &[u8]) -> Self {
        Self::Secret(DecodingKey::from_secret(secret))
    }

    /// The keys of a JWK Set that match the algorithm. Others are ignored, as RFC 7517 requires.
    pub(super) fn parse(jwks: &str, algorithm: JwtAlgorithm) -> Result<Self, JwtKeysError> {
        if jwks.len() > MAX_SET_LEN {
            return Err(JwtKeysError::TooLarge);
        }
        let set = json::object(jwks.as_bytes()).ok_or(JwtKeysError::Malformed)?;
        let listed = set.get("keys").and_then(Value::as_array).ok_or(JwtKeysError::Malformed)?;
        if listed.len() > MAX_KEYS {
            return Err(JwtKeysError::TooMany);
        }
        let mut usable: Vec<(Option<String>, _)> = Vec::new();
        for jwk in listed {
            let jwk = jwk.as_object().ok_or(JwtKeysError::Malformed)?;
            let Some(key) = is_meant_for(jwk, algorithm).then(|| key(jwk, algorithm)).flatten() else {
                continue;
            };
            let id = jwk.get("kid").and_then(Value::as_str).map(str::to_owned);
            if id.is_some() && usable.iter().any(|(other, _)| *other == id) {
                return Err(JwtKeysError::Duplicate);
            }
            usable.push((id, key));
        }
        if usable.is_empty() { Err(JwtKeysError::NoUsableKey) } else { Ok(Self::Set(usable)) }
    }

    /// The key that a token names; for a token without `kid` the only key of the set.
    pub(super) fn find(&self, id: Option<&str>) -> Option<&DecodingKey> {
        match (self, id) {
            (Self::Secret(key), _) => Some(key),
            (Self::Set(keys), Some(_)) => {
                keys.iter().find(|(own, _)| own.as_deref() == id).map(|(_, key)| key)
            }
            (Self::Set(keys), None) => match keys.as_slice() {
                [(_, key)] => Some(key),
                _ => None,
            },
        }
    }
}

/// Whether the signature is valid for this key and message. HMACs are compared in constant time.
pub(super) fn is_signed(
    key: &DecodingKey,
    algorithm: JwtAlgorithm,
    message: &[u8],
    signature: &[u8],
) -> bool {
    // The library's default provider panics if another crate of the binary enables a second one.
    let verifier = (aws_lc::DEFAULT_PROVIDER.verifier_factory)(&algorithm.of_library(), key);
    verifier.is_ok_and(|verifier| verifier.verify(message, &signature.to_vec()).is_ok())
}

/// Whether the attributes of the key allow verifying signatures of the algorithm. An unreadable attribute forbids it.
fn is_meant_for(jwk: &Map<String, Value>, algorithm: JwtAlgorithm) -> bool {
    jwk.get("alg").is_none_or(|value| *value == algorithm.name())
        && jwk.get("use").is_none_or(|value| *value == "sig")
        && jwk.get("key_ops").is_none_or(includes_verify)
        && jwk.get("kid").is_none_or(Value::is_string)
}

fn includes_verify(operations: &Value) -> bool {
    operations.as_array().is_some_and(|operations| operations.iter().any(|operation| *operation == "verify"))
}

/// The key, if its kind matches the algorithm and it is strong enough.
fn key(jwk: &Map<String, Value>, algorithm: JwtAlgorithm) -> Option<DecodingKey> {
    match (algorithm.key_kind(), text(jwk, "kty")?) {
        (KeyKind::Secret, "oct") => {
            let secret = zeroize::Zeroizing::new(bytes(jwk, "k")?);
            (secret.len() >= MIN_SECRET_LEN).then(|| DecodingKey::from_secret(&secret))
        }
        (KeyKind::Rsa, "RSA") => {
            let (modulus, exponent) = (bytes(jwk, "n")?, bytes(jwk, "e")?);
            (bits(&modulus) >= MIN_RSA_BITS)
                .then(|| DecodingKey::from_rsa_raw_components(&modulus, &exponent))
        }
        (KeyKind::Curve(curve, len), "EC") if text(jwk, "crv") == Some(curve) => {
            DecodingKey::from_ec_components(coordinate(jwk, "x", len)?, coordinate(jwk, "y", len)?).ok()
        }
        (KeyKind::Ed25519, "OKP") if text(jwk, "crv") == Some("Ed25519") => {
            DecodingKey::from_ed_components(coordinate(jwk, "x", 32)?).ok()
        }
        _ => None,
    }
}

fn text<'k>(jwk: &'k Map<String, Value>, name: &str) -> Option<&'k str> {
    jwk.get(name)?.as_str()
}

fn bytes(jwk: &Map<String, Value>, name: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text(jwk, name)?).ok()
}

/// A coordinate of a curve's point, still encoded, if it has this length in bytes.
fn coordinate<'k>(jwk: &'k Map<String, Value>, name: &str, len: usize) -> Option<&'k str> {
    (bytes(jwk, name)?.len() == len).then(|| text(jwk, name))?
}

/// The number of bits of a big-endian number without leading zeros.
fn bits(number: &[u8]) -> usize {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let first = number.get(zeros).map_or(0, |byte| byte.leading_zeros() as usize);
    (number.len() - zeros) * 8 - first
}
