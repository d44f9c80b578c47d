//! Faults of keys: one line each with the key, the position and what to change.

use super::*;

#[test]
fn every_fault_of_a_file_is_reported_with_its_line() {
    for (file, line) in [
        ("listen = 8080", "listen: must be a quoted string (tokenry.toml:1)"),
        (
            "\nlisten = \"8080\"",
            "listen: must be an address and a port, such as 127.0.0.1:8080 or 0.0.0.0:8080 (tokenry.toml:2)",
        ),
        (
            "databse_url = \"x\"",
            "databse_url: is not a setting; the nearest is database_url (tokenry.toml:1)",
        ),
        (
            "database_url = \"mysql://x\"",
            "database_url: must begin with sqlite:// or postgres:// (tokenry.toml:1)",
        ),
        (
            "database_url = \"sqlite://\"",
            "database_url: must name a file, such as sqlite://tokenry.db, without parameters (tokenry.toml:1)",
        ),
        (
            "[token]\nformer_prefixes = [\"pat_\", \"Pat\"]",
            "[token] former_prefixes: must be words of lower-case letters and digits, each followed by `_`, at most 20 \
             characters, such as pat_ or mcp_pat_ (tokenry.toml:2)",
        ),
        (
            "[token]\nprefix = \"Pat\"",
            "[token] prefix: must be words of lower-case letters and digits, each followed by `_`, at most 20 \
             characters, such as pat_ or mcp_pat_ (tokenry.toml:2)",
        ),
        (
            "[credentials]\nbasic = \"on\"",
            "[credentials] basic: must be off, password, username or either (tokenry.toml:2)",
        ),
        (
            "[credentials]\nheaders = [\"X-API-Key\", \"Cookie\"]",
            "[credentials] headers: the header `cookie` has another meaning (tokenry.toml:2)",
        ),
        (
            "[identity_headers]\nuser = \"X-Owner\"\n[credentials]\nheaders = [\"x-owner\"]",
            "[credentials] headers: x-owner is the header of another setting (tokenry.toml:4)",
        ),
        (
            "[token]\nhash = \"md5\"",
            "[token] hash: must be bcrypt, sha256, hmac-sha256 or argon2id (tokenry.toml:2)",
        ),
        (
            "[token]\nhash = \"hmac-sha256\"",
            "[token] hash: hmac-sha256 requires a pepper: name its file in pepper_files (tokenry.toml:2)",
        ),
        ("[token]\nslow_hash = \"never\"", "[token] slow_hash: must be once or always (tokenry.toml:2)"),
        (
            "[token]\nbcrypt_cost = 3",
            "[token] bcrypt_cost: must be a whole number from 4 to 14 (tokenry.toml:2)",
        ),
        (
            "[token]\nbcrypt_cost = 15",
            "[token] bcrypt_cost: must be a whole number from 4 to 14 (tokenry.toml:2)",
        ),
        (
            "[token]\nbcrypt_cost = 6.0",
            "[token] bcrypt_cost: must be a whole number from 4 to 14 (tokenry.toml:2)",
        ),
        (
            "[limits]\nmax_live_tokens = -1",
            "[limits] max_live_tokens: must be a whole number from 0 to 1000000 (tokenry.toml:2)",
        ),
        (
            "[limits]\n\nmax_tokens = 1",
            "[limits] max_tokens: is not a setting; the nearest is [limits] max_live_tokens (tokenry.toml:3)",
        ),
        (
            "[session]\nlifetime = \"1m\"",
            "[session] lifetime: must be a duration from 5m to 30days, such as 500ms or 2s (tokenry.toml:2)",
        ),
        ("[session]\nidle = \"299s\"", "[session] idle: must be 0s or at least 5m (tokenry.toml:2)"),
        (
            "[session]\nproxy_user_header = \"X-Forwarded-User\"",
            "[session] proxy_user_header: requires the addresses of the proxies in server.trusted_proxies \
             (tokenry.toml:2)",
        ),
        (
            "[server]\ntrusted_proxies = [\"10.0.0.1\"]\n[session]\nproxy_user_header = \"Authorization\"",
            "[session] proxy_user_header: must be a header's name of letters, digits and `-`, such as \
             X-Forwarded-User, that means nothing else (tokenry.toml:4)",
        ),
        (
            "[limit]\nmax_live_tokens = 1",
            "[limit]: is not a table of settings; the nearest is [limits] (tokenry.toml:1)",
        ),
        ("max_days = 1", "max_days: is not a setting; the nearest is [lifetime] max_days (tokenry.toml:1)"),
        ("limits = 1", "[limits]: must be a table (tokenry.toml:1)"),
        (
            "[limits.max_live_tokens]",
            "[limits] max_live_tokens: must be a whole number from 0 to 1000000 (tokenry.toml:1)",
        ),
        (
            "[lifetime]\ndefault_days = 0",
            "[lifetime] default_days: must be at least 1, unless allow_never = true permits tokens that never expire \
             (tokenry.toml:2)",
        ),
        (
            "[lifetime]\nidle_days = 36501",
            "[lifetime] idle_days: must be a whole number from 0 to 36500 (tokenry.toml:2)",
        ),
        (
            "[rotation]\nmax_grace_seconds = 2592001",
            "[rotation] max_grace_seconds: must be a whole number from 0 to 2592000 (tokenry.toml:2)",
        ),
        (
            "[rotation]\non_reuse = \"ignore\"",
            "[rotation] on_reuse: must be record, alert or revoke (tokenry.toml:2)",
        ),
        (
            "[retention]\ndead_token_days = 1",
            "[retention] dead_token_days: is not a setting; the nearest is [retention] dead_tokens_days (tokenry.toml:2)",
        ),
        (
            "[usage]\nbucket = \"7s\"",
            "[usage] bucket: must be 0s, or whole seconds that divide an hour evenly, such as 10s, 1m or 1h \
             (tokenry.toml:2)",
        ),
        (
            "[usage]\nbucket = \"500ms\"",
            "[usage] bucket: must be 0s, or whole seconds that divide an hour evenly, such as 10s, 1m or 1h \
             (tokenry.toml:2)",
        ),
        (
            "[usage]\nbucket = \"2h\"",
            "[usage] bucket: must be 0s, or whole seconds that divide an hour evenly, such as 10s, 1m or 1h \
             (tokenry.toml:2)",
        ),
        ("[usage]\nenabled = 1", "[usage] enabled: must be true or false (tokenry.toml:2)"),
        (
            "[usage]\nretention_days = 36501",
            "[usage] retention_days: must be a whole number from 0 to 36500 (tokenry.toml:2)",
        ),
        ("catalog = 1", "[catalog]: must be a table (tokenry.toml:1)"),
        ("[[catalog]]", "[catalog]: must be a table (tokenry.toml:1)"),
        ("[issuers]", "[[issuers]]: must be a list of tables (tokenry.toml:1)"),
        ("issuers = [\n1]", "[[issuers]]: must be a table (tokenry.toml:2)"),
        ("[catalogue]", "[catalogue]: is not a table of settings; the nearest is [catalog] (tokenry.toml:1)"),
        ("\n[[issuer]]", "[issuer]: is not a table of settings; the nearest is [[issuers]] (tokenry.toml:2)"),
        ("[lifetime]\nallow_never = 1", "[lifetime] allow_never: must be true or false (tokenry.toml:2)"),
        (
            "[server]\ntrusted_proxies = \"10.0.0.1\"",
            "[server] trusted_proxies: must be a list of strings, such as [\"a\", \"b\"] (tokenry.toml:2)",
        ),
        (
            "[server]\ntrusted_proxies = [\"proxy\"]",
            "[server] trusted_proxies: must be an IP address or a network such as 10.0.0.0/8 (tokenry.toml:2)",
        ),
        (
            "[server]\nlease = \"100ms\"",
            "[server] lease: must be a duration from 500ms to 10s, such as 500ms or 2s (tokenry.toml:2)",
        ),
        (
            "[server]\ncache = \"64\"",
            "[server] cache: must be a size from 1MiB to 1048576MiB, such as 64MiB or 2GiB (tokenry.toml:2)",
        ),
        (
            "[server]\nmax_row_age = \"2h\"",
            "[server] max_row_age: must be a duration from 0s to 1h, such as 500ms or 2s (tokenry.toml:2)",
        ),
        (
            "[server]\nmax_staleness = \"1\"",
            "[server] max_staleness: must be a duration from 0s to 1h, such as 500ms or 2s (tokenry.toml:2)",
        ),
        (
            "[database]\npool_wait = \"0s\"",
            "[database] pool_wait: must be a duration from 10ms to 1m, such as 500ms or 2s (tokenry.toml:2)",
        ),
        (
            "[database]\npool_size = 0",
            "[database] pool_size: must be a whole number from 1 to 1000 (tokenry.toml:2)",
        ),
        (
            "[log]\nfilter = \"tokenry=loud\"",
            "[log] filter: must be a level (error, warn, info, debug, trace) or directives such as info,tokenry=debug \
             (tokenry.toml:2)",
        ),
        ("[log]\nformat = \"xml\"", "[log] format: must be text or json (tokenry.toml:2)"),
        ("[token]\nprefix = 'a_'\nprefix = 'b_'", "tokenry.toml:3: duplicate key"),
        ("listen = ", "tokenry.toml:1: string values must be quoted, expected literal string"),
    ] {
        assert_eq!(refused(file, &[]), [line], "{file}");
    }
}

