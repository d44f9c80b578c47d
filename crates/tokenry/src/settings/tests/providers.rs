//! OpenID providers and their faults.

use tokenry_service::{ClientAuth, IssuerMapping, JwtAlgorithm, Role};

use super::*;

const SERVER: &str = "[server]\npublic_url = \"https://tokens.test\"\n";

/// The lines of a minimal provider.
const MINIMAL: [(&str, &str); 4] = [
    ("id", "\"corp\""),
    ("name", "\"Corp\""),
    ("issuer", "\"https://id.test\""),
    ("client_id", "\"tokenry\""),
];

/// The minimal provider with other values for these keys; an empty value omits the key.
fn provider(changes: &[(&str, &str)]) -> String {
    let changed = |key: &str| changes.iter().find(|(name, _)| *name == key).map(|(_, value)| *value);
    let kept = MINIMAL.iter().map(|(key, value)| (*key, changed(key).unwrap_or(value)));
    let added = changes.iter().filter(|(key, _)| !MINIMAL.iter().any(|(name, _)| name == key)).copied();
    let lines = kept.chain(added).filter(|(_, value)| !value.is_empty());
    lines.fold("[[providers]]\n".to_owned(), |file, (key, value)| format!("{file}{key} = {value}\n"))
}

#[test]
fn a_minimal_provider_has_four_lines_and_restrictive_defaults() {
    let oidc = good(&format!("{SERVER}{}", provider(&[])), &[]).service.oidc.unwrap();
    assert_eq!(oidc.public_url.origin(), "https://tokens.test");
    let [corp] = oidc.providers.as_slice() else { panic!("one provider") };
    assert_eq!(corp.mapping, IssuerMapping::new("https://id.test").with_subject_prefix("corp:".to_owned()));
    assert_eq!((corp.id.as_str(), corp.name.as_str(), corp.client_id.as_str()), ("corp", "Corp", "tokenry"));
    assert!(corp.client_secret.is_none() && corp.scopes.is_empty() && corp.signs_out);
    assert_eq!((corp.algorithm, corp.client_auth), (JwtAlgorithm::Rs256, ClientAuth::Basic));
    assert!(good(SERVER, &[]).service.oidc.is_none());
}

#[test]
fn every_key_of_a_provider_has_an_effect() {
    let all = [
        ("client_secret_file", "\"issuer-secret\""),
        ("client_auth", "\"client_secret_post\""),
        ("scopes", "[\"openid\", \"profile\", \"groups\"]"),
        ("algorithm", "\"ES256\""),
        ("leeway", "\"1m\""),
        ("sign_out", "false"),
        ("subject_prefix", "\"\""),
        ("name_claim", "\"name\""),
        ("role_claim", "\"groups\""),
        ("roles", "{ operators = \"admin\" }"),
        ("default_role", "\"user\""),
        ("create_users", "true"),
    ];
    let variables = [("TOKENRY_SERVER__PUBLIC_URL", "http://127.0.0.1:8080/tokens/")];
    let oidc = good(&provider(&all), &variables).service.oidc.unwrap();
    assert_eq!(oidc.public_url.join("x"), "http://127.0.0.1:8080/tokens/x");
    let corp = &oidc.providers[0];
    assert_eq!(corp.client_secret.as_ref().map(tokenry_service::ClientSecret::expose), Some(ISSUER_SECRET));
    assert_eq!((corp.algorithm, corp.client_auth), (JwtAlgorithm::Es256, ClientAuth::Post));
    assert_eq!((corp.scopes.join(" ").as_str(), corp.signs_out), ("profile groups", false));
    assert_eq!(corp.leeway, Duration::from_secs(60));
    let mapping = IssuerMapping::new("https://id.test")
        .with_name_claim("name".to_owned())
        .with_role_claim("groups".to_owned())
        .with_roles(vec![("operators".to_owned(), Role::admin())])
        .with_default_role(Role::user())
        .with_creates_users(true);
    assert_eq!(corp.mapping, mapping);
}

