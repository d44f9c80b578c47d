//! The shutdown of a server, whatever the state of its database, its clients and itself.

use std::{
    io::{Read, Write, pipe},
    net::{TcpListener, TcpStream},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use tokenry_testkit::{Relay, TestDatabase, each_backend};

use crate::server::{Server, configure, tokenry};

/// The time after which container runtimes kill a process.
const KILL_DEADLINE: Duration = Duration::from_secs(10);

/// A server and the reader of its log.
fn logged(url: &str) -> (Server, std::io::PipeReader) {
    let (reader, writer) = pipe().unwrap();
    (Server::logging(url, "info", writer), reader)
}

/// Sends a signal and returns the exit status, the duration and the log.
fn end(server: &mut Server, signal: &str, mut log: std::io::PipeReader) -> (Option<i32>, Duration, String) {
    server.signal(signal);
    let (status, took) = server.wait();
    let mut text = String::new();
    log.read_to_string(&mut text).unwrap();
    (status, took, text)
}

/// The log lines about lost writes.
fn losses(log: &str) -> Vec<String> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter_map(|line| line["lost"].as_str().map(str::to_owned)).collect()
}

/// The number of uses in the token's usage log.
fn counted(server: &Server, id: &str) -> u64 {
    let (status, body) = server.ask("GET", &format!("/api/v1/tokens/{id}/usage"), "").unwrap();
    assert_eq!(status, 200, "{body}");
    let page: Value = serde_json::from_str(&body).unwrap();
    page["data"].as_array().unwrap().iter().map(|row| row["count"].as_u64().unwrap()).sum()
}

/// Creates a token, uses it `times` through `verify`, which records each use, and returns its id.
fn used(server: &Server, times: u64) -> String {
    let secret = server.create("used").unwrap();
    let (_, own) = server.ask_as(&secret, "GET", "/api/v1/token", "").unwrap();
    let id = serde_json::from_str::<Value>(&own).unwrap()["id"].as_str().unwrap().to_owned();
    for _ in 0..times {
        let (status, body) =
            server.ask("POST", "/api/v1/verify", &format!("{{\"token\":\"{secret}\"}}")).unwrap();
        assert_eq!(status, 200, "{body}");
    }
    id
}

each_backend!(every_termination_signal_completes_deferred_writes_and_ends_with_0, |db| {
    let (mut server, log) = logged(db.url());
    let token = server.token().to_owned();
    let mut logs = Some(log);
    for signal in ["TERM", "INT", "QUIT", "HUP"] {
        let id = used(&server, 25);
        let (status, took, log) = end(&mut server, signal, logs.take().unwrap());
        assert_eq!(status, Some(0), "{signal}: {log}");
        assert!(took < KILL_DEADLINE && losses(&log).is_empty(), "{signal}: {took:?} {log}");
        let (next, log) = logged(db.url());
        (server, logs) = (next.with_token(&token), Some(log));
        assert_eq!(counted(&server, &id), 25, "{signal}");
    }
});

#[test]
fn a_hangup_ignored_by_the_parent_is_ignored() {
    let db = TestDatabase::sqlite();
    let url = db.url();
    let mut server = Server::start(url, |folder, address| {
        let mut command = Command::new("sh");
        configure(&mut command, folder, url);
        let script = "trap '' HUP; exec \"$0\" serve --listen \"$1\"";
        command.args(["-c", script, env!("CARGO_BIN_EXE_tokenry"), address]).stderr(Stdio::null());
        command
    });
    server.signal("HUP");
    // If the first hangup started a shutdown, the second would end the process immediately.
    server.signal("HUP");
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(server.ask("GET", "/healthz", "").unwrap().0, 200);
    server.signal("TERM");
    assert_eq!(server.wait().0, Some(0));
}

each_backend!(a_read_only_database_causes_a_log_line_and_status_1, |db| {
    let (mut server, log) = logged(db.url());
    used(&server, 1);
    let id = used(&server, 0);
    let lock = db.lock_writes();
    let secret = server.token().to_owned();
    for _ in 0..7 {
        let (status, _) =
            server.ask("POST", "/api/v1/verify", &format!("{{\"token\":\"{secret}\"}}")).unwrap();
        assert_eq!(status, 200);
        assert_eq!(server.ask_as("pat_wrong", "GET", "/api/v1/token", "").unwrap().0, 401);
    }
    let (status, took, log) = end(&mut server, "TERM", log);
    assert!(status == Some(1) && took < KILL_DEADLINE, "{status:?} {took:?} {log}");
    let [lost] = &losses(&log)[..] else { panic!("one line: {log}") };
    assert!(lost.contains("uses of tokens: ") && lost.contains("rejected requests: 7"), "{lost}");
    drop((lock, id));
});

