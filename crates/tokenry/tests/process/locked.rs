//! A server whose database is locked by another process.

use std::process::Stdio;

use serde_json::Value;
use tokenry_testkit::each_backend;

use crate::server::{Server, tokenry, until};

fn server(url: &str) -> Server {
    Server::start(url, |folder, address| {
        let mut command = tokenry(folder, url);
        command.args(["serve", "--listen", address]).env("TOKENRY_DATABASE__POOL_WAIT", "500ms");
        command.stderr(Stdio::null());
        command
    })
}

fn parsed(body: &str) -> Value {
    serde_json::from_str(body).unwrap()
}

/// The names of all tokens, sorted.
fn names(server: &Server) -> Vec<String> {
    let (status, body) = server.ask("GET", "/api/v1/tokens?limit=100", "").unwrap();
    assert_eq!(status, 200, "{body}");
    let page = parsed(&body);
    let tokens = page["data"].as_array().unwrap().iter();
    let mut names: Vec<String> = tokens.map(|token| token["name"].as_str().unwrap().to_owned()).collect();
    names.sort_unstable();
    names
}

each_backend!(while_another_process_holds_the_lock_changes_are_503_and_reads_continue, |db| {
    let server = &server(db.url());
    let secret = server.create("works").unwrap();
    let before = names(server);
    let held = db.lock_writes();

    // All are answered before the lock is released and before the connections time out.
    std::thread::scope(|scope| {
        for n in 0..10 {
            scope.spawn(move || {
                let new = format!("{{\"name\":\"late {n}\"}}");
                let (head, body) = server.exchange(server.token(), "POST", "/api/v1/tokens", &new).unwrap();
                let head = head.to_lowercase();
                assert!(head.starts_with("http/1.1 503 "), "{head} {body}");
                assert!(head.contains("content-type: application/problem+json"), "{head}");
                let after = head.lines().find_map(|line| line.strip_prefix("retry-after: ")).unwrap();
                assert!(after.parse::<u32>().unwrap() >= 1, "{after}");
                assert_eq!(parsed(&body)["code"], "service_unavailable");
            });
        }
    });

    assert_eq!(server.ask("GET", "/healthz", "").unwrap().0, 200);
    let (status, body) = server.ask("GET", "/readyz", "").unwrap();
    let report = parsed(&body);
    let states = report["checks"].as_array().unwrap().iter();
    let failed: Vec<&str> = states
        .filter(|check| check["state"] == "failed")
        .map(|check| check["name"].as_str().unwrap())
        .collect();
    assert_eq!((status, failed), (503, vec!["writing"]), "{body}");
    for _ in 0..3 {
        assert_eq!(server.ask_as(&secret, "GET", "/api/v1/token", "").unwrap().0, 200);
        let (status, body) =
            server.ask("POST", "/api/v1/verify", &format!("{{\"token\":\"{secret}\"}}")).unwrap();
        assert_eq!(status, 200, "{body}");
    }
    assert_eq!(names(server), before);

    drop(held);
    until("it is ready again", || server.ask("GET", "/readyz", "").unwrap().0 == 200);
    server.create("after").unwrap();
    let mut made = before;
    made.push("after".to_owned());
    made.sort_unstable();
    assert_eq!(names(server), made, "a refused change was carried out later");
});
