//! Peppers: the keys of `hmac-sha256`, from files or from a secret store's variable.

use std::{fs::File, io::Read, path::Path};

use base64::{Engine, alphabet, engine};
use tokenry_service::Pepper;
use zeroize::Zeroizing;

/// One for new tokens, one for those stored before a key change.
const MOST: usize = 2;
/// No pepper file is longer.
const MOST_BYTES: usize = 1024;
const LEAST_KEY_BYTES: usize = 32;

/// Reads one pepper from each of these files, relative to `directory`.
pub(super) fn read(files: &[String], directory: &Path) -> Result<Vec<Pepper>, String> {
    if files.len() > MOST {
        return Err(format!("must name at most {MOST} files"));
    }
    let read = |name: &String| {
        // Never reallocated, so that no copy stays behind; never cut, which would make another key of it.
        let mut text = Zeroizing::new(String::with_capacity(MOST_BYTES + 1));
        let file = File::open(directory.join(name)).map(|file| file.take(MOST_BYTES as u64 + 1));
        let length = file.and_then(|mut file| file.read_to_string(&mut text));
        match length {
            Ok(length) if length <= MOST_BYTES => {}
            Ok(_) => return Err(format!("{name} must be one line of at most {MOST_BYTES} bytes")),
            Err(error) => return Err(format!("{name} cannot be read: {error}")),
        }
        one(text.trim_end()).map_err(|what| format!("{name} {what}"))
    };
    distinct(files.iter().map(read).collect::<Result<_, String>>()?)
}

/// The peppers written one after the other, separated by a comma; none in an empty text.
pub(super) fn parse(text: &str) -> Result<Vec<Pepper>, String> {
    let entries: Vec<_> = text.split(',').map(str::trim).filter(|_| !text.is_empty()).collect();
    if entries.len() > MOST {
        return Err(format!("must hold at most {MOST} peppers"));
    }
    distinct(entries.into_iter().map(one).collect::<Result<_, String>>()?)
}

/// Reads `key-id:base64`, in either alphabet, padded or not.
fn one(line: &str) -> Result<Pepper, String> {
    let forgiving =
        engine::GeneralPurposeConfig::new().with_decode_padding_mode(engine::DecodePaddingMode::Indifferent);
    let engine = engine::GeneralPurpose::new(&alphabet::STANDARD, forgiving);
    let wrong = || "must hold key-id:base64 of at least 32 random bytes (openssl rand -base64 32)".to_owned();
    let (id, text) = line.split_once(':').ok_or_else(wrong)?;
    let text = Zeroizing::new(text.replace('-', "+").replace('_', "/"));
    let key = engine.decode(text.as_bytes()).map_err(|_| wrong())?;
    if key.len() < LEAST_KEY_BYTES {
        return Err(wrong());
    }
    Pepper::new(id, key).map_err(|error| format!("is wrong: {error}"))
}

fn distinct(peppers: Vec<Pepper>) -> Result<Vec<Pepper>, String> {
    match peppers.as_slice() {
        [new, old] if new.id() == old.id() => Err("must have two different key ids".to_owned()),
        _ => Ok(peppers),
    }
}
