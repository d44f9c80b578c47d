//! Argon2id (RFC 9106) as PHC strings, including imported ones.

use argon2::{Algorithm, Argon2, Error, Params, Version};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::{hash::UnreadableHash, plain::PlainToken};

/// Memory in KiB, passes and lanes of new hashes: OWASP's second choice, about 15 ms.
const COSTS: (u32, u32, u32) = (19_456, 2, 1);
/// The highest accepted costs: 256 MiB, 10 passes, 16 lanes (Django has 8), which are computed one after another.
const MAX_COSTS: (u32, u32, u32) = (262_144, 10, 16);

pub(super) fn hash(token: &PlainToken, salt: [u8; 16]) -> Option<String> {
    let mut tag = Zeroizing::new([0; 32]);
    argon2(COSTS, 32)?.hash_password_into(token.as_bytes(), &salt, &mut *tag).ok()?;
    Some(text(&salt, &tag))
}

/// The text of an all-zero salt and digest.
pub(super) fn dummy() -> String {
    text(&[0; 16], &[0; 32])
}

fn text(salt: &[u8; 16], tag: &[u8; 32]) -> String {
    let (memory, passes, lanes) = COSTS;
    let (salt, tag) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(tag));
    format!("$argon2id$v=19$m={memory},t={passes},p={lanes}${salt}${tag}")
}

pub(super) fn matches(text: &[u8], stored: &str) -> Result<bool, UnreadableHash> {
    let Stored { costs, salt, tag } = check(stored)?;
    let argon2 = argon2(costs, tag.len()).ok_or(UnreadableHash::Cost)?;
    let mut computed = Zeroizing::new(vec![0; tag.len()]);
    argon2.hash_password_into(text, &salt, &mut computed).map_err(|error| match error {
        Error::OutOfMemory => UnreadableHash::Memory,
        _ => UnreadableHash::Form,
    })?;
    Ok(computed.ct_eq(&tag).into())
}

/// Checks form and costs.
///
/// SECURITY: done before any memory is allocated or work is done.
pub(super) fn check(text: &str) -> Result<Stored, UnreadableHash> {
    let stored = Stored::parse(text).ok_or(UnreadableHash::Form)?;
    let (memory, passes, lanes) = stored.costs;
    if memory > MAX_COSTS.0 || passes > MAX_COSTS.1 || lanes > MAX_COSTS.2 {
        return Err(UnreadableHash::Cost);
    }
    if argon2(stored.costs, stored.tag.len()).is_none() { Err(UnreadableHash::Cost) } else { Ok(stored) }
}

fn argon2((memory, passes, lanes): (u32, u32, u32), length: usize) -> Option<Argon2<'static>> {
    Params::new(memory, passes, lanes, Some(length))
        .ok()
        .map(|p| Argon2::new(Algorithm::Argon2id, Version::V0x13, p))
}

/// The parts of a PHC string.
pub(super) struct Stored {
    costs: (u32, u32, u32),
    salt: Vec<u8>,
    tag: Vec<u8>,
}

impl Stored {
    fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('$').collect();
        let ["", "argon2id", "v=19", costs, salt, tag] = parts.as_slice() else { return None };
        let costs: Vec<&str> = costs.split(',').collect();
        let [memory, passes, lanes] = costs.as_slice() else { return None };
        let (salt, tag) = (STANDARD_NO_PAD.decode(salt).ok()?, STANDARD_NO_PAD.decode(tag).ok()?);
        let fits = (8..=64).contains(&salt.len()) && (16..=64).contains(&tag.len());
        let costs = (parameter(memory, "m")?, parameter(passes, "t")?, parameter(lanes, "p")?);
        fits.then_some(Self { costs, salt, tag })
    }
}

/// The value of `name=value` in its canonical form; `parse` alone would also accept `+2` and `02`.
fn parameter(text: &str, name: &str) -> Option<u32> {
    let digits = text.strip_prefix(name)?.strip_prefix('=')?;
    digits.parse::<u32>().ok().filter(|value| value.to_string() == digits)
}
