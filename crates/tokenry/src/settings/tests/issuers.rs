//! Issuers of JWTs and their faults.

use tokenry_service::{IssuerMapping, Role};

use super::*;

/// The lines of a minimal issuer.
const MINIMAL: [(&str, &str); 4] = [
    ("issuer", "\"i\""),
    ("audiences", "[\"a\"]"),
    ("algorithm", "\"HS256\""),
    ("secret_file", "\"issuer-secret\""),
];

/// The minimal issuer with other values for these keys; an empty value omits the key.
fn issuer(changes: &[(&str, &str)]) -> String {
    let changed = |key: &str| changes.iter().find(|(name, _)| *name == key).map(|(_, value)| *value);
    let kept = MINIMAL.iter().map(|(key, value)| (*key, changed(key).unwrap_or(value)));
    let added = changes.iter().filter(|(key, _)| !MINIMAL.iter().any(|(name, _)| name == key)).copied();
    let lines = kept.chain(added).filter(|(_, value)| !value.is_empty());
    lines.fold("[[issuers]]\n".to_owned(), |file, (key, value)| format!("{file}{key} = {value}\n"))
}

#[test]
fn a_minimal_issuer_has_four_lines_and_restrictive_defaults() {
    let settings = good(&issuer(&[]), &[]);
    let sign_in = settings.service.sign_in.unwrap();
    assert!(!sign_in.verifier.is_empty());
    let mapping = IssuerMapping::new("i");
    assert_eq!(sign_in.issuers, [mapping]);
    assert!(settings.key_sources.is_empty());
}

#[test]
fn keys_come_from_a_file_or_a_url() {
    let keys = [("algorithm", "\"EdDSA\""), ("secret_file", ""), ("jwks_file", "\"issuer-keys\"")];
    assert!(good(&issuer(&keys), &[]).service.sign_in.is_some());
    let url = [
        ("algorithm", "\"EdDSA\""),
        ("secret_file", ""),
        ("jwks_url", "\"http://127.0.0.1/keys\""),
        ("refresh", "\"5m\""),
    ];
    let sources = good(&issuer(&url), &[]).key_sources;
    assert_eq!(sources.iter().map(|source| source.refresh).collect::<Vec<_>>(), [Duration::from_secs(300)]);
}

