//! The server as a process.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Stdio},
};

use crate::folder::Folder;

/// A running server, ended with this value.
struct Server {
    process: Child,
    address: String,
}

impl Server {
    fn start(folder: &Folder) -> Self {
        let mut command = folder.process();
        command.args(["serve", "--listen", "127.0.0.1:0"]).env("TOKENRY_LOG__FORMAT", "json");
        let mut process =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        let log = BufReader::new(process.stderr.take().expect("a pipe"));
        let told = |line: String| {
            let event: serde_json::Value = serde_json::from_str(&line).ok()?;
            Some(event.get("address")?.as_str()?.to_owned())
        };
        let mut lines = log.lines().map_while(Result::ok);
        let address = lines.find_map(told).expect("the address it listens on");
        // Read on, so that the server never waits for its log.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, address }
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
