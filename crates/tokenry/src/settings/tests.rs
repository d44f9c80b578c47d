//! Precedence and defaults; [`wrong`] has all faults of keys.

mod catalog;
mod environment;
mod example;
mod github_keys;
mod issuers;
mod pepper;
mod providers;
mod wrong;

use std::{fs, path::PathBuf, time::Duration};

use tempfile::TempDir;
use tokenry_service::{
    Bucket, Lifetime, Policy, ReusePolicy, Scheme, SessionSettings, SlowHash, UsageSettings,
};

use super::*;

/// A pepper of 32 bytes.
const PEPPER: &str = "k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// A shared secret of 32 bytes.
const ISSUER_SECRET: &str = "0123456789abcdefghijklmnopqrstuv";

/// A key set of one Ed25519 key.
const ISSUER_KEYS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"one","x":"own07M5XkLSGnrNJIE185eROCzk6sU4fUnLOkE90iRg"}]}"#;

/// Settings from a `tokenry.toml` with this text, unless it is empty, and these variables.
fn load(file: &str, variables: &[(&str, &str)], flags: Flags) -> Result<Settings, Vec<String>> {
    let directory = TempDir::new().unwrap();
    if !file.is_empty() {
        fs::write(directory.path().join("tokenry.toml"), file).unwrap();
    }
    fs::write(directory.path().join("pepper"), format!("{PEPPER}\n")).unwrap();
    fs::write(directory.path().join("old-pepper"), PEPPER.replace("k1", "k0")).unwrap();
    fs::write(directory.path().join("short-pepper"), "k1:c2hvcnQ").unwrap();
    fs::write(directory.path().join("issuer-secret"), format!("{ISSUER_SECRET}\n")).unwrap();
    fs::write(directory.path().join("short-secret"), format!("{}\n", &ISSUER_SECRET[1..])).unwrap();
    fs::write(directory.path().join("long-secret"), "s".repeat(5000)).unwrap();
    fs::write(directory.path().join("issuer-keys"), ISSUER_KEYS).unwrap();
    fs::write(directory.path().join("long-pepper"), format!("k1:{}", "A".repeat(2000))).unwrap();
    for (name, bytes) in environment::FILES {
        fs::write(directory.path().join(name), bytes).unwrap();
    }
    fs::write(directory.path().join("long-value"), "9".repeat(64 * 1024 + 1)).unwrap();
    Settings::load(flags, &Environment::of(variables), directory.path())
        .map_err(|problems| problems.iter().map(Problem::to_string).collect())
}

fn good(file: &str, variables: &[(&str, &str)]) -> Settings {
    load(file, variables, Flags::default()).unwrap_or_else(|lines| panic!("{lines:?}"))
}

/// The fault lines of invalid settings.
fn refused(file: &str, variables: &[(&str, &str)]) -> Vec<String> {
    load(file, variables, Flags::default())
        .err()
        .unwrap_or_else(|| panic!("{file} {variables:?} was accepted"))
}

#[test]
fn the_defaults_are_the_documented_ones() {
    let settings = good("", &[]);
    assert_eq!(settings.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.database_url.to_string(), "sqlite://tokenry.db");
    assert_eq!((settings.store.pool_size, settings.store.pool_wait), (8, Duration::from_secs(2)));
    assert_eq!(settings.service.prefix.as_str(), "pat_");
    assert!(matches!(settings.service.hash.scheme, Scheme::Bcrypt));
    assert_eq!(settings.service.hash.bcrypt_cost, 6);
    assert_eq!(settings.service.slow_hash, SlowHash::Once);
    let always = good("[token]\nslow_hash = \"always\"", &[]);
    assert_eq!(always.service.slow_hash, SlowHash::Always);
    assert!(!settings.service.rehash_imported);
    assert!(good("[token]\nrehash_imported = true", &[]).service.rehash_imported);
    assert_eq!(settings.service.policy, Policy::default());
    assert_eq!(settings.service.retention, Some(Lifetime::days(90)));
    assert_eq!(settings.service.usage, UsageSettings::default());
    assert_eq!(settings.service.session, SessionSettings::default());
    assert_eq!(settings.proxy_sign_in, None);
    assert!(settings.service.catalog.vocabulary().is_open());
    assert!(settings.service.sign_in.is_none() && settings.key_sources.is_empty());
    let rates =
        RateSettings { failures_per_minute: NonZero::new(30), management_per_minute: NonZero::new(60) };
    assert_eq!(settings.rates, rates);
    assert_eq!(settings.service.max_staleness, Duration::ZERO);
    assert_eq!(
        (settings.store.lease, settings.store.max_row_age),
        (Duration::from_secs(2), Duration::from_secs(5))
    );
    assert_eq!(settings.service.cache, 64 << 20);
    assert_eq!(good("[server]\ncache = \"2GiB\"", &[]).service.cache, 2 << 30);
    let journal = JournalSetting::Auto;
    assert_eq!(
        settings.server,
        Server { trusted_proxies: IpList::default(), workers: None, ui: true, journal }
    );
    assert_eq!(good("[server]\njournal = \"off\"", &[]).server.journal, JournalSetting::Off);
    let path = PathBuf::from("/var/lib/tokenry/journal");
    let file = good("[server]\njournal = \"/var/lib/tokenry/journal\"", &[]).server.journal;
    assert_eq!(file, JournalSetting::File(path));
    assert_eq!(settings.log, Log { filter: "info".to_owned(), requested: false, format: LogFormat::Text });
}

