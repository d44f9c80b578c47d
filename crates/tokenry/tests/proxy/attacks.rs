//! Attempts of clients to forge identity, address or path behind a proxy.

use crate::{
    claims::CLAIMS,
    client,
    gateway::Kind,
    setup::{Backend, Setup, each_proxy},
};

const IDENTITY: [&str; 5] =
    ["X-Resource-User", "X-Resource-Subject", "X-Resource-Role", "X-Resource-Scopes", "X-Resource-Token-Id"];

/// Characters of header names other than letters, digits, `-` and `_`.
const UNUSUAL: &str = ".~!#$%&'+^`|*";

/// All spellings of this name with `-` and `_`, and some with other permitted characters.
fn spellings(name: &str) -> Vec<String> {
    let mut spellings = vec![String::new()];
    for part in name.split_inclusive('-') {
        let word = part.trim_end_matches('-');
        let ends: &[&str] = if word.len() < part.len() { &["-", "_"] } else { &[""] };
        spellings = spellings
            .iter()
            .flat_map(|before| ends.iter().map(move |end| format!("{before}{word}{end}")))
            .collect();
    }
    let lower: Vec<_> = spellings.iter().map(|name| name.to_lowercase()).collect();
    spellings.extend(lower);
    for character in UNUSUAL.chars() {
        spellings.push(name.replace('-', &character.to_string()));
        spellings.push(name.replacen('-', &character.to_string(), 1));
    }
    spellings
}

/// Asserts that the application gets each of these headers once, from Tokenry, however a client spells its own.
#[track_caller]
pub(crate) fn assert_forged_are_removed(setup: &Setup, names: [&str; 5]) {
    for name in names {
        let spellings = spellings(name);
        let forged: Vec<_> = spellings.iter().map(|name| (name.as_str(), "forged")).collect();
        let received = setup.reached(&setup.ask("GET /demo", &setup.token, &forged));
        assert_eq!(received.values(&name.to_lowercase()).len(), 1, "{received:?}");
        assert!(!format!("{received:?}").contains("forged"), "{received:?}");
    }
}

/// Asserts that these headers reach the application although a client names them in `Connection`.
#[track_caller]
pub(crate) fn assert_named_in_connection_arrive(setup: &Setup, names: [&str; 5]) {
    for name in names {
        for connection in [format!("close, {name}"), format!("close, {}", name.to_lowercase())] {
            let headers = [("Connection", connection.as_str()), (name, "forged")];
            let received = setup.reached(&setup.ask("GET /demo", &setup.token, &headers));
            let values = received.values(&name.to_lowercase());
            assert!(values.len() == 1 && !["", "forged"].contains(&values[0]), "{name}: {received:?}");
        }
        let upgrade = format!("close, Upgrade, {name}");
        let headers = [("Connection", upgrade.as_str()), ("Upgrade", "websocket")];
        let answer = setup.ask("GET /demo", &setup.token, &headers);
        if setup.gateway.kind == Kind::Envoy {
            setup.stopped(&answer, &[403]);
            continue;
        }
        let received = setup.reached(&answer);
        assert_eq!(received.values(&name.to_lowercase()).len(), 1, "{name}: {received:?}");
    }
}

each_proxy!(identity_headers_of_the_client_are_removed_in_any_spelling, |setup| {
    assert_forged_are_removed(&setup, IDENTITY);
});

each_proxy!(an_identity_header_named_in_connection_still_arrives, |setup| {
    assert_named_in_connection_arrive(&setup, IDENTITY);
    let hidden =
        setup.ask("GET /admin", &setup.token, &[("Connection", "close, X-Forwarded-Uri, X-Original-URI")]);
    setup.stopped(&hidden, &[403]);
    let hidden = setup.ask("POST /demo", &setup.token, &[("Connection", "close, X-Forwarded-Method")]);
    setup.stopped(&hidden, &[403]);
});

each_proxy!(forwarded_headers_of_the_client_are_ignored, |setup| {
    for (method, target) in [
        ("X-Original-Method", "X-Original-URI"),
        ("X-Forwarded-Method", "X-Forwarded-Uri"),
        ("x_original_method", "x_original_uri"),
        ("X_Forwarded_Method", "X_Forwarded_Uri"),
        ("X-HTTP-Method-Override", "X-Original-URL"),
    ] {
        let headers = [(method, "GET"), (target, "/demo")];
        setup.stopped(&setup.ask("POST /demo", &setup.token, &headers), &[403]);
        setup.stopped(&setup.ask("GET /admin", &setup.token, &headers), &[403]);
        setup.stopped(&setup.ask("GET /admin?scope=demo:read", &setup.token, &headers), &[403]);
        let headers = [(method, "DELETE"), (target, "/admin")];
        let received = setup.reached(&setup.ask("GET /demo", &setup.token, &headers));
        assert!(!format!("{received:?}").contains("DELETE"), "{received:?}");
        assert!(!format!("{received:?}").contains("/admin"), "{received:?}");
    }
});

