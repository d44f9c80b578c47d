//! bcrypt over a digest of 43 characters, so that bcrypt's truncation at 72 bytes and at NUL never applies.

use std::ops::RangeInclusive;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use crate::{hash::UnreadableHash, plain::PlainToken};

/// The accepted costs; 15 would take half a second of CPU time per attempt.
pub(super) const COSTS: RangeInclusive<u32> = 4..=14;

/// The length of every bcrypt text.
const LEN: usize = 60;

pub(super) fn hash(token: &PlainToken, cost: u32, salt: [u8; 16]) -> Option<String> {
    let parts = bcrypt::non_truncating_hash_with_salt(&*input(token), cost, salt).ok()?;
    Some(parts.format_for_version(bcrypt::Version::TwoB))
}

/// The text of an all-zero salt and digest: `.` is bcrypt's zero.
pub(super) fn dummy(cost: u32) -> String {
    format!("$2b${cost:02}${}", ".".repeat(53))
}

pub(super) fn matches(token: &PlainToken, text: &str) -> Result<bool, UnreadableHash> {
    check_plain(text)?;
    bcrypt::non_truncating_verify(&*input(token), text).map_err(|_| UnreadableHash::Form)
}

/// Compares with a hash over the text itself, as other systems store it. The caller rejects texts that bcrypt truncates.
pub(super) fn matches_plain(text: &[u8], stored: &str) -> Result<bool, UnreadableHash> {
    check_plain(stored)?;
    bcrypt::verify(text, stored).map_err(|_| UnreadableHash::Form)
}

/// Checks form and cost.
pub(super) fn check_plain(text: &str) -> Result<(), UnreadableHash> {
    let is_known = ["$2a$", "$2b$", "$2y$"].iter().any(|version| text.starts_with(version));
    let is_digest = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'/');
    if text.len() != LEN || !is_known || !text.bytes().skip(7).all(is_digest) {
        return Err(UnreadableHash::Form);
    }
    // SECURITY: the cost is checked before any work is done.
    if COSTS.contains(&cost(text).ok_or(UnreadableHash::Form)?) { Ok(()) } else { Err(UnreadableHash::Cost) }
}

/// The two digits after the version.
pub(super) fn cost(text: &str) -> Option<u32> {
    let digits = text.get(4..6).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?;
    text.get(6..7).filter(|dollar| *dollar == "$")?;
    digits.parse().ok()
}

fn input(token: &PlainToken) -> Zeroizing<String> {
    Zeroizing::new(URL_SAFE_NO_PAD.encode(*token.digest(b"tokenry bcrypt v1")))
}