#[test]
fn the_page_can_be_disabled_by_file_environment_or_flag() {
    assert!(!good("ui = false", &[]).server.ui);
    assert!(good("ui = false", &[("TOKENRY_UI", "true")]).server.ui);
    let flags = Flags { no_ui: true, ..Flags::default() };
    assert!(!load("ui = true", &[("TOKENRY_UI", "true")], flags).ok().unwrap().server.ui);
}

#[test]
fn flags_override_the_environment_which_overrides_the_file_which_overrides_defaults() {
    let file = "listen = \"127.0.0.3:3\"\ndatabase_url = \"sqlite://file.db\"";
    let weak = ("DATABASE_URL", "sqlite://weak.db");
    let strong = [("TOKENRY_LISTEN", "127.0.0.2:2"), ("TOKENRY_DATABASE_URL", "sqlite://strong.db"), weak];
    let flags = || Flags {
        config: None,
        listen: Some("127.0.0.1:1".to_owned()),
        database_url: Some("sqlite://flag.db".to_owned()),
        ..Flags::default()
    };
    for (file, variables, flags, listen, url) in [
        (file, &strong[..], flags(), "127.0.0.1:1", "sqlite://flag.db"),
        (file, &strong[..], Flags::default(), "127.0.0.2:2", "sqlite://strong.db"),
        (file, &[weak][..], Flags::default(), "127.0.0.3:3", "sqlite://weak.db"),
        (file, &[][..], Flags::default(), "127.0.0.3:3", "sqlite://file.db"),
        ("", &[][..], Flags::default(), "127.0.0.1:8080", "sqlite://tokenry.db"),
    ] {
        let settings = load(file, variables, flags).unwrap_or_else(|lines| panic!("{lines:?}"));
        assert_eq!(
            (settings.listen.to_string(), settings.database_url.to_string()),
            (listen.to_owned(), url.to_owned())
        );
    }
}

#[test]
fn a_named_file_replaces_the_default_file() {
    let directory = TempDir::new().unwrap();
    let write = |name: &str, port: u16| {
        fs::write(directory.path().join(name), format!("listen = \"127.0.0.1:{port}\"")).unwrap();
    };
    write("tokenry.toml", 1);
    write("variable.toml", 2);
    write("flag.toml", 3);
    let port = |flag: Option<&str>, variables: &[(&str, &str)]| {
        let flags = Flags { config: flag.map(PathBuf::from), ..Flags::default() };
        Settings::load(flags, &Environment::of(variables), directory.path()).ok().unwrap().listen.port()
    };
    assert_eq!(port(None, &[]), 1);
    assert_eq!(port(None, &[("TOKENRY_CONFIG", "variable.toml")]), 2);
    assert_eq!(port(Some("flag.toml"), &[("TOKENRY_CONFIG", "variable.toml")]), 3);
    let lines = refused("", &[("TOKENRY_CONFIG", "missing.toml")]);
    assert_eq!(lines, ["missing.toml: does not exist; name another file with --config"]);
}

