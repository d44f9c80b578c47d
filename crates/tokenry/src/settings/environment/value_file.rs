//! A file that holds the value of one setting, as secret stores of container platforms mount them.

use std::{fs::File, io::Read, path::Path};

use zeroize::Zeroizing;

/// No value is longer.
const MOST_BYTES: usize = 64 * 1024;

/// The text of the file, relative to `directory`, without the one newline that editors and `echo` put at its end.
pub(super) fn read(path: &str, directory: &Path) -> Result<String, String> {
    let shown = shown(path);
    // Never reallocated, so that no copy of a secret stays behind; never cut, which would make another value of it.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MOST_BYTES + 1));
    let file = File::open(directory.join(path)).map(|file| file.take(MOST_BYTES as u64 + 1));
    let length = file
        .and_then(|mut file| file.read_to_end(&mut bytes))
        .map_err(|error| format!("{shown} cannot be read: {error}"))?;
    if length > MOST_BYTES {
        return Err(format!("{shown} must have at most {MOST_BYTES} bytes"));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| format!("{shown} must be UTF-8 text"))?;
    let line = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
    if line.is_empty() {
        return Err(format!("{shown} is empty"));
    }
    Ok(line.to_owned())
}

/// The path as messages name it.
///
/// SECURITY: whoever writes the secret itself where its file belongs must not find it in the log: addresses with
/// passwords and peppers have characters that a path hardly ever has, or nothing of what makes a path.
fn shown(path: &str) -> &str {
    let is_of_a_path = |c: char| c.is_alphanumeric() || "/\\._- ".contains(c);
    let is_path = path.chars().all(is_of_a_path) && path.contains(['/', '\\', '.']);
    if is_path { path } else { "the file it names" }
}
