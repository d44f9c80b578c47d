//! What a client gets when a proxy does not pass its request on.

use std::{
    fs,
    net::TcpListener,
    process::Stdio,
    time::{Duration, Instant},
};

use tokenry_testkit::{Relay, TestDatabase};

use crate::{
    client::{self, Answer},
    gateway::Kind,
    process,
    setup::{Backend, SETTINGS, Setup, each_proxy},
    upstream::Upstream,
};

const REALM: &str = r#"Bearer realm="tokenry""#;

/// Asserts the response of the contract: status, code, challenge, JSON with the id of the request, and nothing cached.
#[track_caller]
fn assert_problem(setup: &Setup, answer: &Answer, status: u16, code: &str, challenge: &[&str]) {
    setup.stopped(answer, &[status]);
    assert_eq!(answer.headers("content-type"), ["application/problem+json"], "{}", answer.text);
    let problem = answer.json();
    assert_eq!((&problem["status"], &problem["code"]), (&status.into(), &code.into()), "{}", answer.text);
    assert_eq!([problem["request_id"].as_str().expect("an id")].to_vec(), answer.headers("x-request-id"));
    let challenges = answer.headers("www-authenticate");
    let begins = challenges.iter().zip(challenge).all(|(sent, expected)| sent.starts_with(expected));
    assert!(challenges.len() == challenge.len() && begins, "{challenge:?} {}", answer.text);
}

each_proxy!(a_rejected_request_gets_the_response_of_the_contract, |setup| {
    let token = &setup.token;
    let anonymous = client::send(&setup.gateway.address, "GET /demo", &[], b"");
    assert_problem(&setup, &anonymous, 401, "authentication_required", &[REALM]);
    let invalid = format!("{REALM}, error=\"invalid_token\"");
    assert_problem(&setup, &setup.ask("GET /demo", "pat_x", &[]), 401, "invalid_token", &[&invalid]);
    let lacking = |scope| format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\"");
    for (line, scope) in [
        ("POST /demo", "demo:write"),
        ("GET /admin", "secrets:read"),
        ("DELETE /admin/x?y=1", "secrets:write"),
    ] {
        let answer = setup.ask(line, token, &[]);
        assert_problem(&setup, &answer, 403, "insufficient_scope", &[&lacking(scope)]);
    }
    for line in ["GET /hooks/github", "GET /"] {
        assert_problem(&setup, &setup.ask(line, token, &[]), 403, "forbidden", &[]);
    }
    assert_problem(&setup, &setup.ask("GET /demo;x", token, &[]), 400, "invalid_request", &[]);
    let elsewhere = setup.token("elsewhere", "--scope demo:read --allow-ip 203.0.113.7");
    assert_problem(&setup, &setup.ask("GET /demo", &elsewhere, &[]), 403, "ip_not_allowed", &[]);
    setup.reached(&setup.ask("HEAD /demo/x", token, &[]));
    let head = setup.ask("HEAD /admin", token, &[]);
    setup.stopped(&head, &[403]);
    assert!(head.text.ends_with("\r\n\r\n"), "{}", head.text);
});

each_proxy!(a_client_that_guesses_gets_429_with_its_wait, |setup| {
    let Setup { gateway, upstream, backend, .. } = setup;
    let kind = gateway.kind;
    drop((gateway, upstream, backend));
    let limit = Backend::with_limit_of_failures(3);
    let Some(setup) = Setup::with(kind, limit, &[]) else { return };
    let mut answer = setup.ask("GET /demo", "pat_x", &[]);
    for _ in 0..9 {
        answer = setup.ask("GET /demo", "pat_x", &[]);
    }
    assert_problem(&setup, &answer, 429, "rate_limited", &[]);
    let wait = answer.headers("retry-after");
    assert!(wait.len() == 1 && wait[0].parse::<u32>().is_ok_and(|seconds| seconds > 0), "{}", answer.text);
});

each_proxy!(every_request_is_rejected_while_tokenry_is_down, |setup| {
    let crate::setup::Setup { gateway, upstream, backend, token } = setup;
    drop(backend);
    for line in ["GET /demo", "GET /", "OPTIONS /demo", "POST /hooks/x"] {
        let credential = format!("Bearer {token}");
        let answer = client::send(&gateway.address, line, &[("Authorization", &credential)], b"");
        assert!((500..=599).contains(&answer.status), "{}", answer.text);
        if gateway.kind == Kind::Nginx {
            assert_eq!((answer.status, answer.json()["code"].as_str()), (503, Some("service_unavailable")));
            assert_eq!(answer.headers("retry-after"), ["1"]);
        }
    }
    assert!(upstream.take().is_empty());
});