each_proxy!(no_forged_header_reaches_the_application_in_any_spelling, |setup| {
    let rewritten = ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"];
    for name in CLAIMS.into_iter().chain(rewritten) {
        for name in spellings(name) {
            let answer = setup.ask("GET /demo", &setup.token, &[(&name, "forged")]);
            let received = setup.reached(&answer);
            assert!(!format!("{received:?}").contains("forged"), "{name}: {received:?}");
        }
    }
});

each_proxy!(no_part_of_a_request_hides_an_identity_header, |setup| {
    let writer = setup.token("writer", "--scope demo:write");
    let chunks = b"3\r\nabc\r\n0\r\nX-Resource-User: forged\r\nX-Resource-Role: forged\r\n\r\n";
    let length_of_more = b"0\r\n\r\nGET /admin HTTP/1.1\r\nX-Resource-User: forged\r\n\r\n";
    for (headers, body) in [
        (
            &[("Transfer-Encoding", "chunked"), ("Trailer", "X-Resource-User, X-Resource-Role")][..],
            &chunks[..],
        ),
        (&[("Transfer-Encoding", "chunked")], &chunks[..]),
        (&[("Transfer-Encoding", "chunked"), ("Content-Length", "48")], &length_of_more[..]),
        (&[("Transfer-Encoding", "identity"), ("Transfer-Encoding", "chunked")], &length_of_more[..]),
        (&[("Content-Length", "0"), ("Content-Length", "48")], &length_of_more[..]),
        (&[("X-Resource-User ", "forged")], &[]),
        (&[("X-Resource-User", "forged\r\n forged")], &[]),
        (&[("X-Other", "a\n X-Resource-User: forged")], &[]),
        (&[("X-Other", "a\r\tX-Resource-User: forged")], &[]),
    ] {
        let credential = format!("Bearer {writer}");
        let all = [&[("Authorization", credential.as_str())], headers].concat();
        let answer = client::send(&setup.gateway.address, "POST /demo", &all, body);
        if answer.status == 200 {
            let received = setup.reached(&answer);
            let users = received.values("x-resource-user");
            assert!(users.len() == 1 && users[0].len() == 36, "{headers:?} {received:?}");
            assert_eq!(received.values("x-resource-role"), ["user"], "{headers:?} {received:?}");
        } else {
            setup.stopped(&answer, &[400, 501]);
        }
    }
});

#[test]
fn envoy_removes_its_own_headers_from_a_request_of_a_client() {
    let Some(setup) = Setup::new(Kind::Envoy) else { return };
    let names =
        ["x-envoy-original-path", "X-Envoy-Internal", "x-envoy-retry-on", "x-envoy-decorator-operation"];
    let forged = names.map(|name| (name, "forged"));
    let received = setup.reached(&setup.ask("GET /demo", &setup.token, &forged));
    assert!(!format!("{received:?}").contains("forged"), "{received:?}");
}

each_proxy!(an_upgrade_to_h2c_is_not_forwarded, |setup| {
    for connection in ["Upgrade, HTTP2-Settings", "upgrade", "HTTP2-Settings"] {
        for offers in
            [&["h2c"][..], &["H2C"], &["h2c", "websocket"], &["websocket", "h2c"], &["websocket, h2c"]]
        {
            let connection = format!("close, {connection}");
            let mut headers = vec![("Connection", connection.as_str()), ("HTTP2-Settings", "AAMAAABk")];
            headers.extend(offers.iter().map(|&offer| ("Upgrade", offer)));
            let answer = setup.ask("GET /demo", &setup.token, &headers);
            // Traefik matches no route, and Envoy permits no upgrade; nginx and Caddy ask for none.
            if let (Kind::Traefik, 404) | (Kind::Envoy, 403) = (setup.gateway.kind, answer.status) {
                setup.stopped(&answer, &[404, 403]);
                continue;
            }
            let received = setup.reached(&answer);
            let upgrades = received.values("upgrade");
            assert!(upgrades.iter().all(|&value| value == "websocket"), "{offers:?}: {received:?}");
            assert!(upgrades.is_empty() || offers.contains(&"websocket"), "{offers:?}: {received:?}");
            assert!(received.values("http2-settings").is_empty(), "{offers:?}: {received:?}");
        }
    }
});

each_proxy!(a_forged_address_does_not_satisfy_allowed_ips, |setup| {
    let here = setup.token("here", "--scope demo:read --allow-ip 127.0.0.1");
    let elsewhere = setup.token("elsewhere", "--scope demo:read --allow-ip 203.0.113.7");
    setup.reached(&setup.ask("GET /demo", &here, &[("X-Forwarded-For", "203.0.113.7")]));
    for name in ["X-Forwarded-For", "X_Forwarded_For", "X-Real-IP", "Forwarded", "True-Client-IP"] {
        for value in ["203.0.113.7", "203.0.113.7, 127.0.0.1", "for=203.0.113.7"] {
            setup.stopped(&setup.ask("GET /demo", &elsewhere, &[(name, value)]), &[403]);
        }
    }
});

