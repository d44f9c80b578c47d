//! Ordinary requests through a proxy, accepted and rejected.

use std::process::Command;

use tokenry_testkit::programs;

use crate::{
    client,
    gateway::Kind,
    setup::{Setup, each_proxy},
};

each_proxy!(an_allowed_request_reaches_the_application_with_identity_and_without_token, |setup| {
    let received = setup.reached(&setup.ask("GET /demo/caf%C3%A9?x=1&scope=2", &setup.token, &[]));
    assert_eq!(received.line, "GET /demo/caf%C3%A9?x=1&scope=2 HTTP/1.1");
    let alice = setup.backend.folder.json("user show alice")["id"].as_str().expect("an id").to_owned();
    assert_eq!(received.values("x-resource-user"), [alice.as_str()]);
    assert_eq!(received.values("x-resource-subject"), ["alice"]);
    assert_eq!(received.values("x-resource-role"), ["user"]);
    assert_eq!(received.values("x-resource-scopes"), ["demo:read"]);
    assert_eq!(received.values("x-resource-token-id").len(), 1);
    assert!(received.values("authorization").is_empty());
    assert!(!format!("{received:?}").contains(&setup.token));
});

each_proxy!(a_revoked_token_is_rejected_at_the_next_request_through_a_proxy, |setup| {
    setup.reached(&setup.ask("GET /demo", &setup.token, &[]));
    let id = setup.backend.folder.json("token list --search reader")["data"][0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    setup.backend.folder.output(&format!("token revoke {id}"));
    setup.stopped(&setup.ask("GET /demo", &setup.token, &[]), &[401]);
});

each_proxy!(a_large_body_reaches_the_application_unchanged_and_not_tokenry, |setup| {
    let writer = setup.token("writer", "--scope demo:write");
    let body: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
    let credential = format!("Bearer {writer}");
    let headers = [("Authorization", credential.as_str()), ("Content-Type", "application/octet-stream")];
    let answer = client::send(&setup.gateway.address, "POST /demo/upload", &headers, &body);
    assert!(setup.reached(&answer).body == body);
});

#[test]
fn a_websocket_passes_caddy_and_traefik_only() {
    for kind in Kind::ALL {
        let Some(setup) = Setup::new(kind) else { continue };
        let headers =
            [("Connection", "close, Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")];
        setup.stopped(&setup.ask("GET /admin", &setup.token, &headers), &[403]);
        let answer = setup.ask("GET /demo", &setup.token, &headers);
        if kind == Kind::Envoy {
            setup.stopped(&answer, &[403]);
            continue;
        }
        let received = setup.reached(&answer);
        let passes = [Kind::Caddy, Kind::Traefik].contains(&kind);
        assert_eq!(received.values("upgrade"), if passes { &["websocket"][..] } else { &[] }, "{kind:?}");
        assert_eq!(received.values("connection").contains(&"Upgrade"), passes, "{kind:?} {received:?}");
    }
}

each_proxy!(a_long_identity_arrives_whole_and_a_large_header_harms_nobody, |setup| {
    let folder = &setup.backend.folder;
    let subject = "s".repeat(200);
    folder.output(&format!("user add {subject}"));
    let scopes: Vec<_> = (0..31).map(|number| format!("--scope {}{number}:write", "r".repeat(40))).collect();
    let line =
        format!("token create --user {subject} --name long --quiet --scope demo:read {}", scopes.join(" "));
    let long = folder.output(&line).trim().to_owned();
    let received = setup.reached(&setup.ask("GET /demo", &long, &[]));
    assert_eq!(received.values("x-resource-subject"), [subject.as_str()]);
    assert!(received.values("x-resource-scopes")[0].contains("demo:read"), "{received:?}");

    let large = "x".repeat(7000);
    let received = setup.reached(&setup.ask("GET /demo", &setup.token, &[("X-Large", &large)]));
    assert_eq!(received.values("x-large"), [large.as_str()]);
    let three = [("X-One", large.as_str()), ("X-Two", &large), ("X-Three", &large)];
    let answer = setup.ask("GET /demo", &setup.token, &three);
    if matches!(setup.gateway.kind, Kind::Nginx | Kind::Caddy) {
        // They send Tokenry the whole head.
        setup.stopped(&answer, &[431]);
        assert_eq!(answer.json()["code"], "headers_too_large");
    } else {
        assert_eq!(setup.reached(&answer).values("x-three"), [large.as_str()]);
    }
    let headers: Vec<_> = (0..200).map(|number| (format!("X-Large-{number}"), large.as_str())).collect();
    let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    // A proxy may close the connection while the client still sends.
    let answer = setup.ask("GET /demo", &setup.token, &headers);
    setup.stopped(&answer, &[0, 400, 431]);
    setup.reached(&setup.ask("GET /demo", &setup.token, &[]));
});

each_proxy!(http_1_0_gets_the_same_verdicts_or_none, |setup| {
    let forged = [("X-Resource-User", "forged"), ("X_Resource_User", "forged")];
    setup.stopped(&setup.ask("GET /admin HTTP/1.0", &setup.token, &forged), &[403, 426]);
    let answer = setup.ask("GET /demo HTTP/1.0", &setup.token, &forged);
    if setup.gateway.kind == Kind::Envoy {
        return setup.stopped(&answer, &[426]);
    }
    let received = setup.reached(&answer);
    assert_eq!(received.values("x-resource-user").len(), 1);
    assert!(!format!("{received:?}").contains("forged"), "{received:?}");
});

each_proxy!(http_2_without_tls_gets_the_same_verdicts_or_none, |setup| {
    // Only without the program, which is an error on a build server.
    let Some(curl) = programs::installed(&["curl"]) else { return };
    let ask = |path: &str| {
        let mut command = Command::new(&curl);
        command.args(["--silent", "--http2-prior-knowledge", "--output", "/dev/null", "--max-time", "20"]);
        command.args(["--write-out", "%{http_code}", "--header", "X-Resource-User: forged"]);
        command.args(["--header", "Host: app.example.org", "--header", "X_Resource_User: forged"]);
        command.arg("--header").arg(format!("Authorization: Bearer {}", setup.token));
        let output =
            command.arg(format!("http://{}{path}", setup.gateway.address)).output().expect("curl runs");
        String::from_utf8(output.stdout).expect("a status")
    };
    if matches!(setup.gateway.kind, Kind::Nginx | Kind::Caddy) {
        assert_ne!(ask("/demo"), "200");
        assert!(setup.upstream.take().is_empty());
        return;
    }
    assert_eq!((ask("/admin"), setup.upstream.take().len()), ("403".to_owned(), 0));
    assert_eq!(ask("/demo"), "200");
    let received = setup.upstream.take().remove(0);
    assert_eq!(received.values("x-resource-user").len(), 1);
    assert!(!format!("{received:?}").contains("forged"), "{received:?}");
});