/// A valid value of a text key whose default is no value.
fn value_without_default(key: &key::Key) -> &'static str {
    if std::ptr::eq(key, &key::PROXY_USER_HEADER) {
        "X-Forwarded-User"
    } else if std::ptr::eq(key, &key::PUBLIC_URL) {
        "https://tokens.test"
    } else if std::ptr::eq(key, &key::RESOURCE_URL) {
        "https://mcp.test/mcp"
    } else if std::ptr::eq(key, &key::METRICS_LISTEN) {
        "127.0.0.1:9090"
    } else if std::ptr::eq(key, &key::GITHUB_KEYS_FILE) {
        concat!(env!("CARGO_MANIFEST_DIR"), "/src/settings/tests/github-keys.json")
    } else if std::ptr::eq(key, &key::GITHUB_KEYS_URL) {
        "https://keys.test/list"
    } else {
        PEPPER
    }
}

/// What some keys need of others: sign-in through a proxy requires a trusted proxy, and a protected resource its URL and an
/// authorization server.
const NEEDED: &str = "[server]\ntrusted_proxies = [\"10.0.0.1\"]\n[protected_resource]\nurl = \"https://a.test\"\n\
                      authorization_servers = [\"https://id.test\"]";

/// A valid value of this key as a text.
fn valid_value(key: &'static key::Key) -> String {
    match &key.preset {
        key::Preset::Text("") => value_without_default(key).to_owned(),
        key::Preset::Text(text) => (*text).to_owned(),
        key::Preset::Integer(number, _) => number.to_string(),
        key::Preset::Switch(on) => on.to_string(),
        key::Preset::List if std::ptr::eq(key, &key::AUTHORIZATION_SERVERS) => "https://id.test".to_owned(),
        key::Preset::List => "[]".to_owned(),
    }
}

#[test]
fn a_protected_resource_needs_its_url_and_an_authorization_server() {
    let table = |lines: &str| format!("[protected_resource]\n{lines}");
    let (url, servers) = ("url = \"https://mcp.test/mcp\"", "authorization_servers = [\"https://id.test\"]");
    assert!(good("", &[]).protected_resource.is_none());
    let all = table(&format!("{url}\n{servers}\nscopes = [\"notes:read\"]"));
    let resource = good(&all, &[]).protected_resource.unwrap();
    assert_eq!(resource.metadata_url(), "https://mcp.test/.well-known/oauth-protected-resource/mcp");
    assert_eq!(resource.authorization_servers(), ["https://id.test"]);
    assert_eq!(resource.scopes(), ["notes:read"]);
    for (lines, key) in [
        (url.to_owned(), "authorization_servers"),
        (servers.to_owned(), "url"),
        ("scopes = [\"notes:read\"]".to_owned(), "url"),
        (format!("url = \"http://mcp.test/mcp\"\n{servers}"), "url"),
        (format!("{url}\nauthorization_servers = [\"id.test\"]"), "authorization_servers"),
        (format!("{url}\n{servers}\nscopes = [\"a b\"]"), "scopes"),
    ] {
        let refused = refused(&table(&lines), &[]);
        let named = refused.iter().any(|line| line.contains(&format!("[protected_resource] {key}: must be")));
        assert!(refused.len() == 1 && named, "{lines}: {refused:?}");
    }
}

#[test]
fn every_key_can_be_set_by_the_environment() {
    for key in key::ALL {
        good(NEEDED, &[(&key.variable(), &valid_value(key))]);
    }
    let settings = good(
        "[limits]\nmax_live_tokens = 7",
        &[
            ("TOKENRY_LIMITS__MAX_LIVE_TOKENS", "100"),
            ("TOKENRY_LIMITS__CREATIONS_PER_HOUR", "0"),
            ("TOKENRY_SERVER__TRUSTED_PROXIES", "10.0.0.1/8, ::ffff:192.0.2.1"),
            ("TOKENRY_SERVER__WORKERS", "3"),
            ("TOKENRY_TEST_POSTGRES", "anything"),
            ("TOKENRY_LOG__FILTER", "warn"),
            ("TOKENRY_LOG", "info,tokenry=trace"),
        ],
    );
    assert_eq!(
        (settings.service.policy.limits.max_live_tokens, settings.service.policy.limits.creations_per_hour),
        (Some(100), None)
    );
    assert_eq!(settings.server.trusted_proxies, IpList::parse(&["10.0.0.0/8", "192.0.2.1"]).unwrap());
    assert_eq!(settings.server.workers, NonZero::new(3));
    assert_eq!((settings.log.filter.as_str(), settings.log.requested), ("info,tokenry=trace", true));
    let listed = good("", &[("TOKENRY_SERVER__TRUSTED_PROXIES", "[\"10.0.0.1\", \"::1\"]")]);
    assert_eq!(listed.server.trusted_proxies.to_texts(), ["10.0.0.1", "::1"]);
}

