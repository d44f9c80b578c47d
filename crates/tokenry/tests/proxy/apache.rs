//! Apache as a resource server that introspects each token.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{
    claims::CLAIMS,
    client,
    gateway::Kind,
    setup::{Backend, Setup},
};

/// The headers that say who the caller is.
const IDENTITY: [&str; 7] = [
    "x-resource-user",
    "x-resource-subject",
    "x-resource-role",
    "x-resource-scopes",
    "x-resource-token-id",
    "x-resource-scope",
    "x-resource-token",
];

/// The recipe with a token that may introspect, and with other texts replaced.
fn start(kind: Kind, changes: &[(&str, &str)]) -> Option<Setup> {
    let backend = Backend::new();
    let line = "token create --user admin --name service --quiet --scope introspect";
    let secret = backend.folder.output(line).trim().to_owned();
    let changes: Vec<_> = [("pat_...", secret.as_str())].iter().chain(changes).copied().collect();
    Setup::with(kind, backend, &changes)
}

fn assert_admits_live_tokens_only(kind: Kind) {
    // Only if the module is not installed, which is an error on a build server.
    let Some(setup) = start(kind, &[]) else { return };
    let received = setup.reached(&setup.ask("GET /reports?x=1", &setup.token, &[]));
    assert_eq!(received.line, "GET /reports?x=1 HTTP/1.1");
    assert_eq!(received.values("x-resource-subject"), ["alice"]);
    assert_eq!(received.values("x-resource-scopes"), ["demo:read"]);
    assert!(!format!("{received:?}").contains(&setup.token), "{received:?}");
    assert!(!received.headers.iter().any(|(name, _)| name.contains("claim")), "{received:?}");

    let writer = setup.token("writer", "--scope demo:write");
    setup.reached(&setup.ask("POST /reports", &writer, &[]));
    setup.reached(&setup.ask("GET /reports", &writer, &[]));
    let poor = setup.token("poor", "--scope other:write");
    for (line, token) in [("POST /reports", &setup.token), ("GET /reports", &poor), ("POST /reports", &poor)]
    {
        setup.stopped(&setup.ask(line, token, &[]), &[if kind == Kind::AuthOpenidc { 403 } else { 401 }]);
    }
    // The modules send Tokenry no address, so no token that is bound to one is valid here.
    let here = setup.token("here", "--scope demo:read --allow-ip 127.0.0.0/8");
    for token in ["pat_x", "", &here] {
        let answer = setup.ask("GET /reports", token, &[]);
        setup.stopped(&answer, &[401]);
        assert!(answer.headers("www-authenticate")[0].starts_with("Bearer error="), "{}", answer.text);
    }
    let basic = format!("Basic {}", STANDARD.encode(format!("x:{}", setup.token)));
    let bearer = format!("Bearer {}", setup.token);
    for headers in [
        &[][..],
        &[("Authorization", basic.as_str())],
        &[("Authorization", bearer.as_str()), ("Authorization", "Bearer x")],
        &[("Cookie", &format!("access_token={}", setup.token))],
    ] {
        setup.stopped(&client::send(&setup.gateway.address, "GET /reports", headers, b""), &[401]);
    }
    let in_url = format!("GET /reports?access_token={}", setup.token);
    setup.stopped(&client::send(&setup.gateway.address, &in_url, &[], b""), &[401]);
}

