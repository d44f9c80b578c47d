//! Variables that name files, empty variables, and variables of other programs.

use super::*;

/// Files in the folder of each settings test.
pub(super) const FILES: &[(&str, &[u8])] = &[
    ("seven", b"7\n"),
    ("seven-crlf", b"7\r\n"),
    ("seven-bare", b"7"),
    ("seven-twice", b"7\n\n"),
    ("url", b"sqlite://from-file.db\n"),
    ("no-value", b""),
    ("newline", b"\n"),
    ("crlf", b"\r\n"),
    ("latin-1", b"caf\xe9\n"),
    ("networks", b"10.0.0.0/8, 192.0.2.1\n"),
];

const LIMIT: &str = "TOKENRY_LIMITS__MAX_LIVE_TOKENS";
const LIMIT_FILE: &str = "TOKENRY_LIMITS__MAX_LIVE_TOKENS_FILE";

/// The variables that Kubernetes sets in a container next to the Services `tokenry` (two ports, also UDP),
/// `tokenry-log`
/// (IPv6) and `tokenry-issuers`, according to its documentation.
const KUBERNETES: &[(&str, &str)] = &[
    ("TOKENRY_SERVICE_HOST", "10.0.0.1"),
    ("TOKENRY_SERVICE_PORT", "8080"),
    ("TOKENRY_SERVICE_PORT_HTTP", "8080"),
    ("TOKENRY_SERVICE_PORT_HTTP_ALT", "8081"),
    ("TOKENRY_PORT", "tcp://10.0.0.1:8080"),
    ("TOKENRY_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
    ("TOKENRY_PORT_8080_TCP_PROTO", "tcp"),
    ("TOKENRY_PORT_8080_TCP_PORT", "8080"),
    ("TOKENRY_PORT_8080_TCP_ADDR", "10.0.0.1"),
    ("TOKENRY_PORT_53_UDP", "udp://10.0.0.1:53"),
    ("TOKENRY_PORT_53_UDP_PROTO", "udp"),
    ("TOKENRY_PORT_53_UDP_PORT", "53"),
    ("TOKENRY_PORT_53_UDP_ADDR", "10.0.0.1"),
    ("TOKENRY_LOG_SERVICE_HOST", "fd00::17"),
    ("TOKENRY_LOG_SERVICE_PORT", "80"),
    ("TOKENRY_LOG_PORT", "tcp://[fd00::17]:80"),
    ("TOKENRY_LOG_PORT_80_TCP", "tcp://[fd00::17]:80"),
    ("TOKENRY_LOG_PORT_80_TCP_ADDR", "fd00::17"),
    ("TOKENRY_ISSUERS_SERVICE_HOST", "10.0.0.3"),
    ("TOKENRY_ISSUERS_PORT", "sctp://10.0.0.3:9"),
];

/// The variables that Docker sets in a container started with `--link tokens:tokenry`.
const DOCKER: &[(&str, &str)] = &[
    ("TOKENRY_NAME", "/web/tokenry"),
    ("TOKENRY_PORT", "tcp://172.17.0.2:8080"),
    ("TOKENRY_PORT_8080_TCP_START", "tcp://172.17.0.2:8080"),
    ("TOKENRY_PORT_8080_TCP_PORT_START", "8080"),
    ("TOKENRY_PORT_8080_TCP_END", "tcp://172.17.0.2:8082"),
    ("TOKENRY_PORT_8080_TCP_PORT_END", "8082"),
    ("TOKENRY_ENV_RUST_LOG", "info"),
];

#[test]
fn variables_of_services_and_links_are_ignored_and_named() {
    for variables in [KUBERNETES, DOCKER] {
        let mut names: Vec<_> = variables.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        let settings = good("", variables);
        assert_eq!(settings.foreign_variables, names);
        assert_eq!(settings.listen.to_string(), "127.0.0.1:8080");
    }
    assert!(good("", &[(LIMIT, "7")]).foreign_variables.is_empty());
}

#[test]
fn a_variable_that_only_looks_injected_is_an_error() {
    for (name, value) in [
        ("TOKENRY_PORT", "8080"),
        ("TOKENRY_PORT", "http://10.0.0.1:80"),
        ("TOKENRY_PORT", "tcp://tokenry:80"),
        ("TOKENRY_LISTEN_PORT", "8080"),
        ("TOKENRY_SERVICE_HOST", "tokenry"),
        ("TOKENRY_SERVICE_PORT", "tcp"),
        ("TOKENRY_SERVICE_PORT_HTTP", "off"),
        ("TOKENRY_PORT_8080_TCP_PROTO", "true"),
        ("TOKENRY_PORT_X_TCP", "tcp://10.0.0.1:80"),
        ("TOKENRY_PORT_80_TCPS", "tcp://10.0.0.1:80"),
        ("TOKENRY_PORT_80_TCP_HOST", "10.0.0.1"),
        ("TOKENRY_SERVER_TRUSTED_PROXIES", "10.0.0.1"),
        ("TOKENRY_SERVER__TRUSTED_PROXY", "10.0.0.1"),
        ("TOKENRY_NAME", "/web/other"),
        ("TOKENRY_NAME", "tokenry"),
        ("TOKENRY_ENV_RUST_LOG", "info"),
        ("TOKENRY_LIMITS_SERVICE", "1"),
    ] {
        let lines = refused("", &[(name, value)]);
        assert!(lines.len() == 1 && lines[0].starts_with(&format!("{name}: is not a setting")), "{lines:?}");
    }
}

#[test]
fn an_empty_variable_counts_as_unset() {
    for (name, _) in
        [&[("TOKENRY_CONFIG", ""), ("TOKENRY_LOG", ""), ("DATABASE_URL", "")], KUBERNETES].concat()
    {
        good("", &[(name, "")]);
    }
    for key in key::ALL {
        let (name, file) = (key.variable(), format!("{}_FILE", key.variable()));
        good("", &[(&name, ""), (&file, ""), ("DATABASE_URL_FILE", ""), ("TOKENRY_NO_SETTING", "")]);
    }
    let file = "listen = \"127.0.0.1:1\"\ndatabase_url = \"sqlite://file.db\"\n[log]\nfilter = \"debug\"";
    let settings = good(file, &[("TOKENRY_LISTEN", ""), ("TOKENRY_DATABASE_URL", ""), ("TOKENRY_LOG", "")]);
    assert_eq!((settings.listen.port(), settings.log.filter.as_str()), (1, "debug"));
    assert_eq!(settings.database_url.to_string(), "sqlite://file.db");
    let weaker = [("TOKENRY_DATABASE_URL", ""), ("DATABASE_URL", "sqlite://weak.db")];
    assert_eq!(good("", &weaker).database_url.to_string(), "sqlite://weak.db");
    assert!(!Environment::of(&[("NO_COLOR", "")]).forbids_color());
    assert!(Environment::of(&[("NO_COLOR", "0")]).forbids_color());
}

#[test]
fn a_value_file_may_end_with_one_newline() {
    for name in ["seven", "seven-crlf", "seven-bare"] {
        assert_eq!(good("", &[(LIMIT_FILE, name)]).service.policy.limits.max_live_tokens, Some(7), "{name}");
    }
    let limit = "[limits] max_live_tokens: must not begin or end with whitespace or a line break";
    assert_eq!(refused("", &[(LIMIT_FILE, "seven-twice")]), [format!("{limit} ({LIMIT_FILE})")]);
    let url = |variables: &[(&str, &str)]| good("", variables).database_url.to_string();
    assert_eq!(
        url(&[("TOKENRY_DATABASE_URL_FILE", "url"), ("DATABASE_URL", "sqlite://weak.db")]),
        "sqlite://from-file.db"
    );
    assert_eq!(url(&[("DATABASE_URL_FILE", "url")]), "sqlite://from-file.db");
    assert_eq!(
        url(&[("DATABASE_URL_FILE", "missing"), ("TOKENRY_DATABASE_URL", "sqlite://x.db")]),
        "sqlite://x.db"
    );
    let hash = ("TOKENRY_TOKEN__HASH", "hmac-sha256");
    for pepper in [("TOKENRY_TOKEN__PEPPER_FILE", "pepper"), ("TOKENRY_TOKEN__PEPPER_FILES", "pepper")] {
        assert_eq!(good("", &[hash, pepper]).service.hash.peppers.len(), 1);
    }
    let proxies = good("", &[("TOKENRY_SERVER__TRUSTED_PROXIES_FILE", "networks")]).server.trusted_proxies;
    assert_eq!(proxies.to_texts(), ["10.0.0.0/8", "192.0.2.1"]);
}

#[test]
fn every_key_can_be_set_by_a_value_file() {
    let directory = TempDir::new().unwrap();
    for key in key::ALL {
        let value = valid_value(key);
        fs::write(directory.path().join("value"), format!("{value}\r\n")).unwrap();
        fs::write(directory.path().join("tokenry.toml"), NEEDED).unwrap();
        let name = format!("{}_FILE", key.variable());
        let loaded =
            Settings::load(Flags::default(), &Environment::of(&[(&name, "value")]), directory.path());
        assert!(loaded.is_ok(), "{name}");
    }
}

#[test]
fn an_unreadable_value_does_not_fall_back_to_a_weaker_source() {
    let missing = std::io::Error::from_raw_os_error(2);
    for (path, what) in [
        ("./missing", format!("./missing cannot be read: {missing}")),
        (".", format!(". cannot be read: {}", std::io::Error::from_raw_os_error(21))),
        ("./no-value", "./no-value is empty".to_owned()),
        ("./newline", "./newline is empty".to_owned()),
        ("./crlf", "./crlf is empty".to_owned()),
        ("./latin-1", "./latin-1 must be UTF-8 text".to_owned()),
        ("./long-value", "./long-value must have at most 65536 bytes".to_owned()),
    ] {
        let lines = refused("[limits]\nmax_live_tokens = 3", &[(LIMIT_FILE, path)]);
        assert_eq!(lines, [format!("{LIMIT_FILE}: {what}")]);
        let weaker = [("TOKENRY_DATABASE_URL_FILE", path), ("DATABASE_URL", "sqlite://weak.db")];
        assert_eq!(refused("", &weaker), [format!("TOKENRY_DATABASE_URL_FILE: {what}")]);
    }
    let both = [(LIMIT, "7"), (LIMIT_FILE, "seven")];
    assert_eq!(refused("", &both), [format!("{LIMIT_FILE}: is set together with {LIMIT}; keep one of them")]);
    let both = [("DATABASE_URL", "sqlite://x.db"), ("DATABASE_URL_FILE", "url")];
    assert_eq!(
        refused("", &both),
        ["DATABASE_URL_FILE: is set together with DATABASE_URL; keep one of them"]
    );
}

#[test]
fn a_mistyped_file_variable_is_reported_with_the_nearest_name() {
    for (name, nearest) in [
        ("TOKENRY_TOKEN__PEPER_FILE", "TOKENRY_TOKEN__PEPPER_FILE"),
        ("TOKENRY_DATABASEURL_FILE", "TOKENRY_DATABASE_URL_FILE"),
        ("TOKENRY_LIMITS_MAX_LIVE_TOKENS_FILE", LIMIT_FILE),
    ] {
        assert_eq!(
            refused("", &[(name, "x")]),
            [format!("{name}: is not a setting; the nearest is {nearest}")]
        );
    }
    // These would be mistaken for the configuration file and the log file.
    for name in ["TOKENRY_CONFIG_FILE", "TOKENRY_LOG_FILE"] {
        assert!(refused("", &[(name, "x")])[0].contains("is not a setting"));
    }
}

#[test]
fn a_secret_given_instead_of_a_file_name_is_not_quoted() {
    for (name, secret) in [
        ("TOKENRY_TOKEN__PEPPER_FILE", "k1:hunter2="),
        ("TOKENRY_TOKEN__PEPPER_FILE", "hunter2hunter2"),
        ("DATABASE_URL_FILE", "postgres://me:hunter2@localhost/x"),
    ] {
        let lines = refused("", &[(name, secret)]);
        assert!(
            lines.len() == 1 && lines[0].starts_with(&format!("{name}: the file it names cannot be read"))
        );
        assert!(!lines[0].contains("hunter2"));
    }
}