#[test]
fn every_fault_of_an_issuer_is_reported_with_its_line() {
    const ALGORITHMS: &str =
        "must be HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 or EdDSA";
    let public = ("algorithm", "\"EdDSA\"");
    let none = ("secret_file", "");
    for (changes, line) in [
        (&[("issuer", "")][..], "[[issuers]] issuer: is missing (tokenry.toml:1)".to_owned()),
        (&[("issuer", "1")], "[[issuers]] issuer: must be a quoted string (tokenry.toml:2)".to_owned()),
        (&[("issuer", "\"\"")], "[[issuers]] issuer: must not be empty (tokenry.toml:2)".to_owned()),
        (
            &[("audiences", "")],
            "[[issuers]] audiences: must contain at least one entry and no empty ones (tokenry.toml:1)".to_owned(),
        ),
        (
            &[("audiences", "[\"\"]")],
            "[[issuers]] audiences: must contain at least one entry and no empty ones (tokenry.toml:3)".to_owned(),
        ),
        (&[("algorithm", "")], "[[issuers]] algorithm: is missing (tokenry.toml:1)".to_owned()),
        (&[("algorithm", "\"none\"")], format!("[[issuers]] algorithm: {ALGORITHMS} (tokenry.toml:4)")),
        (
            &[none],
            "[[issuers]]: requires one of secret_file, jwks_file and jwks_url (tokenry.toml:1)".to_owned(),
        ),
        (
            &[("jwks_url", "\"https://x.test/\"")],
            "[[issuers]] jwks_url: is set together with secret_file; keep one of them (tokenry.toml:6)".to_owned(),
        ),
        (
            &[("jwks_file", "\"issuer-keys\"")],
            "[[issuers]] jwks_file: is set together with secret_file; keep one of them (tokenry.toml:6)".to_owned(),
        ),
        (
            &[("secret_file", "\"missing\"")],
            "[[issuers]] secret_file: missing cannot be read: No such file or directory (os error 2) (tokenry.toml:5)"
                .to_owned(),
        ),
        (
            &[("secret_file", "\"short-secret\"")],
            "[[issuers]] secret_file: must contain at least 32 bytes (tokenry.toml:5)".to_owned(),
        ),
        (
            &[("secret_file", "\"long-secret\"")],
            "[[issuers]] secret_file: long-secret must have at most 4096 bytes (tokenry.toml:5)".to_owned(),
        ),
        (
            &[public],
            "[[issuers]] secret_file: is for HS256, HS384 and HS512; other algorithms use public keys from a \
             jwks_file or a jwks_url (tokenry.toml:5)"
                .to_owned(),
        ),
        (
            &[none, ("jwks_url", "\"https://x.test/\"")],
            "[[issuers]] jwks_url: is for public keys; a shared secret belongs in a secret_file (tokenry.toml:5)"
                .to_owned(),
        ),
        (
            &[public, none, ("jwks_url", "\"http://x.test/\"")],
            "[[issuers]] jwks_url: must be https, or http to a loopback address (tokenry.toml:5)".to_owned(),
        ),
        (
            &[public, none, ("jwks_file", "\"issuer-secret\"")],
            "[[issuers]] jwks_file: cannot be used: the key set is not a JWK Set (tokenry.toml:5)".to_owned(),
        ),
        (
            &[("algorithm", "\"ES256\""), none, ("jwks_file", "\"issuer-keys\"")],
            "[[issuers]] jwks_file: cannot be used: the key set has no key that fits the algorithm (tokenry.toml:5)"
                .to_owned(),
        ),
        (
            &[("refresh", "\"1h\"")],
            "[[issuers]] refresh: applies only to keys from a jwks_url (tokenry.toml:6)".to_owned(),
        ),
        (&[("types", "[]")], "[[issuers]] types: must contain at least one entry (tokenry.toml:6)".to_owned()),
        (
            &[("leeway", "\"301s\"")],
            "[[issuers]] leeway: must be a duration from 0s to 5m, such as 500ms or 2s (tokenry.toml:6)".to_owned(),
        ),
        (
            &[("max_age", "\"0s\"")],
            "[[issuers]] max_age: must be a duration from 1s to 1year, such as 500ms or 2s (tokenry.toml:6)"
                .to_owned(),
        ),
        (&[("name_claim", "\"\"")], "[[issuers]] name_claim: must not be empty (tokenry.toml:6)".to_owned()),
        (
            &[("default_role", "\"boss\"")],
            "[[issuers]] default_role: must be a role of the catalog: user, admin (tokenry.toml:6)".to_owned(),
        ),
        (
            &[("role_claim", "\"r\""), ("roles", "{ x = \"boss\" }")],
            "[[issuers]] roles: must be a role of the catalog: user, admin (tokenry.toml:7)".to_owned(),
        ),
        (
            &[("role_claim", "\"r\""), ("roles", "[\"user\"]")],
            "[[issuers]] roles: must be a table of strings, such as { \"a\" = \"b\" } (tokenry.toml:7)".to_owned(),
        ),
        (
            &[("roles", "{ x = \"user\" }")],
            "[[issuers]] roles: requires role_claim, which names the claim with the values (tokenry.toml:6)".to_owned(),
        ),
        (
            &[("create_users", "\"yes\"")],
            "[[issuers]] create_users: must be true or false (tokenry.toml:6)".to_owned(),
        ),
        (
            &[("audience", "[\"a\"]")],
            "[[issuers]] audience: is not a setting; the nearest is [[issuers]] audiences (tokenry.toml:6)".to_owned(),
        ),
    ] {
        assert_eq!(refused(&issuer(changes), &[]), [line], "{changes:?}");
    }
}

