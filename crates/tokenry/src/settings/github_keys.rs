//! The keys by which GitHub signs reports of leaked tokens: from a file or a URL.

use std::{fs::File, io::Read, path::Path, time::Duration};

use tokenry_service::{GITHUB, ReportKeys};

use super::{key, source::Sources};
use crate::jwks_refresher::KeySource;

/// The interval between fetches.
const REFRESH: Duration = Duration::from_secs(3600);
/// The minimum interval between forced fetches: with the others far below the 60 per hour that GitHub answers without a
/// token.
const MIN_FORCED: Duration = Duration::from_secs(300);
/// The largest file, in bytes.
const MAX_BYTES: u64 = 256 * 1024;

/// Where the keys come from.
pub(crate) enum GithubKeys {
    /// From a file, which was read.
    Fixed(ReportKeys),
    /// From a URL.
    Fetched(KeySource),
}

/// The keys; `None` if signed reports are not accepted. The outer `None` is a fault.
pub(super) fn read(from: &mut Sources, directory: &Path) -> Option<Option<GithubKeys>> {
    let file = from.text(&key::GITHUB_KEYS_FILE, |name| file(name, directory));
    let url = from.text(&key::GITHUB_KEYS_URL, url);
    match (file?, url?) {
        (Some(_), Some(_)) => {
            from.refuse_value(
                &key::GITHUB_KEYS_URL,
                "is set together with github_keys_file; keep one of them",
            );
            None
        }
        (Some(keys), None) => Some(Some(GithubKeys::Fixed(keys))),
        (None, url) => Some(url.map(GithubKeys::Fetched)),
    }
}

fn file(name: &str, directory: &Path) -> Result<Option<ReportKeys>, String> {
    if name.is_empty() {
        return Ok(None);
    }
    let mut text = String::new();
    let file = File::open(directory.join(name)).map(|file| file.take(MAX_BYTES + 1));
    file.and_then(|mut file| file.read_to_string(&mut text))
        .map_err(|error| format!("{name} cannot be read: {error}"))?;
    ReportKeys::parse(&text).map(Some).map_err(|error| format!("{name} {error}"))
}

fn url(text: &str) -> Result<Option<KeySource>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    KeySource::check(text)?;
    let (issuer, url) = (GITHUB.to_owned(), text.to_owned());
    Ok(Some(KeySource { issuer, url, refresh: REFRESH, min_forced: MIN_FORCED }))
}
