//! Where the keys of an issuer come from: one of a shared secret's file, a key set's file and a key set's URL.

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

/// No shared secret is longer, and no key set is taken that is.
const MOST_SECRET_BYTES: usize = 4096;
const MOST_SET_BYTES: usize = 256 * 1024;

/// The keys, and the URL if they are fetched.
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
                // SECURITY: whoever could fetch a shared secret could sign.
                section.refuse(JWKS_URL, "is for public keys; a shared secret belongs into a secret_file");
            }
            Some((JwtKeys::Pending, section.get(JWKS_URL)))
        }
        [] => {
            section.refuse("", "needs one of secret_file, jwks_file and jwks_url");
            None
        }
        [first, others @ ..] => {
            for other in others {
                section.refuse(other, &format!("is set beside {first}; keep one of them"));
            }
            None
        }
    }
}

/// The same keys again.
pub(super) fn copy(keys: &JwtKeys) -> JwtKeys {
    match keys {
        JwtKeys::Secret(secret) => JwtKeys::Secret(secret.clone()),
        JwtKeys::Set(set) => JwtKeys::Set(set.clone()),
        JwtKeys::Pending => JwtKeys::Pending,
    }
}

/// The bytes of the file without the newline at its end, which is an editor's and not the secret's.
fn secret(name: &str, directory: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    // Never reallocated, so that no copy stays behind; never cut, which would make another key of it.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MOST_SECRET_BYTES + 1));
    let file = File::open(directory.join(name)).map(|file| file.take(MOST_SECRET_BYTES as u64 + 1));
    match file.and_then(|mut file| file.read_to_end(&mut bytes)) {
        Ok(length) if length > MOST_SECRET_BYTES => {
            return Err(format!("{name} must have at most {MOST_SECRET_BYTES} bytes"));
        }
        Ok(_) => {}
        Err(error) => return Err(format!("{name} cannot be read: {error}")),
    }
    let text = bytes.strip_suffix(b"\n").map(|text| text.strip_suffix(b"\r").unwrap_or(text));
    let length = text.map_or(bytes.len(), <[u8]>::len);
    bytes.truncate(length);
    Ok(bytes)
}

/// The text of a key set, which is checked with its issuer.
fn set(name: &str, directory: &Path) -> Result<String, String> {
    let mut text = String::new();
    let file = File::open(directory.join(name)).map(|file| file.take(MOST_SET_BYTES as u64 + 1));
    match file.and_then(|mut file| file.read_to_string(&mut text)) {
        Ok(length) if length <= MOST_SET_BYTES => Ok(text),
        Ok(_) => Err(format!("{name} must have at most {MOST_SET_BYTES} bytes")),
        Err(error) if error.kind() == ErrorKind::InvalidData => Err(format!("{name} must be UTF-8 text")),
        Err(error) => Err(format!("{name} cannot be read: {error}")),
    }
}