#[test]
fn every_fault_of_a_variable_is_reported_with_its_name() {
    for (name, value, line) in [
        (
            "TOKENRY_LIMITS__MAX_TOKENS",
            "1",
            "TOKENRY_LIMITS__MAX_TOKENS: is not a setting; the nearest is TOKENRY_LIMITS__MAX_LIVE_TOKENS",
        ),
        (
            "TOKENRY_LIMITS_MAX_LIVE_TOKENS",
            "1",
            "TOKENRY_LIMITS_MAX_LIVE_TOKENS: is not a setting; the nearest is TOKENRY_LIMITS__MAX_LIVE_TOKENS",
        ),
        (
            "TOKENRY_CATALOG__LEVELS",
            "read",
            "TOKENRY_CATALOG__LEVELS: is not a setting; use [catalog] in the file",
        ),
        ("TOKENRY_ISSUERS", "x", "TOKENRY_ISSUERS: is not a setting; use [[issuers]] in the file"),
        ("TOKENRY_LISTENS", "x", "TOKENRY_LISTENS: is not a setting; the nearest is TOKENRY_LISTEN"),
        ("TOKENRY_CONFG", "x", "TOKENRY_CONFG: is not a setting; the nearest is TOKENRY_CONFIG"),
        ("DATABASE_URL", "x", "database_url: must begin with sqlite:// or postgres:// (DATABASE_URL)"),
        (
            "TOKENRY_LIMITS__CREATIONS_PER_HOUR",
            "five",
            "[limits] creations_per_hour: must be a whole number from 0 to 1000000 (TOKENRY_LIMITS__CREATIONS_PER_HOUR)",
        ),
        (
            "TOKENRY_LIFETIME__ALLOW_NEVER",
            "yes",
            "[lifetime] allow_never: must be true or false (TOKENRY_LIFETIME__ALLOW_NEVER)",
        ),
        (
            "TOKENRY_SERVER__TRUSTED_PROXIES",
            "10.0.0.1,,",
            "[server] trusted_proxies: must be a list of strings, such as [\"a\", \"b\"] \
             (TOKENRY_SERVER__TRUSTED_PROXIES)",
        ),
        (
            "TOKENRY_SERVER__TRUSTED_PROXIES",
            "[]\nother = []",
            "[server] trusted_proxies: must be a list of strings, such as [\"a\", \"b\"] \
             (TOKENRY_SERVER__TRUSTED_PROXIES)",
        ),
        (
            "TOKENRY_LOG",
            "tokenry=loud",
            "[log] filter: must be a level (error, warn, info, debug, trace) or directives such as info,tokenry=debug \
             (TOKENRY_LOG)",
        ),
    ] {
        assert_eq!(refused("", &[(name, value)]), [line], "{name}={value}");
    }
}