fn assert_client_cannot_name_itself(kind: Kind) {
    // Only if the module is not installed, which is an error on a build server.
    let Some(setup) = start(kind, &[]) else { return };
    for name in [
        "X-Resource-Subject",
        "x-resource-scopes",
        "X-Resource-User",
        "X-Resource-Role",
        "X-Resource-Token-Id",
    ] {
        let received =
            setup.reached(&setup.ask("GET /reports", &setup.token, &[(name, "forged"), (name, "forged")]));
        assert!(!format!("{received:?}").contains("forged"), "{received:?}");
    }
    for name in [
        "X_Resource_Subject",
        "X-Resource_Subject",
        "X.Resource.Subject",
        "OIDC_CLAIM_sub",
        "OAUTH2_CLAIM_sub",
    ] {
        setup.stopped(&setup.ask("GET /reports", &setup.token, &[(name, "forged")]), &[403]);
    }
    // Apache looks at the value of the last such name only.
    let removed = IDENTITY.iter().chain(&CLAIMS).chain(&["x-forwarded-for", "x-forwarded-host"]);
    for name in removed.flat_map(|name| [name.to_string(), name.replace('-', "_"), name.replace('-', ".")]) {
        let forged = [(name.as_str(), "forged"), ("A_B", "")];
        let received = setup.reached(&setup.ask("GET /reports", &setup.token, &forged));
        assert!(!format!("{received:?}").contains("forged"), "{name} {received:?}");
    }
    let mixed = [("X-Resource_Token.Id", "forged"), ("X_Resource-Subject", "forged"), ("A_B", "")];
    let received = setup.reached(&setup.ask("GET /reports", &setup.token, &mixed));
    assert!(!format!("{received:?}").contains("forged"), "{received:?}");
    // The control: another name arrives.
    let other = [("X_Other", "forged"), ("A_B", "")];
    let received = setup.reached(&setup.ask("GET /reports", &setup.token, &other));
    assert!(format!("{received:?}").contains("forged"), "{received:?}");
    let received = setup.reached(&setup.ask(
        "GET /reports",
        &setup.token,
        &[("Connection", "close, X-Resource-Subject")],
    ));
    assert_eq!(received.values("x-resource-subject"), ["alice"]);
}

/// Asserts what the next request with a revoked token gets: 401, or 200 if a cache of the module keeps the verdict.
fn assert_revocation(kind: Kind, changes: &[(&str, &str)], status: u16) {
    // Only if the module is not installed, which is an error on a build server.
    let Some(setup) = start(kind, changes) else { return };
    for _ in 0..2 {
        setup.reached(&setup.ask("GET /reports", &setup.token, &[]));
    }
    let listed = setup.backend.folder.json("token list --search reader");
    setup
        .backend
        .folder
        .output(&format!("token revoke {}", listed["data"][0]["id"].as_str().expect("an id")));
    assert_eq!(setup.ask("GET /reports", &setup.token, &[]).status, status, "{changes:?}");
}

fn assert_fails_closed(kind: Kind) {
    // Only if the module is not installed, which is an error on a build server.
    let Some(setup) = start(kind, &[]) else { return };
    setup.reached(&setup.ask("GET /reports", &setup.token, &[]));
    let listed = setup.backend.folder.json("token list --search service");
    setup
        .backend
        .folder
        .output(&format!("token revoke {}", listed["data"][0]["id"].as_str().expect("an id")));
    setup.stopped(&setup.ask("GET /reports", &setup.token, &[]), &[401]);
    let Setup { gateway, upstream, backend, token } = setup;
    drop(backend);
    let credential = format!("Bearer {token}");
    let answer = client::send(&gateway.address, "GET /reports", &[("Authorization", &credential)], b"");
    assert_eq!(answer.status, 401, "{}", answer.text);
    assert!(upstream.take().is_empty());
    assert!(!gateway.log().contains(&token), "{}", gateway.log());
}

#[test]
fn mod_auth_openidc_admits_live_tokens_with_the_scope_only() {
    assert_admits_live_tokens_only(Kind::AuthOpenidc);
}

#[test]
fn mod_oauth2_admits_live_tokens_with_the_scope_only() {
    assert_admits_live_tokens_only(Kind::OAuth2);
}

#[test]
fn mod_auth_openidc_lets_no_client_name_itself() {
    assert_client_cannot_name_itself(Kind::AuthOpenidc);
}

#[test]
fn mod_oauth2_lets_no_client_name_itself() {
    assert_client_cannot_name_itself(Kind::OAuth2);
}

#[test]
fn mod_auth_openidc_rejects_a_revoked_token_at_once_without_its_cache_only() {
    assert_revocation(Kind::AuthOpenidc, &[], 401);
    // The control: 0 does not switch the cache off.
    assert_revocation(Kind::AuthOpenidc, &[("Interval -1", "Interval 0")], 200);
}

#[test]
fn mod_oauth2_rejects_a_revoked_token_at_once_without_its_caches_only() {
    assert_revocation(Kind::OAuth2, &[], 401);
    // The control: each of the two caches keeps the verdict.
    assert_revocation(Kind::OAuth2, &[("&expiry=0&introspect.expiry=0", "")], 200);
}

#[test]
fn mod_auth_openidc_admits_nobody_without_a_verdict() {
    assert_fails_closed(Kind::AuthOpenidc);
}

#[test]
fn mod_oauth2_admits_nobody_without_a_verdict() {
    assert_fails_closed(Kind::OAuth2);
}
