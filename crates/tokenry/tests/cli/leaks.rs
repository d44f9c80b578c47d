//! Reports of leaked tokens to a real server, with keys that it fetches.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::{folder::Folder, server::Server};

/// GitHub's keys, and the example of its documentation.
const KEYS: &str = include_str!("../../src/settings/tests/github-keys.json");
const BODY: &str = r#"[{"source":"commit","token":"some_token","type":"some_type","url":"https://example.com/base-repo-url/"}]"#;
const HEADERS: &str = "Github-Public-Key-Identifier: bcb53661c06b4728e59d897fb6165d5c9cda0fd9cdf9d09ead458168deb7518c\r\n\
    Github-Public-Key-Signature: MEQCIQDaMKqrGnE27S0kgMrEK0eYBmyG0LeZismAEz/BgZyt7AIfXt9fErtRS4XaeSt/AO1RtBY66YcAdjxji410VQV4xg==\r\n";

/// Answers every request with the status and the body that are set.
fn serve(answer: Arc<Mutex<(u16, String)>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url =
        format!("http://{}/meta/public_keys/secret_scanning", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let _ = stream.read(&mut [0; 4096]);
            let (status, body) = answer.lock().expect("an answer").clone();
            let head =
                format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            let _ = stream.write_all((head + &body).as_bytes());
        }
    });
    url
}

/// The status and the body of the response to a report.
fn report(server: &Server, headers: &str, body: &str) -> (u16, String) {
    let request = format!(
        "POST /api/v1/leaks HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n{headers}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(&server.address).expect("a connection");
    stream.write_all(request.as_bytes()).expect("a request");
    let mut response = String::new();
    stream.read_to_string(&mut response).expect("a response");
    let (head, body) = response.split_once("\r\n\r\n").expect("a head");
    (head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status"), body.to_owned())
}

#[test]
fn a_server_fetches_githubs_keys_and_accepts_its_reports() {
    let answer = Arc::new(Mutex::new((500, String::new())));
    let url = serve(answer.clone());
    let folder = Folder::new();
    let server = Server::with(&folder, &[("TOKENRY_LEAKS__GITHUB_KEYS_URL", &url)]);
    assert_eq!(report(&server, HEADERS, BODY).0, 503, "there are no keys yet");
    *answer.lock().expect("an answer") = (200, KEYS.to_owned());
    let accepted = (0..100).find_map(|_| match report(&server, HEADERS, BODY) {
        (503, _) => {
            std::thread::sleep(Duration::from_millis(200));
            None
        }
        other => Some(other),
    });
    let (status, body) = accepted.expect("the keys are fetched again");
    assert!(status == 202 && body.contains(r#""label":"false_positive""#), "{status} {body}");
    assert_eq!(report(&server, HEADERS, &BODY.replace("some_token", "some_tokem")).0, 403);
    // Keys that cannot be fetched any more stay.
    *answer.lock().expect("an answer") = (500, String::new());
    assert_eq!(report(&server, HEADERS, BODY).0, 202);
}

#[test]
fn a_reported_token_is_revoked_and_neither_log_nor_audit_have_its_secret() {
    let folder = Folder::new();
    folder.output("user add alice");
    let secret = folder.output("token create --user alice --name ci --quiet").trim().to_owned();
    let server = Server::start(&folder);
    let body = format!(r#"[{{"token":"{secret}","url":"https://x.test/{secret}/a?{secret}#L1"}}]"#);
    assert_eq!(report(&server, "", &body), (202, "[]".to_owned()));
    let response = server.get("/api/v1/token", &secret);
    assert!(response.starts_with("HTTP/1.1 401 ") && response.contains("revoked_token"), "{response}");
    let events = folder.json("audit list --kind auth.token.revoked");
    let detail = serde_json::json!({"reason": "leaked", "url": "https://x.test/…"});
    assert_eq!(events["data"][0]["detail"], detail);
    let log = server.log.lock().expect("a log").clone();
    assert!(log.contains("a leaked token was reported and revoked"), "{log}");
    for text in [log, events.to_string()] {
        assert!(!text.contains(&secret[16..32]), "{text}");
    }
}
