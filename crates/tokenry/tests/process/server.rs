//! A server on a port chosen in advance, so that tests need not read its log.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// A running server, which is killed on drop.
pub(crate) struct Server {
    pub(crate) process: Child,
    pub(crate) address: String,
    folder: TempDir,
    token: String,
}

/// The binary without the variables of the test runner, without limits, in this folder.
pub(crate) fn tokenry(folder: &Path, url: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tokenry"));
    configure(&mut command, folder, url);
    command
}

/// The common configuration of all test servers.
pub(crate) fn configure(command: &mut Command, folder: &Path, url: &str) {
    let inherited = std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TOKENRY_"));
    for (name, _) in inherited {
        command.env_remove(name);
    }
    for limit in ["MAX_LIVE_TOKENS", "CREATIONS_PER_HOUR", "MANAGEMENT_PER_MINUTE", "FAILURES_PER_MINUTE"] {
        command.env(format!("TOKENRY_LIMITS__{limit}"), "0");
    }
    command
        .env_remove("DATABASE_URL")
        .env("TOKENRY_DATABASE_URL", url)
        .env("TOKENRY_TOKEN__HASH", "sha256")
        .env("TOKENRY_LOG__FORMAT", "json")
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
}

/// A port that was free a moment ago.
pub(crate) fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

impl Server {
    /// Starts the command that `start` builds from a folder and an address.
    pub(crate) fn start(url: &str, start: impl FnOnce(&Path, &str) -> Command) -> Self {
        let (folder, address) = (TempDir::new().unwrap(), free_address());
        let process = start(folder.path(), &address).spawn().unwrap();
        let mut server = Self { process, address, folder, token: String::new() };
        until("it answers", || server.ask("GET", "/healthz", "").is_some_and(|(status, _)| status == 200));
        server.token = server.bootstrap_token(url);
        server
    }

    /// A standard server whose log goes to this output.
    pub(crate) fn logging(url: &str, filter: &str, log: impl Into<Stdio>) -> Self {
        Self::start(url, |folder, address| {
            let mut command = tokenry(folder, url);
            command.args(["serve", "--listen", address]).env("TOKENRY_LOG", filter).stderr(log);
            command
        })
    }

    /// The secret used for requests.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// Uses this secret for requests.
    pub(crate) fn with_token(self, token: &str) -> Self {
        let mut server = self;
        server.token = token.to_owned();
        server
    }

    fn bootstrap_token(&self, url: &str) -> String {
        let name = "tokenry-bootstrap-token";
        let beside = url.strip_prefix("sqlite://").map(|path| Path::new(path).with_file_name(name));
        let path = beside.unwrap_or_else(|| self.folder.path().join(name));
        // Only the first server of a database has a bootstrap token.
        std::fs::read_to_string(path).unwrap_or_default().trim().to_owned()
    }

    /// The status and body of an answer on a new connection; `None` without an answer.
    pub(crate) fn ask(&self, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
        self.ask_as(&self.token, method, path, body)
    }

    pub(crate) fn ask_as(&self, token: &str, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
        let (head, body) = self.exchange(token, method, path, body)?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body))
    }

    /// The head and the body of an answer.
    pub(crate) fn exchange(
        &self,
        token: &str,
        method: &str,
        path: &str,
        body: &str,
    ) -> Option<(String, String)> {
        let length = body.len();
        let authorization =
            if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\n{authorization}Connection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let mut stream = self.connect()?;
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some((head.to_owned(), body.to_owned()))
    }

    pub(crate) fn connect(&self) -> Option<TcpStream> {
        let stream = TcpStream::connect(&self.address).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
        Some(stream)
    }

    /// Creates a token and returns its secret.
    pub(crate) fn create(&self, name: &str) -> Option<String> {
        let (status, body) = self.ask("POST", "/api/v1/tokens", &format!("{{\"name\":\"{name}\"}}"))?;
        let body: serde_json::Value = serde_json::from_str(&body).ok()?;
        (status == 201).then(|| body["token"].as_str().unwrap().to_owned())
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Waits for the end of the process and returns the exit status and the duration.
    pub(crate) fn wait(&mut self) -> (Option<i32>, Duration) {
        let start = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return (status.code(), start.elapsed());
            }
            assert!(start.elapsed() < Duration::from_secs(60), "the process does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A proc file of the process.
    pub(crate) fn proc(&self, name: &str) -> std::path::PathBuf {
        format!("/proc/{}/{name}", self.process.id()).into()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Waits until the condition holds, for at most a minute.
pub(crate) fn until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(60), "not within a minute: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