#[test]
fn every_fault_of_a_provider_is_reported_with_its_line() {
    let id = "must be a lower-case letter and then letters, digits and -, at most 32 in total";
    let url = "must be https, or http to a loopback address";
    for (changes, key, what, line) in [
        (&[("id", "")][..], " id", "is missing", 3),
        (&[("id", "\"Corp\"")], " id", id, 4),
        (&[("id", "\"a/b\"")], " id", id, 4),
        (&[("id", "\"..\"")], " id", id, 4),
        (&[("name", "\"\"")], " name", "must have 1 to 50 characters on one line", 5),
        (&[("issuer", "\"http://id.test\"")], " issuer", url, 6),
        (&[("issuer", "\"https://id.test?x\"")], " issuer", "must be a URL without query and fragment", 6),
        (&[("client_id", "\"\u{e9}\"")], " client_id", "must have 1 to 255 visible ASCII characters", 7),
        (
            &[("client_secret_file", "\"missing\"")],
            " client_secret_file",
            "missing cannot be read: No such file or directory (os error 2)",
            8,
        ),
        (
            &[("client_secret_file", "\"issuer-keys\""), ("client_secret", "\"x\"")],
            " client_secret",
            "is not a setting; the nearest is [[providers]] client_secret_file",
            9,
        ),
        (
            &[("client_auth", "\"none\"")],
            " client_auth",
            "must be client_secret_basic or client_secret_post",
            8,
        ),
        (
            &[("scopes", "[\"a b\"]")],
            " scopes",
            "must be visible ASCII without spaces, quotes and backslashes",
            8,
        ),
        (
            &[("algorithm", "\"HS256\"")],
            " algorithm",
            "must be an algorithm with public keys, such as RS256 or ES256",
            8,
        ),
        (&[("default_role", "\"boss\"")], " default_role", "must be a role of the catalog: user, admin", 8),
    ] {
        let line = format!("[[providers]]{key}: {what} (tokenry.toml:{line})");
        assert_eq!(refused(&format!("{SERVER}{}", provider(changes)), &[]), [line], "{changes:?}");
    }
    let needed = "[server] public_url: is required by [[providers]]: the URL at which browsers reach this server, such as \
                  https://tokens.example.com";
    let lines = refused(&provider(&[]), &[]);
    assert!(lines.len() == 1 && lines[0].starts_with(needed), "{lines:?}");
    for wrong in ["http://tokens.test", "tokens.test", "https://tokens.test/?x"] {
        let lines = refused(&format!("[server]\npublic_url = \"{wrong}\"\n"), &[]);
        assert!(
            lines.len() == 1 && lines[0].starts_with("[server] public_url: must be an URL such as"),
            "{lines:?}"
        );
    }
}

#[test]
fn no_two_sources_can_name_the_same_user_unless_they_are_one_issuer() {
    let overlap = "overlaps with that of another issuer or provider, so both could name the same user; use distinct \
                   prefixes such as \"a:\" and \"b:\"";
    let second = |issuer: &str, prefix: &str| {
        provider(&[("id", "\"two\""), ("issuer", issuer), ("subject_prefix", prefix)])
    };
    let (same, other) = ("\"https://id.test\"", "\"https://other.test\"");
    for (issuer, prefix, is_accepted) in [
        (same, "\"corp:\"", true),
        (same, "\"x:\"", true),
        (same, "\"corp:x\"", false),
        (other, "\"x:\"", true),
        (other, "\"corp:\"", false),
        (other, "\"\"", false),
        (other, "\"co\"", false),
    ] {
        let file = format!("{SERVER}{}{}", provider(&[]), second(issuer, prefix));
        if is_accepted {
            assert_eq!(good(&file, &[]).service.oidc.unwrap().providers.len(), 2);
        } else {
            let lines = refused(&file, &[]);
            assert_eq!(lines, [format!("[[providers]] subject_prefix: {overlap} (tokenry.toml:13)")]);
        }
    }
    // The JWTs of the same issuer are of the same users.
    let jwts = |issuer: &str, prefix: &str| {
        format!(
            "[[issuers]]\nissuer = {issuer}\naudiences = [\"a\"]\nalgorithm = \"EdDSA\"\njwks_file = \"issuer-keys\"\n\
             subject_prefix = {prefix}\n"
        )
    };
    good(&format!("{SERVER}{}{}", provider(&[]), jwts(same, "\"corp:\"")), &[]);
    for (issuer, prefix) in [(other, "\"corp:\""), (other, "\"\""), (same, "\"\"")] {
        let lines = refused(&format!("{SERVER}{}{}", provider(&[]), jwts(issuer, prefix)), &[]);
        assert_eq!(
            lines,
            [format!("[[providers]] subject_prefix: {overlap} (tokenry.toml:3)")],
            "{issuer} {prefix}"
        );
    }
    let twice = refused(&format!("{SERVER}{}", provider(&[]).repeat(2)), &[]);
    assert_eq!(twice, ["[[providers]] id: is used twice (tokenry.toml:9)"]);
}
