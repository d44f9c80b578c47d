//! The server as a process.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Stdio},
    sync::{Arc, Mutex},
};

use crate::folder::Folder;

/// A running server, ended with this value.
pub(crate) struct Server {
    process: Child,
    pub(crate) address: String,
    log: Arc<Mutex<String>>,
}

impl Server {
    pub(crate) fn start(folder: &Folder) -> Self {
        Self::logging(folder, "info")
    }

    fn logging(folder: &Folder, filter: &str) -> Self {
        let mut command = folder.process();
        command
            .args(["serve", "--listen", "127.0.0.1:0"])
            .env("TOKENRY_LOG__FORMAT", "json")
            .env("TOKENRY_LOG", filter);
        let mut process =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        let pipe = BufReader::new(process.stderr.take().expect("a pipe"));
        let log = Arc::new(Mutex::new(String::new()));
        let told = |line: String| {
            let event: serde_json::Value = serde_json::from_str(&line).ok()?;
            Some(event.get("address")?.as_str()?.to_owned())
        };
        let copy = log.clone();
        let mut lines = pipe.lines().map_while(Result::ok).inspect(move |line| {
            let mut log = copy.lock().expect("a whole log");
            log.push_str(line);
            log.push('\n');
        });
        let address = lines.find_map(told).expect("the address it listens on");
        // Read on, so that the server never waits for its log.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, address, log }
    }

    fn get(&self, path: &str, token: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).expect("a connection");
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    }

    /// What it printed on standard output, after its end.
    fn stop(mut self) -> String {
        self.process.kill().expect("a running process");
        let mut text = String::new();
        self.process.stdout.take().expect("a pipe").read_to_string(&mut text).expect("UTF-8");
        text
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn the_first_start_prints_a_working_token_once() {
    let folder = Folder::new();
    let server = Server::start(&folder);
    let kept = std::fs::read_to_string(folder.path("tokenry-bootstrap-token")).expect("the kept token");
    assert!(server.get("/api/v1/me", kept.trim()).contains("\"role\":\"admin\""));
    assert_eq!(server.stop(), kept);

    let again = Server::start(&folder);
    assert!(again.get("/readyz", "").starts_with("HTTP/1.1 200"));
    assert!(again.get("/api/v1/me", kept.trim()).starts_with("HTTP/1.1 200"));
    assert_eq!(again.stop(), "");
}

#[test]
fn a_revoke_on_the_command_line_is_seen_by_the_very_next_request() {
    let folder = Folder::new();
    let server = Server::start(&folder);
    let secret = folder.output("token create --user admin --name ci --quiet");
    assert!(server.get("/api/v1/me", secret.trim()).starts_with("HTTP/1.1 200"));
    let id = folder.json("token list --search ci")["data"][0]["id"].as_str().expect("an id").to_owned();
    folder.output(&format!("token revoke {id}"));
    assert!(server.get("/api/v1/me", secret.trim()).contains("revoked_token"));
}

#[test]
fn an_address_in_use_is_told() {
    let folder = Folder::new();
    let server = Server::start(&folder);
    let other = Folder::new();
    let assert = other.tokenry().args(["serve", "--quiet", "--listen", &server.address]).assert().code(1);
    let text = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(text.contains(&format!("cannot listen on {}", server.address)), "{text}");
}

#[test]
fn the_trace_log_and_the_database_of_a_real_server_hold_no_plaintext() {
    let folder = Folder::new();
    let server = Server::logging(&folder, "trace");
    let first = std::fs::read_to_string(folder.path("tokenry-bootstrap-token")).expect("the kept token");
    let second = folder.output("token create --user admin --name ci --scope * --quiet");
    let (first, second) = (first.trim(), second.trim());
    let wrong = format!("{}x", &second[..second.len() - 1]);
    for (path, token) in [
        ("/api/v1/me", first),
        ("/api/v1/tokens", second),
        (&format!("/api/v1/tokens?search={second}"), second),
        (&format!("/{second}"), second),
        ("/api/v1/me", &wrong),
        ("/api/v1/me", &format!("{second}, Bearer {first}")),
    ] {
        assert!(server.get(path, token).starts_with("HTTP/1.1 "));
    }
    let database: Vec<u8> = ["tokenry.db", "tokenry.db-wal"]
        .iter()
        .filter_map(|name| std::fs::read(folder.path(name)).ok())
        .flatten()
        .collect();
    let database = String::from_utf8_lossy(&database).into_owned();
    let log = server.log.lock().expect("a whole log").clone();
    assert!(log.contains("TRACE") && log.contains("/api/v1/tokens") && database.contains(&second[..16]));
    for secret in [first, second] {
        for part in secret.as_bytes()[16..59].windows(8).map(|part| std::str::from_utf8(part).expect("ASCII"))
        {
            assert!(!log.contains(part), "a part of a secret is in the log");
            assert!(!database.contains(part), "a part of a secret is in the database");
        }
    }
}