#[test]
fn requests_that_hang_do_not_delay_the_shutdown() {
    let Some(db) = TestDatabase::postgres() else { return };
    let (relay, url) = Relay::to_database(db.url());
    let (mut server, log) = logged(&url);
    let id = used(&server, 3);
    relay.set_silent(true);
    // Requests that wait for the database when the signal arrives.
    let waiting: Vec<TcpStream> = (0..4)
        .map(|_| {
            let mut stream = server.connect().unwrap();
            let request = format!(
                "DELETE /api/v1/tokens/{id} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n",
                server.token()
            );
            stream.write_all(request.as_bytes()).unwrap();
            stream
        })
        .collect();
    let (status, took, log) = end(&mut server, "TERM", log);
    assert!(took < KILL_DEADLINE, "{took:?} {log}");
    let lost = losses(&log);
    assert!(status == Some(1) && lost.len() == 1 && lost[0].contains("uses of tokens: "), "{status:?} {log}");
    drop(waiting);
}

each_backend!(an_incomplete_body_does_not_delay_the_shutdown, |db| {
    let (mut server, log) = logged(db.url());
    let mut half = server.connect().unwrap();
    half.write_all(create(&server, 100).as_bytes()).unwrap();
    half.write_all(b"{\"name\":").unwrap();
    let mut head = server.connect().unwrap();
    head.write_all(b"GET /healthz HTTP/1.1\r\nHost:").unwrap();
    let (status, took, log) = end(&mut server, "TERM", log);
    assert!(status == Some(0) && took < KILL_DEADLINE, "{status:?} {took:?} {log}");
});

each_backend!(a_started_request_is_answered_and_its_connection_closed, |db| {
    let (mut server, log) = logged(db.url());
    let mut stream = server.connect().unwrap();
    let body = "{\"name\":\"late\"}";
    stream.write_all(create(&server, body.len()).as_bytes()).unwrap();
    // Once another connection is answered, the server has read the head.
    assert_eq!(server.ask("GET", "/healthz", "").unwrap().0, 200);
    server.signal("TERM");
    std::thread::sleep(Duration::from_millis(1500));
    stream.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 201 ") && answer.to_lowercase().contains("connection: close"),
        "{answer}"
    );
    assert_eq!(server.wait().0, Some(0));
    drop(log);
});

#[test]
fn active_connections_lose_no_request_during_the_shutdown() {
    let db = TestDatabase::sqlite();
    let (mut server, log) = logged(db.url());
    let token = server.token().to_owned();
    let address = server.address.clone();
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(|| ask_until_closed(&address, &token))).collect();
        std::thread::sleep(Duration::from_millis(300));
        server.signal("TERM");
        for client in clients {
            let answers = client.join().unwrap();
            assert!(answers > 10, "{answers}");
        }
    });
    assert_eq!(server.wait().0, Some(0));
    drop(log);
}

/// Sends requests on one connection until an answer closes it and returns the number of answers.
fn ask_until_closed(address: &str, token: &str) -> usize {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("GET /api/v1/token HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n");
    let (mut answers, mut received) = (0, Vec::new());
    loop {
        stream.write_all(request.as_bytes()).unwrap();
        received.clear();
        // The end of the JSON object is the end of the answer.
        while !received.ends_with(b"}") {
            let mut bytes = [0; 4096];
            let count = stream.read(&mut bytes).unwrap();
            assert!(count > 0, "a request had no answer");
            received.extend(&bytes[..count]);
        }
        answers += 1;
        let text = String::from_utf8_lossy(&received).to_lowercase();
        assert!(text.starts_with("http/1.1 200 "), "{text}");
        if text.contains("connection: close") {
            return answers;
        }
    }
}

#[test]
fn a_second_signal_ends_the_process_immediately() {
    let Some(db) = TestDatabase::postgres() else { return };
    let (relay, url) = Relay::to_database(db.url());
    let (mut server, mut log) = logged(&url);
    used(&server, 3);
    relay.set_silent(true);
    let (mut half, start) = (server.connect().unwrap(), Instant::now());
    half.write_all(create(&server, 100).as_bytes()).unwrap();
    server.signal("TERM");
    std::thread::sleep(Duration::from_millis(700));
    server.signal("TERM");
    let status = server.wait().0;
    // Before the timeout of running requests.
    assert!(status == Some(1) && start.elapsed() < Duration::from_secs(4), "{status:?}");
    let mut text = String::new();
    log.read_to_string(&mut text).unwrap();
    assert_eq!(losses(&text).len(), 1, "{text}");
}

#[test]
fn a_signal_during_the_start_ends_the_process() {
    // A database server that accepts connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://x@{}/x?sslmode=disable", silent.local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let mut process = tokenry(folder.path(), &url)
        .args(["serve", "--listen", "127.0.0.1:0"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _connection = silent.accept().unwrap();
    let start = Instant::now();
    let id = process.id().to_string();
    assert!(Command::new("kill").args(["-s", "TERM", &id]).status().unwrap().success());
    assert_eq!(process.wait().unwrap().code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

/// The head of a request that creates a token.
fn create(server: &Server, length: usize) -> String {
    format!(
        "POST /api/v1/tokens HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n",
        server.token()
    )
}
