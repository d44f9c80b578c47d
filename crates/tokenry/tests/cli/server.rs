//! A server process and the requests that tests send to it.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Stdio},
    sync::{Arc, Mutex},
};

use serde_json::Value;

use crate::folder::Folder;

/// A running server, which is killed on drop.
pub(crate) struct Server {
    process: Child,
    pub(crate) address: String,
    pub(crate) log: Arc<Mutex<String>>,
}

impl Server {
    pub(crate) fn start(folder: &Folder) -> Self {
        Self::with(folder, &[])
    }

    /// With these variables in its environment.
    pub(crate) fn with(folder: &Folder, variables: &[(&str, &str)]) -> Self {
        let mut command = folder.process();
        command
            .args(["serve", "--listen", "127.0.0.1:0"])
            .env("TOKENRY_LOG__FORMAT", "json")
            .env("TOKENRY_LOG", "info")
            .envs(variables.iter().copied());
        let mut process =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        let pipe = BufReader::new(process.stderr.take().expect("a pipe"));
        let log = Arc::new(Mutex::new(String::new()));
        let listening_address = |line: String| {
            let event: serde_json::Value = serde_json::from_str(&line).ok()?;
            Some(event.get("address")?.as_str()?.to_owned())
        };
        let copy = log.clone();
        let mut lines = pipe.lines().map_while(Result::ok).inspect(move |line| {
            let mut log = copy.lock().expect("a whole log");
            log.push_str(line);
            log.push('\n');
        });
        let address = lines.find_map(listening_address).expect("the address it listens on");
        // Drained continuously, so that the server never waits for its log.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, address, log }
    }

    /// The whole answer, head and body.
    pub(crate) fn get(&self, path: &str, token: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).expect("a connection");
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    }

    /// The status and the body of an answer.
    pub(crate) fn send(&self, method: &str, path: &str, credential: &str, body: &str) -> (u16, Value) {
        let mut stream = TcpStream::connect(&self.address).expect("a connection");
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {credential}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        (status, serde_json::from_str(body).unwrap_or_default())
    }

    /// Whether this text appears in the log within a few seconds.
    pub(crate) fn waits_for_log(&self, text: &str) -> bool {
        (0..200).any(|_| {
            let is_there = self.log.lock().expect("a whole log").contains(text);
            if !is_there {
                std::thread::sleep(std::time::Duration::from_millis(25));
            }
            is_there
        })
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Waits for the end of the process.
    pub(crate) fn wait(&mut self) {
        self.process.wait().expect("its end");
    }

    /// Stops the server and returns its standard output.
    pub(crate) fn stop(mut self) -> String {
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