#[test]
fn the_faults_of_all_issuers_are_reported_at_once() {
    let short = ("secret_file", "\"short-secret\"");
    let file = [
        issuer(&[short, ("subject_prefix", "\"a:\"")]),
        issuer(&[short, ("issuer", "\"j\""), ("subject_prefix", "\"b:\"")]),
    ];
    let lines = refused(&file.concat(), &[]);
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(lines[0].ends_with("(tokenry.toml:5)") && lines[1].ends_with("(tokenry.toml:11)"), "{lines:#?}");
}

#[test]
fn two_issuers_cannot_name_the_same_user() {
    let two = |first: &str, second: &str| {
        let quoted = [first, second].map(|prefix| format!("\"{prefix}\""));
        let other = [("issuer", "\"j\""), ("subject_prefix", quoted[1].as_str())];
        issuer(&[("subject_prefix", &quoted[0])]) + &issuer(&other)
    };
    let both = "overlaps with that of an earlier issuer, so both could name the same user; use distinct prefixes such as \
    \"a:\" and \"b:\"";
    let message = format!("[[issuers]] subject_prefix: {both} (tokenry.toml:12)");
    for (first, second) in [("a:", "a:"), ("", "b:"), ("b:", ""), ("a", "ab"), ("ab", "a")] {
        assert_eq!(refused(&two(first, second), &[]), [message.as_str()], "{first} {second}");
    }
    assert_eq!(good(&two("a:", "b:"), &[]).service.sign_in.unwrap().issuers.len(), 2);
    let twice = refused(&issuer(&[]).repeat(2), &[]);
    let expected = [
        "[[issuers]] issuer: is configured twice (tokenry.toml:7)".to_owned(),
        format!("[[issuers]] subject_prefix: {both} (tokenry.toml:6)"),
    ];
    assert_eq!(twice, expected);
}

#[test]
fn the_roles_of_an_issuer_are_those_of_the_catalog() {
    let roles = "[[catalog.roles]]\nname = \"reader\"\n[[catalog.roles]]\nname = \"boss\"\n";
    let mapped =
        [("role_claim", "\"r\""), ("roles", "{ \"Big Boss\" = \"boss\" }"), ("default_role", "\"reader\"")];
    let settings = good(&format!("{roles}{}", issuer(&mapped)), &[]);
    let mapping = &settings.service.sign_in.unwrap().issuers[0];
    assert_eq!(mapping.roles, [("Big Boss".to_owned(), "boss".parse::<Role>().unwrap())]);
    let lines = refused(&format!("{roles}{}", issuer(&[("default_role", "\"admin\"")])), &[]);
    assert_eq!(
        lines,
        ["[[issuers]] default_role: must be a role of the catalog: reader, boss (tokenry.toml:10)"]
    );
}

#[test]
fn one_trailing_newline_is_not_part_of_the_secret() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("tokenry.toml"), issuer(&[])).unwrap();
    let is_good = |secret: &str| {
        fs::write(directory.path().join("issuer-secret"), secret).unwrap();
        Settings::load(Flags::default(), &Environment::of(&[]), directory.path()).is_ok()
    };
    for (end, of_31) in [("", false), ("\n", false), ("\r\n", false), ("\n\n", true), (" ", true)] {
        assert!(is_good(&format!("{ISSUER_SECRET}{end}")), "{end:?}");
        assert_eq!(is_good(&format!("{}{end}", &ISSUER_SECRET[1..])), of_31, "{end:?}");
    }
}

#[test]
fn no_message_quotes_a_secret() {
    for changes in [
        &[("algorithm", "\"EdDSA\"")][..],
        &[("secret_file", ""), ("jwks_file", "\"issuer-secret\"")],
        &[("secret_file", "\"short-secret\"")],
        &[("leeway", "1")],
    ] {
        let lines = refused(&issuer(changes), &[]).concat();
        assert!(!lines.contains(&ISSUER_SECRET[1..9]), "{lines}");
    }
}
