//! Which addresses are accepted.

mod connect;

use super::*;

fn rejection(text: &str) -> UrlError {
    text.parse::<DatabaseUrl>().err().unwrap_or_else(|| panic!("{text} was accepted"))
}

fn accepted(text: &str) -> DatabaseUrl {
    text.parse().unwrap_or_else(|error| panic!("{text} {error}"))
}

#[test]
fn only_files_and_servers_are_accepted() {
    for text in ["", "tokenry.db", "mysql://x/y", "SQLITE://x", "http://x"] {
        assert_eq!(rejection(text), UrlError::Scheme, "{text}");
    }
    for text in
        ["sqlite://", "sqlite://:memory:", "sqlite://x.db?mode=ro", "sqlite://folder/", "sqlite://a\tb"]
    {
        assert_eq!(rejection(text), UrlError::File, "{text}");
    }
    for text in [
        "postgres://a b/c",
        "postgres://me:hun/ter2@db/x",
        "postgres://me:hun?ter2@db/x",
        "postgres://me:x#y@db/t",
        "postgres://me:x@y@localhost/t",
        "postgres://me:x%zz@localhost/t",
        "postgres://me:x%00@localhost/t",
        // No host: neither libpq's default socket folder nor `PGHOST` is used.
        "postgres:///t",
        "postgres://me@/t",
        "postgres://",
        "postgres://:5432/t",
        "postgres://localhost,/t",
        "postgres://,localhost/t",
        "postgres://localhost:0/t",
        "postgres://localhost:99999/t",
        "postgres://localhost%2C10.0.0.1/t",
        "postgres:///t?host=localhost,",
        "postgres:///t?host=localhost&port=1,2",
        "postgres:///t?port=1",
        "postgres://%40abstract/t",
    ] {
        assert_eq!(rejection(text), UrlError::Host, "{text}");
    }
}

#[test]
fn duplicate_settings_and_other_server_parameters_are_rejected() {
    for text in [
        "postgres://localhost/t?sslmode=disable&sslmode=verify-full",
        "postgres://10.0.0.1/t?sslmode=verify-full&ssl%6Dode=disable",
        "postgres://localhost/t?host=10.0.0.1",
        "postgres://localhost/t?host=localhost",
        "postgres://localhost/t?%68ost=10.0.0.1",
        "postgres://localhost/t?port=5433",
        "postgres://me@localhost/t?user=you",
        "postgres://me:x@localhost/t?password=y",
        "postgres://localhost/t?dbname=u",
    ] {
        assert!(matches!(rejection(text), UrlError::Twice(_)), "{text}");
    }
    for text in [
        "postgres://localhost/t?hostaddr=10.0.0.1",
        "postgres://localhost/t?service=other",
        "postgres://localhost/t?servicefile=/tmp/x",
        "postgres://localhost/t?sslmode",
        "postgres://localhost/t?sslmode=a=b",
        "postgres://localhost/t?&sslmode=disable",
        "postgres://localhost/t?SSLMODE=disable",
        "postgres://localhost/t?requiressl=1",
        "postgres://localhost/t?client_encoding=LATIN1",
    ] {
        assert_eq!(rejection(text), UrlError::Parameter, "{text}");
    }
    for attrs in ["any", "read-only", "standby", "prefer-standby", ""] {
        assert_eq!(
            rejection(&format!("postgres://localhost/t?target_session_attrs={attrs}")),
            UrlError::Standby
        );
    }
}

#[test]
fn whitespace_at_an_end_is_rejected() {
    for text in
        ["sqlite://tokenry.db", "postgres://localhost/t", "postgres://me:x@localhost/t?sslmode=disable"]
    {
        for end in ["\n", "\r", "\r\n", " ", "\t", "\u{a0}"] {
            assert_eq!(rejection(&format!("{text}{end}")), UrlError::Blank, "{text:?} {end:?}");
            assert_eq!(rejection(&format!("{end}{text}")), UrlError::Blank, "{text:?} {end:?}");
        }
    }
    // The URL parser silently removes these characters.
    for text in
        ["postgres://local\nhost/t", "postgres://localhost\r/t", "postgres://localhost/t?ssl\tmode=disable"]
    {
        assert_eq!(rejection(text), UrlError::Host, "{text:?}");
    }
}

#[test]
fn a_password_is_never_shown() {
    for (text, shown) in [
        ("postgres://me:hunter2@localhost/tokens?sslmode=disable", "postgres://me@localhost/tokens"),
        ("postgres://me:p%40:x@127.0.0.1:5433/tokens", "postgres://me@127.0.0.1:5433/tokens"),
        ("postgres://[::1]:5433,localhost/t", "postgres://[::1]:5433,localhost/t"),
        ("postgres:///t?host=/run/pg&password=hunter2", "postgres://%2Frun%2Fpg/t"),
    ] {
        assert_eq!(accepted(text).to_string(), shown);
    }
    for text in
        ["postgres://me:hunter2@db/x", "postgres://me:hunter2@", "postgres://me:hunter2@localhost/?x=hunter2"]
    {
        assert!(!rejection(text).to_string().contains("hunter2"), "{text}");
    }
}

#[test]
fn a_remote_server_without_encryption_needs_an_explicit_setting() {
    for text in [
        "postgres://db.example.com/t",
        "postgres://u:p@10.0.0.1:5432/t",
        "postgres:///t?host=10.0.0.1",
        "postgres:///t?host=/run/pg,10.0.0.1",
        "postgres://localhost,db/t",
        "postgres://db/t?sslmode=prefer",
        "postgres://localhost.example.com/t",
        // Forms of 127.0.0.1 that only some programs support.
        "postgres://127.1/t",
        "postgres://2130706433/t",
        "postgres://[::ffff:127.0.0.1]/t",
    ] {
        assert!(matches!(rejection(text), UrlError::Unencrypted { .. }), "{text}");
    }
    for text in [
        "postgres://db/t?sslmode=disable",
        "postgres://db%2Done,db_two:5433/t?sslmode=disable",
        "postgres:///t?host=/run/pg",
        "postgres://me@/t?host=/run/pg",
        "postgres://%2Frun%2Fpg/t",
        "postgres://[::1]:5432/t",
        "postgresql://localhost/t",
        "postgres://LOCALHOST:1,127.0.0.1:2,[::1]/t?target_session_attrs=primary",
    ] {
        accepted(text);
    }
}

#[test]
fn every_relevant_keyword_is_set_and_not_left_to_the_environment() {
    let Location::Postgres(server) = accepted("postgres://me:it's%5C@localhost/t?ssl%6Dode=prefer").0 else {
        panic!("not a server");
    };
    let conninfo = server.conninfo();
    assert!(conninfo.contains(r"password='it\'s\\' "), "{conninfo}");
    assert_eq!(conninfo.matches("sslmode='prefer' ").count(), 1, "{conninfo}");
    // All keywords of libpq 18 with an environment variable, except the client's identity.
    for name in [
        "channel_binding connect_timeout dbname host hostaddr port client_encoding options application_name",
        "sslmode sslnegotiation sslcompression sslcertmode sslrootcert sslcrl sslcrldir sslsni",
        "min_protocol_version max_protocol_version ssl_min_protocol_version",
        "ssl_max_protocol_version gssencmode krbsrvname gsslib gssdelegation target_session_attrs",
        "load_balance_hosts",
    ]
    .iter()
    .flat_map(|names| names.split(' '))
    {
        assert_eq!(format!(" {conninfo}").matches(&format!(" {name}='")).count(), 1, "{name}: {conninfo}");
    }
}