#[test]
fn lifecycle_and_rotation_can_be_set_by_the_environment() {
    let settings = good(
        "[rotation]\non_reuse = \"record\"",
        &[
            ("TOKENRY_LIFETIME__IDLE_DAYS", "45"),
            ("TOKENRY_ROTATION__MAX_GRACE_SECONDS", "60"),
            ("TOKENRY_ROTATION__ON_REUSE", "revoke"),
            ("TOKENRY_RETENTION__DEAD_TOKENS_DAYS", "7"),
        ],
    );
    let policy = settings.service.policy;
    assert_eq!(policy.idle_lifetime, Some(Lifetime::days(45)));
    assert_eq!((policy.max_grace, policy.on_reuse), (Lifetime::seconds(60), ReusePolicy::Revoke));
    assert_eq!(settings.service.retention, Some(Lifetime::days(7)));
}

#[test]
fn bucket_retention_and_switch_of_the_usage_log_are_configurable() {
    let bucket = |seconds| Bucket::new(Lifetime::seconds(seconds)).unwrap();
    for (text, seconds) in [("0s", 0), ("1s", 1), ("90s", 90), ("1m 30s", 90), ("1h", 3600), ("60m", 3600)] {
        let settings = good("", &[("TOKENRY_USAGE__BUCKET", text)]);
        assert_eq!(settings.service.usage.bucket, bucket(seconds), "{text}");
    }
    let settings = good("[usage]\nenabled = false\nretention_days = 7", &[]);
    let off = UsageSettings::default().with_is_enabled(false).with_retention(Lifetime::days(7));
    assert_eq!(settings.service.usage, off);
    assert_eq!(good("[usage]\nretention_days = 0", &[]).service.usage.retention, None);
}

#[test]
fn zero_disables_a_limit() {
    let file = "[limits]\nmax_live_tokens = 0\ncreations_per_hour = 0\nfailures_per_minute = 0\n\
                management_per_minute = 0\n[lifetime]\nmax_days = 0\nallow_never = true\ndefault_days = 0\nidle_days = 0\n\
                [rotation]\nmax_grace_seconds = 0\n[retention]\ndead_tokens_days = 0";
    let settings = good(file, &[]);
    let limits = tokenry_service::Limits::unlimited();
    let free = Policy::default()
        .with_limits(limits)
        .with_default_lifetime(None)
        .with_max_lifetime(None)
        .with_allow_never(true)
        .with_idle_lifetime(None)
        .with_max_grace(Lifetime::seconds(0))
        .with_on_reuse(ReusePolicy::Alert);
    assert_eq!(settings.service.policy, free);
    assert_eq!(settings.service.retention, None);
    assert_eq!(settings.rates, RateSettings { failures_per_minute: None, management_per_minute: None });
    let month = good("[lifetime]\nmax_days = 30", &[]);
    assert_eq!(month.service.policy.max_lifetime, Some(Lifetime::days(30)));
}

#[test]
fn the_database_url_is_displayed_without_its_password() {
    for (url, shown) in [
        ("sqlite:///var/lib/tokenry.db", "sqlite:///var/lib/tokenry.db"),
        ("postgres://me:hunter2@localhost:5433/tokens", "postgres://me@localhost:5433/tokens"),
        ("postgres://localhost/tokens?password=hunter2", "postgres://localhost/tokens"),
        ("postgres://me:hunt%40er2@localhost/tokens", "postgres://me@localhost/tokens"),
    ] {
        assert_eq!(good("", &[("DATABASE_URL", url)]).database_url.to_string(), shown);
    }
}