#[test]
fn whitespace_at_the_ends_of_a_value_is_an_error_in_every_source() {
    let blank = "must not begin or end with whitespace or a line break";
    for end in [" ", "\n", "\r", "\r\n", "\t"] {
        for (name, key, value) in [
            ("DATABASE_URL", "database_url", "sqlite://tokenry.db"),
            ("TOKENRY_LISTEN", "listen", "127.0.0.1:8080"),
            ("TOKENRY_TOKEN__PEPPER_FILES", "[token] pepper_files", "a, b"),
            ("TOKENRY_TOKEN__BCRYPT_COST", "[token] bcrypt_cost", "6"),
            ("TOKENRY_LOG", "[log] filter", "info"),
        ] {
            for text in [format!("{value}{end}"), format!("{end}{value}")] {
                assert_eq!(refused("", &[(name, &text)]), [format!("{key}: {blank} ({name})")], "{text:?}");
            }
        }
        assert_eq!(
            refused("", &[("TOKENRY_CONFIG", &format!("x{end}"))]),
            [format!("TOKENRY_CONFIG: {blank}")]
        );
        let flags = Flags { database_url: Some(format!("sqlite://x{end}")), ..Flags::default() };
        let line = format!("database_url: {blank} (--database-url)");
        assert_eq!(load("", &[], flags).err().unwrap(), [line]);
        let flags = Flags { config: Some(format!("x{end}").into()), ..Flags::default() };
        assert_eq!(load("", &[], flags).err().unwrap()[0], format!("--config: {blank}"));
    }
    for (file, line) in [
        ("database_url = \"sqlite://x \"", "database_url: {} (tokenry.toml:1)"),
        (
            "[server]\ntrusted_proxies = [\"10.0.0.1\", \"10.0.0.2\\n\"]",
            "[server] trusted_proxies: {} (tokenry.toml:2)",
        ),
        ("[catalog]\nlevels = [\"read \"]", "[catalog] levels: {} (tokenry.toml:2)"),
        ("[[catalog.resources]]\nname = \"a\\r\"", "[[catalog.resources]] name: {} (tokenry.toml:2)"),
    ] {
        assert!(refused(file, &[]).contains(&line.replace("{}", blank)), "{file}: {:?}", refused(file, &[]));
    }
}

