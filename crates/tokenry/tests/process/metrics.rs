//! `GET /metrics`: what it counts, who may read it, and that a monitoring system understands it.

use std::{
    collections::BTreeMap,
    io::Write,
    net::TcpStream,
    process::{Command, Stdio},
};

use tokenry_testkit::{TestDatabase, each_backend};

use crate::server::{Server, free_address, tokenry};

/// A server whose metrics have an address of their own, and this address.
fn monitored(url: &str) -> (Server, String) {
    let address = free_address();
    let listen = address.clone();
    let server = Server::start(url, move |folder, address| {
        let mut command = tokenry(folder, url);
        command.args(["serve", "--listen", address]).env("TOKENRY_METRICS__LISTEN", listen);
        command.stderr(Stdio::null());
        command
    });
    (server, address)
}

/// The head and the body of the answer of this address to a request without credentials.
fn get(address: &str, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let answer = std::io::read_to_string(stream).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

/// The value of every series, by its name with its labels.
fn series(text: &str) -> BTreeMap<&str, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.rsplit_once(' ').unwrap())
        .map(|(name, value)| (name, value.parse().unwrap()))
        .collect()
}

each_backend!(metrics_count_requests_and_verifications_without_ids, |db| {
    let (server, address) = monitored(db.url());
    let secret = server.create("counted").unwrap();
    let (_, own) = server.ask_as(&secret, "GET", "/api/v1/token", "").unwrap();
    let wrong = format!("{}{}", &secret[..secret.len() - 1], if secret.ends_with('x') { "y" } else { "x" });
    for (token, path, status) in [
        (secret.as_str(), "/api/v1/token", 200),
        (wrong.as_str(), "/api/v1/token", 401),
        ("", "/api/v1/token", 401),
        ("", "/no-such-path-a1b2c3", 404),
    ] {
        assert_eq!(server.ask_as(token, "GET", path, "").unwrap().0, status, "{path}");
    }
    let (_, usage) = server.ask("GET", "/api/v1/me", "").unwrap();

    let (head, text) = get(&address, "/metrics");
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("text/plain; version=0.0.4"), "{head}");
    let values = series(&text);
    let own_token = |status: u16| {
        values[format!(
            "tokenry_http_requests_total{{method=\"GET\",route=\"/api/v1/token\",status=\"{status}\"}}"
        )
        .as_str()]
    };
    assert_eq!((own_token(200), own_token(401)), (2.0, 2.0), "{text}");
    assert_eq!(
        values["tokenry_http_requests_total{method=\"GET\",route=\"unmatched\",status=\"404\"}"], 1.0,
        "{text}"
    );
    assert_eq!(values["tokenry_http_request_duration_seconds_count{route=\"/api/v1/token\"}"], 4.0, "{text}");
    assert_eq!(values["tokenry_verifications_total{result=\"valid\"}"], 4.0, "{text}");
    assert_eq!(values["tokenry_verifications_total{result=\"invalid_token\"}"], 1.0, "{text}");
    assert_eq!(values["tokenry_ready"], 1.0, "{text}");
    assert_eq!(values["tokenry_check_passed{check=\"writing\"}"], 1.0, "{text}");
    assert_eq!(values["tokenry_log_lines_lost_total"], 0.0, "{text}");

    let (own, me): (serde_json::Value, serde_json::Value) =
        (serde_json::from_str(&own).unwrap(), serde_json::from_str(&usage).unwrap());
    let identifying = [&own["id"], &own["token_prefix"], &own["name"], &own["user_id"], &me["user_id"]];
    let identifying = identifying.map(|value| value.as_str().unwrap().to_owned());
    let all = [&secret, "no-such-path", "127.0.0.1"].map(str::to_owned);
    for text_of_a_client in identifying.iter().chain(&all) {
        assert!(!text.contains(text_of_a_client.as_str()), "{text_of_a_client}: {text}");
    }
    assert!(own.to_string().contains(&identifying[0]), "the control finds an id where there is one");

    check_with_promtool(&text);
    for path in ["/healthz", "/api/v1/me", "/openapi.json", "/"] {
        assert!(get(&address, path).0.starts_with("HTTP/1.1 404"), "{path}");
    }
});

/// `promtool check metrics` reads standard input and reports what a monitoring system cannot parse or should not get.
fn check_with_promtool(text: &str) {
    let check = Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).spawn();
    let Ok(mut check) = check else {
        assert!(std::env::var_os("CI").is_none(), "promtool is not installed");
        return eprintln!("promtool is not installed: the format is not checked");
    };
    check.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(check.wait().unwrap().success(), "{text}");
}

#[test]
fn promtool_rejects_a_counter_without_its_suffix() {
    let check = Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).spawn();
    // Its absence is an error on a build server, which the test above reports.
    let Ok(mut check) = check else { return };
    check.stdin.take().unwrap().write_all(b"# HELP a A.\n# TYPE a counter\na 1\n").unwrap();
    assert!(!check.wait().unwrap().success());
}

#[test]
fn metrics_without_an_address_of_their_own_require_an_administrator() {
    let db = TestDatabase::sqlite();
    let server = Server::logging(db.url(), "error", Stdio::null());
    assert_eq!(server.ask_as("", "GET", "/metrics", "").unwrap().0, 401);
    let (head, text) = server.exchange(server.token(), "GET", "/metrics", "").unwrap();
    assert!(head.starts_with("HTTP/1.1 200") && text.contains("tokenry_verifications_total"), "{head}");
    let (_, created) = server
        .ask("POST", "/api/v1/tokens", r#"{"name":"plain","scopes":["tokens:read","tokens:write"]}"#)
        .unwrap();
    let created: serde_json::Value = serde_json::from_str(&created).unwrap();
    let plain = created["token"].as_str().unwrap();
    assert_eq!(server.ask_as(plain, "GET", "/metrics", "").unwrap().0, 403);
}

#[test]
fn a_server_that_cannot_listen_for_metrics_does_not_start() {
    let db = TestDatabase::sqlite();
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = tokenry(folder.path(), db.url())
        .args(["serve", "--listen", "127.0.0.1:0"])
        .env("TOKENRY_METRICS__LISTEN", &address)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains(&address) && error.contains("[metrics] listen"), "{error}");
}
