//! The keys of GitHub's signed reports.

use super::*;
use crate::settings::GithubKeys;

const KEYS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/settings/tests/github-keys.json");

#[test]
fn github_keys_come_from_a_file_or_a_url() {
    assert!(good("", &[]).github_keys.is_none(), "by default signed reports are rejected");
    let Some(GithubKeys::Fixed(keys)) = good("", &[("TOKENRY_LEAKS__GITHUB_KEYS_FILE", KEYS)]).github_keys
    else {
        panic!("no keys");
    };
    assert!(keys.has("bcb53661c06b4728e59d897fb6165d5c9cda0fd9cdf9d09ead458168deb7518c"));
    let url = "https://api.github.com/meta/public_keys/secret_scanning";
    let fetched = good(&format!("[leaks]\ngithub_keys_url = \"{url}\""), &[]).github_keys;
    let Some(GithubKeys::Fetched(source)) = fetched else { panic!("no source") };
    assert_eq!((source.url.as_str(), source.refresh), (url, Duration::from_secs(3600)));
    // Unauthenticated clients have 60 requests per hour.
    assert!(3600 / source.min_forced.as_secs() + 1 < 30);
}

#[test]
fn wrong_github_keys_are_refused() {
    for (file, line) in [
        ("github_keys_file = \"missing\"", "missing cannot be read: "),
        ("github_keys_file = \"pepper\"", "pepper is no list of public keys in the format of GitHub"),
        ("github_keys_url = \"http://keys.test/\"", "must be https, or http to a loopback address"),
        ("github_keys_url = \"keys.test\"", "must be a URL with a scheme and a host"),
    ] {
        let lines = refused(&format!("[leaks]\n{file}"), &[]);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains(line), "{lines:?}");
    }
    let both = format!("[leaks]\ngithub_keys_file = \"{KEYS}\"\ngithub_keys_url = \"https://keys.test/\"");
    let lines = refused(&both, &[]);
    assert_eq!(
        lines,
        ["[leaks] github_keys_url: is set together with github_keys_file; keep one of them (tokenry.toml:3)"]
    );
}
