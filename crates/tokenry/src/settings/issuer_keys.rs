//! The keys of an issuer: from a file with a shared secret, a file with a key set, or a URL of a key set.

use std::{
    fs::File,
    io::{ErrorKind, Read},
    path::Path,
};

use tokenry_service::{JwtAlgorithm, JwtKeys};
use zeroize::Zeroizing;

use super::section::Section;
use crate::jwks_refresher::KeySource;

const SECRET_FILE: &str = "secret_file";
const JWKS_FILE: &str = "jwks_file";
const JWKS_URL: &str = "jwks_url";

/// The largest shared secret and the largest key set, in bytes.
const MAX_SECRET_BYTES: usize = 4096;
const MAX_SET_BYTES: usize = 256 * 1024;

/// Reads the keys, and the URL if they are fetched from one.
pub(super) fn read<'f>(
    section: &mut Section<'f>,
    algorithm: Option<JwtAlgorithm>,
    directory: &Path,
) -> Option<(JwtKeys, Option<&'f str>)> {
    let given: Vec<_> =
        [SECRET_FILE, JWKS_FILE, JWKS_URL].into_iter().filter(|key| section.has(key)).collect();
    match given.as_slice() {
        &[SECRET_FILE] => {
            Some((section.parsed(SECRET_FILE, |name| secret(name, directory)).map(JwtKeys::Secret)?, None))
        }
        &[JWKS_FILE] => {
            Some((section.parsed(JWKS_FILE, |name| set(name, directory)).map(JwtKeys::Set)?, None))
        }
        &[JWKS_URL] => {
            section.parsed(JWKS_URL, KeySource::check)?;
            if algorithm.is_some_and(JwtAlgorithm::is_symmetric) {
                // SECURITY: anyone who could fetch a shared secret could sign tokens.
                section.reject(JWKS_URL, "is for public keys; a shared secret belongs in a secret_file");
            }
            Some((JwtKeys::Pending, section.get(JWKS_URL)))
        }
        [] => {
            section.reject("", "requires one of secret_file, jwks_file and jwks_url");
            None
        }
        [first, others @ ..] => {
            for other in others {
                section.reject(other, &format!("is set together with {first}; keep one of them"));
            }
            None
        }
    }
}

/// A copy of the keys.
pub(super) fn copy(keys: &JwtKeys) -> JwtKeys {
    match keys {
        JwtKeys::Secret(secret) => JwtKeys::Secret(secret.clone()),
        JwtKeys::Set(set) => JwtKeys::Set(set.clone()),
        JwtKeys::Pending => JwtKeys::Pending,
    }
}

/// The bytes of the file without a trailing newline, which editors add and which is not part of the secret.
pub(super) fn secret(name: &str, directory: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    // Allocated once, so that no copy remains in memory; an oversized file is an error and is never truncated.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_SECRET_BYTES + 1));
    let file = File::open(directory.join(name)).map(|file| file.take(MAX_SECRET_BYTES as u64 + 1));
    match file.and_then(|mut file| file.read_to_end(&mut bytes)) {
        Ok(length) if length > MAX_SECRET_BYTES => {
            return Err(format!("{name} must have at most {MAX_SECRET_BYTES} bytes"));
        }
        Ok(_) => {}
        Err(error) => return Err(format!("{name} cannot be read: {error}")),
    }
    let text = bytes.strip_suffix(b"\n").map(|text| text.strip_suffix(b"\r").unwrap_or(text));
    let length = text.map_or(bytes.len(), <[u8]>::len);
    bytes.truncate(length);
    Ok(bytes)
}

/// The text of a key set, which is checked later together with its issuer.
fn set(name: &str, directory: &Path) -> Result<String, String> {
    let mut text = String::new();
    let file = File::open(directory.join(name)).map(|file| file.take(MAX_SET_BYTES as u64 + 1));
    match file.and_then(|mut file| file.read_to_string(&mut text)) {
        Ok(length) if length <= MAX_SET_BYTES => Ok(text),
        Ok(_) => Err(format!("{name} must have at most {MAX_SET_BYTES} bytes")),
        Err(error) if error.kind() == ErrorKind::InvalidData => Err(format!("{name} must be UTF-8 text")),
        Err(error) => Err(format!("{name} cannot be read: {error}")),
    }
}
