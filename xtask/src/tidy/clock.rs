//! Domain, cryptography and use cases take time, settings and randomness as arguments and never read them.
//!
//! Clippy's `disallowed-methods` checks the same, but an `allow` silences it, and `cargo test` does not run it.

use anyhow::Result;

use super::Failure;
use super::tree::{Text, Tree};

/// The crates that may not read the clock.
const FOLDERS: &[&str] =
    &["crates/tokenry-domain/src/", "crates/tokenry-crypto/src/", "crates/tokenry-service/src/"];

/// The only file that reads the operating system's randomness.
const RANDOMNESS: &str = "crates/tokenry-crypto/src/rng.rs";

/// The only clock below the adapter: it measures durations and does not return the time of day.
const MONOTONIC: &str = "crates/tokenry-service/src/monotonic.rs";

const CALLS: &[&str] = &[
    "SystemTime::now",
    "Instant::now",
    "Utc::now",
    "Local::now",
    "env::var",
    "getrandom::",
    "(clippy::disallowed",
];

pub(super) fn check(tree: &Tree) -> Result<Vec<Failure>> {
    Ok(tree.sources.iter().flat_map(failures).collect())
}

fn failures(source: &Text) -> Vec<Failure> {
    if !FOLDERS.iter().any(|folder| source.path.starts_with(folder))
        || [RANDOMNESS, MONOTONIC].contains(&source.path.as_str())
    {
        return Vec::new();
    }
    // Tests come last in a file and may read the clock.
    let lines = source.content.lines().take_while(|line| !line.starts_with("#[cfg(test)]"));
    let code: Vec<_> = lines.filter(|line| !line.trim_start().starts_with("//")).collect();
    let found = CALLS.iter().filter(|call| code.iter().any(|line| line.contains(*call)));
    found
        .map(|call| Failure::new(&source.path, format!("names `{call}`"), "take the value as an argument"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_and_use_cases_read_no_clock_and_no_environment() {
        crate::tidy::assert_holds(check);
    }

    #[test]
    fn a_call_is_found_only_below_the_edge() {
        let source =
            |path: &str, content: &str| failures(&Text { path: path.into(), content: content.into() }).len();
        assert_eq!(source("crates/tokenry-service/src/issue.rs", "let now = Instant::now();"), 1);
        assert_eq!(source("crates/tokenry-service/src/issue.rs", "/// Never `Instant::now()`."), 0);
        assert_eq!(
            source("crates/tokenry-service/src/issue.rs", "#[cfg(test)]\nlet now = Instant::now();"),
            0
        );
        assert_eq!(source("crates/tokenry-service/src/issue.rs", "#![allow(clippy::disallowed_methods)]"), 1);
        assert_eq!(source("crates/tokenry-actix/src/clock.rs", "let now = Utc::now();"), 0);
        assert_eq!(source(RANDOMNESS, "getrandom::fill(bytes)"), 0);
        assert_eq!(source(MONOTONIC, "let begun = Instant::now();"), 0);
        assert_eq!(source("crates/tokenry-crypto/src/plain.rs", "getrandom::fill(bytes)"), 1);
    }
}
