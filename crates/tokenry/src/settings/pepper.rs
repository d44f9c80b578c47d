//! Peppers: the keys of `hmac-sha256`, from files or from a variable of a secret store.

use std::{fs::File, io::Read, path::Path};

use base64::{Engine, alphabet, engine};
use tokenry_service::Pepper;
use zeroize::Zeroizing;

/// One pepper for new tokens and one for tokens stored before a key change.
const MAX_PEPPERS: usize = 2;
/// The largest pepper file, in bytes.
const MAX_BYTES: usize = 1024;
const MIN_KEY_BYTES: usize = 32;

/// Reads one pepper from each of these files, relative to `directory`.
pub(super) fn read(files: &[String], directory: &Path) -> Result<Vec<Pepper>, String> {
    if files.len() > MAX_PEPPERS {
        return Err(format!("must name at most {MAX_PEPPERS} files"));
    }
    let read = |name: &String| {
        // Allocated once, so that no copy remains in memory; an oversized file is an error and is never truncated.
        let mut text = Zeroizing::new(String::with_capacity(MAX_BYTES + 1));
        let file = File::open(directory.join(name)).map(|file| file.take(MAX_BYTES as u64 + 1));
        let length = file.and_then(|mut file| file.read_to_string(&mut text));
        match length {
            Ok(length) if length <= MAX_BYTES => {}
            Ok(_) => return Err(format!("{name} must be one line of at most {MAX_BYTES} bytes")),
            Err(error) => return Err(format!("{name} cannot be read: {error}")),
        }
        one(text.trim_end()).map_err(|what| format!("{name} {what}"))
    };
    distinct(files.iter().map(read).collect::<Result<_, String>>()?)
}

/// Parses peppers separated by commas; an empty text has none.
pub(super) fn parse(text: &str) -> Result<Vec<Pepper>, String> {
    let entries: Vec<_> = text.split(',').map(str::trim).filter(|_| !text.is_empty()).collect();
    if entries.len() > MAX_PEPPERS {
        return Err(format!("must contain at most {MAX_PEPPERS} peppers"));
    }
    distinct(entries.into_iter().map(one).collect::<Result<_, String>>()?)
}

/// Parses `key-id:base64`, in either alphabet, padded or not.
fn one(line: &str) -> Result<Pepper, String> {
    let config =
        engine::GeneralPurposeConfig::new().with_decode_padding_mode(engine::DecodePaddingMode::Indifferent);
    let engine = engine::GeneralPurpose::new(&alphabet::STANDARD, config);
    let wrong = || "must be key-id:base64 of at least 32 random bytes (openssl rand -base64 32)".to_owned();
    let (id, text) = line.split_once(':').ok_or_else(wrong)?;
    let text = Zeroizing::new(text.replace('-', "+").replace('_', "/"));
    let key = engine.decode(text.as_bytes()).map_err(|_| wrong())?;
    if key.len() < MIN_KEY_BYTES {
        return Err(wrong());
    }
    Pepper::new(id, key).map_err(|error| format!("is invalid: {error}"))
}

fn distinct(peppers: Vec<Pepper>) -> Result<Vec<Pepper>, String> {
    match peppers.as_slice() {
        [new, old] if new.id() == old.id() => Err("must have different key ids".to_owned()),
        _ => Ok(peppers),
    }
}