#[test]
fn a_fault_of_a_flag_is_reported_with_its_name() {
    let flags = Flags { listen: Some(":8080".to_owned()), ..Flags::default() };
    let line = "listen: must be an address and a port, such as 127.0.0.1:8080 or 0.0.0.0:8080 (--listen)";
    assert_eq!(load("", &[], flags).err().unwrap(), [line]);
}

#[test]
fn all_faults_are_reported_at_once() {
    let lines = refused(
        "listen = 1\nx = 2\n[token]\nhash = \"md5\"\npepper = \"k1\"\n[log]\nformat = \"xml\"",
        &[("TOKENRY_X", "1"), ("TOKENRY_LIFETIME__DEFAULT_DAYS", "0")],
    );
    assert_eq!(lines.len(), 7, "{lines:#?}");
}

#[test]
fn no_message_quotes_a_value() {
    let file = "listen = \"hunter2\"\ndatabase_url = \"mysql://me:hunter2@db/x\"\n[token]\npepper = \"k:hunter2\"\n\
                prefix = \"hunter2\"\nhash = \"hunter2\"\n[log]\nfilter = \"a=hunter2\"\n[server]\nmax_staleness = \"hunter2\"";
    let lines = refused(
        file,
        &[("TOKENRY_TOKEN__BCRYPT_COST", "hunter2"), ("DATABASE_URL", "postgres://u:hunter2@x y/")],
    );
    assert!(lines.len() >= 8 && !lines.concat().contains("hunter2"), "{lines:#?}");
    for broken in
        ["database_url = \"postgres://me:hunter2@db/x", "database_url = hunter2", "pepper = k1:hunter2"]
    {
        let lines = refused(broken, &[]);
        assert!(!lines.concat().contains("hunter2"), "{lines:?}");
    }
}
