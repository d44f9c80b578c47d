//! A file with the value of one setting, as secret stores of container platforms mount it.

use std::{fs::File, io::Read, path::Path};

use zeroize::Zeroizing;

/// The largest file, in bytes.
const MAX_BYTES: usize = 64 * 1024;

/// The text of the file, relative to `directory`, without the trailing newline that editors and `echo` add.
pub(super) fn read(path: &str, directory: &Path) -> Result<String, String> {
    let shown = shown(path);
    // Allocated once, so that no copy of a secret remains in memory; an oversized file is an error and is never
    // truncated.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_BYTES + 1));
    let file = File::open(directory.join(path)).map(|file| file.take(MAX_BYTES as u64 + 1));
    let length = file
        .and_then(|mut file| file.read_to_end(&mut bytes))
        .map_err(|error| format!("{shown} cannot be read: {error}"))?;
    if length > MAX_BYTES {
        return Err(format!("{shown} must have at most {MAX_BYTES} bytes"));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| format!("{shown} must be UTF-8 text"))?;
    let line = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
    if line.is_empty() {
        return Err(format!("{shown} is empty"));
    }
    Ok(line.to_owned())
}

/// The path as it appears in messages.
///
/// SECURITY: a secret given instead of a file name must not appear in the log. URLs with passwords and peppers contain
/// characters that paths rarely contain, or no character that is typical of a path.
fn shown(path: &str) -> &str {
    let is_path_character = |c: char| c.is_alphanumeric() || "/\\._- ".contains(c);
    let is_path = path.chars().all(is_path_character) && path.contains(['/', '\\', '.']);
    if is_path { path } else { "the file it names" }
}
