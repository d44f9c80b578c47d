//! The two fast schemes: a plain digest and an HMAC with a pepper.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use subtle::ConstantTimeEq as _;

use crate::{hash::UnreadableHash, pepper::Pepper, plain::PlainToken};

/// Characters of 32 bytes in base64url.
const DIGEST_LEN: usize = 43;

pub(super) fn sha256(token: &PlainToken) -> String {
    format!("$sha256${}", URL_SAFE_NO_PAD.encode(*token.digest(b"tokenry sha256 v1")))
}

pub(super) fn sha256_matches(token: &PlainToken, text: &str) -> Result<bool, UnreadableHash> {
    let stored = digest(text.strip_prefix("$sha256$"))?;
    Ok(token.digest(b"tokenry sha256 v1").ct_eq(&stored).into())
}

pub(super) fn hmac(token: &PlainToken, pepper: &Pepper) -> String {
    format!("$hmac-sha256${}${}", pepper.id(), URL_SAFE_NO_PAD.encode(*pepper.mac(token.as_bytes())))
}

pub(super) fn hmac_matches(
    token: &PlainToken,
    text: &str,
    peppers: &[Pepper],
) -> Result<bool, UnreadableHash> {
    let id = pepper_id(text).ok_or(UnreadableHash::Form)?;
    let stored = digest(text.rsplit('$').next())?;
    let pepper = peppers.iter().find(|pepper| pepper.id() == id).ok_or(UnreadableHash::Pepper)?;
    Ok(pepper.mac(token.as_bytes()).ct_eq(&stored).into())
}

/// The id of the key of a hash.
pub(super) fn pepper_id(text: &str) -> Option<&str> {
    match text.split('$').collect::<Vec<_>>().as_slice() {
        ["", "hmac-sha256", id, _] => Some(id),
        _ => None,
    }
}

/// The text of an all-zero digest.
pub(super) fn dummy_sha256() -> String {
    format!("$sha256${}", URL_SAFE_NO_PAD.encode([0; 32]))
}

/// The text of an all-zero digest under this pepper.
pub(super) fn dummy_hmac(pepper: &Pepper) -> String {
    format!("$hmac-sha256${}${}", pepper.id(), URL_SAFE_NO_PAD.encode([0; 32]))
}

fn digest(text: Option<&str>) -> Result<[u8; 32], UnreadableHash> {
    let text = text.filter(|text| text.len() == DIGEST_LEN).ok_or(UnreadableHash::Form)?;
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| UnreadableHash::Form)?;
    bytes.try_into().map_err(|_| UnreadableHash::Form)
}