each_proxy!(an_ambiguous_path_is_rejected, |setup| {
    let all = setup.token("all", "--scope *");
    for path in [
        "/public/../admin",
        "/public/%2e%2e/admin",
        "/public/..%2fadmin",
        "/public/%252e%252e/admin",
        "//admin",
        "/public//admin",
        "/admin%2f",
        "/admin;x",
        "/public/..;/admin",
        "/public/%5c..%5cadmin",
        "/ADMIN",
        "/Admin",
    ] {
        for (token, reads_secrets) in [(&setup.token, false), (&all, true)] {
            let answer = setup.ask(&format!("GET {path}"), token, &[]);
            // Traefik and Envoy may correct the path first: then Tokenry decides about what the application receives.
            if matches!(setup.gateway.kind, Kind::Traefik | Kind::Envoy) && answer.status == 200 {
                let line = setup.reached(&answer).line;
                let is_secret = line == "GET /admin HTTP/1.1";
                assert!(is_secret && reads_secrets || line == "GET /public/admin HTTP/1.1", "{path}: {line}");
                continue;
            }
            setup.stopped(&answer, &[400, 403]);
        }
    }
    setup.stopped(&setup.ask("GET /%61dmin", &setup.token, &[]), &[403]);
    setup.stopped(&setup.ask("GET /admin/", &setup.token, &[]), &[403]);
    setup.stopped(&setup.ask("GET /hooks/", &all, &[]), &[403]);
    setup.stopped(&setup.ask("GET http://app.example.org/admin", &setup.token, &[]), &[403]);
    for line in ["GET /_tokenry", "GET /auth/nginx?scope=demo:read", "GET /@refused"] {
        assert!(setup.ask(line, &setup.token, &[]).status >= 400, "{line}");
    }
    assert!(setup.upstream.take().is_empty());
});

each_proxy!(an_overridden_or_unknown_method_is_rejected, |setup| {
    for line in ["POST /demo", "DELETE /demo", "PROPFIND /demo", "FOO /demo", "get /demo", "TRACE /demo"] {
        setup.stopped(&setup.ask(line, &setup.token, &[]), &[400, 403, 405, 501]);
    }
});

each_proxy!(a_duplicate_credential_is_rejected, |setup| {
    let good = format!("Bearer {}", setup.token);
    let all = format!("Bearer {}", setup.token("all", "--scope *"));
    for (first, second) in [(&good, &all), (&all, &good), (&good, &good), (&good, &"Basic x".to_owned())] {
        let headers = [("Authorization", first.as_str()), ("Authorization", second.as_str())];
        let answer = client::send(&setup.gateway.address, "GET /demo", &headers, b"");
        setup.stopped(&answer, &[400, 401, 403]);
    }
    let joined = format!("{good}, {all}");
    let answer = client::send(&setup.gateway.address, "GET /demo", &[("Authorization", &joined)], b"");
    setup.stopped(&answer, &[400, 401, 403]);
    let answer = client::send(&setup.gateway.address, "GET /demo", &[("Proxy-Authorization", &good)], b"");
    setup.stopped(&answer, &[401]);
});

#[test]
fn with_a_configured_scope_the_clients_query_is_ignored() {
    for (kind, change) in [
        (Kind::Nginx, ("/auth/nginx;", "/auth/nginx?scope=secrets:read;")),
        (Kind::Caddy, ("uri /auth/caddy?\n", "uri /auth/caddy?scope=secrets:read\n")),
        (Kind::Traefik, ("/auth/traefik\n", "/auth/traefik?scope=secrets:read\n")),
    ] {
        let Some(setup) = Setup::with(kind, Backend::new(), &[change]) else { continue };
        let secrets = setup.token("secrets", "--scope secrets:read");
        for target in ["/demo", "/demo?scope=demo:read", "/x?scope=demo:read&scope=", "/hooks/x?"] {
            setup.stopped(&setup.ask(&format!("GET {target}"), &setup.token, &[]), &[403]);
            setup.reached(&setup.ask(&format!("DELETE {target}"), &secrets, &[]));
        }
    }
}

#[test]
fn a_client_cannot_choose_a_scope_through_a_caddy_that_forwards_its_query() {
    let change = ("uri /auth/caddy?\n", "uri /auth/caddy\n");
    let Some(setup) = Setup::with(Kind::Caddy, Backend::new(), &[change]) else { return };
    for query in [
        "?scope=demo:read",
        "?scope=demo%3Aread",
        "?&scope=demo:read",
        "?scope=demo:read&",
        "??scope=demo:read",
    ] {
        setup.stopped(&setup.ask(&format!("GET /admin{query}"), &setup.token, &[]), &[400]);
    }
}
