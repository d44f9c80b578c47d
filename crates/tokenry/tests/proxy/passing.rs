//! Ordinary requests through a proxy, accepted and rejected.

use std::net::TcpListener;

use crate::{
    client,
    gateway::Kind,
    setup::{Setup, each_proxy},
    upstream::Upstream,
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

each_proxy!(a_rejected_request_gets_the_documented_status, |setup| {
    let token = &setup.token;
    let anonymous = client::send(&setup.gateway.address, "GET /demo", &[], b"");
    setup.stopped(&anonymous, &[401]);
    assert!(
        anonymous.text.to_lowercase().contains("www-authenticate: bearer realm=\"tokenry\""),
        "{}",
        anonymous.text
    );
    setup.stopped(&setup.ask("GET /demo", "pat_x", &[]), &[401]);
    setup.stopped(&setup.ask("POST /demo", token, &[]), &[403]);
    setup.stopped(&setup.ask("GET /admin", token, &[]), &[403]);
    setup.stopped(&setup.ask("GET /hooks/github", token, &[]), &[403]);
    setup.stopped(&setup.ask("GET /", token, &[]), &[403]);
    setup.reached(&setup.ask("HEAD /demo/x", token, &[]));
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

each_proxy!(every_request_is_rejected_while_tokenry_is_down, |setup| {
    let crate::setup::Setup { gateway, upstream, backend, token } = setup;
    drop(backend);
    for line in ["GET /demo", "GET /", "OPTIONS /demo", "POST /hooks/x"] {
        let credential = format!("Bearer {token}");
        let answer = client::send(&gateway.address, line, &[("Authorization", &credential)], b"");
        assert!((500..=599).contains(&answer.status), "{}", answer.text);
    }
    assert!(upstream.take().is_empty());
});

#[test]
fn a_websocket_still_passes_caddy() {
    let Some(setup) = Setup::new(Kind::Caddy) else { return };
    let headers =
        [("Connection", "close, Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")];
    let received = setup.reached(&setup.ask("GET /demo", &setup.token, &headers));
    assert_eq!(received.values("upgrade"), ["websocket"]);
    assert_eq!(received.values("connection"), ["Upgrade"]);
    setup.stopped(&setup.ask("GET /admin", &setup.token, &headers), &[403]);
}

#[test]
fn every_request_is_rejected_soon_while_tokenry_hangs() {
    for kind in [Kind::Nginx, Kind::Caddy] {
        // The system accepts connections, but no process answers.
        let tokenry = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = tokenry.local_addr().expect("an address").to_string();
        let upstream = Upstream::start();
        let Some(gateway) = kind.start(&address, &upstream.address, &[]) else { continue };
        let answer = client::send(&gateway.address, "GET /demo", &[("Authorization", "Bearer pat_x")], b"");
        assert!((500..=599).contains(&answer.status), "{kind:?}: {}", answer.text);
        assert!(upstream.take().is_empty());
    }
}