/// Asserts that a request is rejected within this time when Tokenry accepts it and sends nothing.
fn assert_rejected_while_tokenry_hangs(kind: Kind, limit: Duration) {
    // The system accepts connections, but no process answers.
    let tokenry = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = tokenry.local_addr().expect("an address").to_string();
    let upstream = Upstream::start();
    // Only if the proxy is not installed, which is an error on a build server.
    let Some(gateway) = kind.start(&address, &upstream.address, &[]) else { return };
    let start = Instant::now();
    let answer = client::send(&gateway.address, "GET /demo", &[("Authorization", "Bearer pat_x")], b"");
    assert!((500..=599).contains(&answer.status), "{kind:?}: {}", answer.text);
    assert!(start.elapsed() < limit, "{kind:?}: {:?}", start.elapsed());
    assert!(upstream.take().is_empty());
}

#[test]
fn every_request_is_rejected_soon_while_tokenry_hangs() {
    for kind in [Kind::Nginx, Kind::Caddy, Kind::Envoy] {
        assert_rejected_while_tokenry_hangs(kind, Duration::from_secs(15));
    }
}

#[test]
fn traefik_rejects_after_30_seconds_while_tokenry_hangs() {
    assert_rejected_while_tokenry_hangs(Kind::Traefik, Duration::from_secs(50));
}

each_proxy!(half_a_response_of_tokenry_admits_nobody, |setup| {
    let kind = setup.gateway.kind;
    drop(setup);
    for answer in [
        "",
        "HTTP/1.1 200 OK\r\nX-Resource-User: a\r\n",
        "HTTP/1.1 307 Temporary Redirect\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
    ] {
        let (tokenry, upstream) = (Upstream::answering(answer), Upstream::start());
        // Only if the proxy is not installed, which is an error on a build server.
        let Some(gateway) = kind.start(&tokenry.address, &upstream.address, &[]) else { return };
        let response = client::send(&gateway.address, "GET /demo", &[("Authorization", "Bearer pat_x")], b"");
        assert!(response.status >= 300, "{answer:?} {}", response.text);
        assert!(!tokenry.take().is_empty(), "the proxy asked");
        assert!(upstream.take().is_empty(), "{answer:?} {}", response.text);
    }
});

#[test]
fn an_unavailable_database_is_503_through_every_proxy() {
    let Some(db) = TestDatabase::postgres() else { return };
    let (relay, url) = Relay::to_database(db.url());
    let server = process::Server::start(&url, |folder, address| {
        fs::write(folder.join("tokenry.toml"), SETTINGS).expect("a file");
        let mut command = process::tokenry(folder, &url);
        command.args(["serve", "--listen", address]).stderr(Stdio::null());
        command
    });
    let upstream = Upstream::start();
    let credential = format!("Bearer {}", server.token());
    for kind in Kind::ALL {
        let Some(gateway) = kind.start(&server.address, &upstream.address, &[]) else { continue };
        let ask = || client::send(&gateway.address, "GET /demo", &[("Authorization", &credential)], b"");
        process::until("the database answers", || ask().status == 200);
        relay.set_silent(true);
        process::until("the lease ends", || ask().status != 200);
        upstream.take();
        let answer = ask();
        assert_eq!(answer.status, 503, "{kind:?} {}", answer.text);
        // Envoy does not pass on a response of 500 or more.
        if kind != Kind::Envoy {
            let problem = answer.json();
            assert_eq!(problem["code"], "service_unavailable", "{kind:?}");
            assert!(problem["request_id"].is_string(), "Tokenry's own response: {}", answer.text);
            let wait = answer.headers("retry-after");
            assert!(wait.len() == 1 && wait[0] != "0", "{}", answer.text);
        }
        assert!(upstream.take().is_empty());
        relay.set_silent(false);
    }
}

#[test]
fn traefik_admits_nobody_on_a_response_above_its_limit() {
    let change = ("maxResponseBodySize: 16384", "maxResponseBodySize: 10");
    let Some(setup) = Setup::with(Kind::Traefik, Backend::new(), &[change]) else { return };
    let answer = setup.ask("GET /admin", &setup.token, &[]);
    setup.stopped(&answer, &[401]);
    assert!(answer.text.ends_with("\r\n\r\n"), "{}", answer.text);
    // The response that admits has no body.
    setup.reached(&setup.ask("GET /demo", &setup.token, &[]));
}
