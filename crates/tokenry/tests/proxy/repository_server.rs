//! A server without any authentication: git repositories below `/git/`, and files.

use std::{
    fs,
    io::Write,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
};

use tempfile::TempDir;

use crate::upstream::{self, Received};

/// A listening server, which ends with the test process. Its folder is deleted on drop.
pub(crate) struct RepositoryServer {
    pub(crate) address: String,
    folder: TempDir,
    received: Arc<Mutex<Vec<Received>>>,
}

impl RepositoryServer {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let folder = TempDir::new().expect("a temporary folder");
        let received = Arc::new(Mutex::new(Vec::new()));
        let (root, log) = (folder.path().to_owned(), received.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (root, log) = (root.clone(), log.clone());
                std::thread::spawn(move || {
                    if let Some(request) = upstream::read(&stream) {
                        log.lock().expect("a whole log").push(request.clone());
                        answer(stream, &root, &request);
                    }
                });
            }
        });
        Self { address, folder, received }
    }

    /// The path of a file of the server.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file and its folders.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    /// The requests received since the last call.
    pub(crate) fn take(&self) -> Vec<Received> {
        std::mem::take(&mut *self.received.lock().expect("a whole log"))
    }
}

fn answer(mut stream: TcpStream, root: &Path, request: &Received) {
    let target = request.line.split(' ').nth(1).unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (head, body) =
        if path.starts_with("/git/") { git(root, request, path, query) } else { file(root, path) };
    let length = body.len();
    let head = format!("HTTP/1.1 {head}Content-Length: {length}\r\nConnection: close\r\n\r\n");
    // The client may have left.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
}

/// Status, headers and body of a file; of `index.html` for a folder.
fn file(root: &Path, path: &str) -> (String, Vec<u8>) {
    let mut found = root.join(path.trim_matches('/'));
    if found.is_dir() {
        found = found.join("index.html");
    }
    let kind = match found.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html",
        Some("whl") => "application/octet-stream",
        _ => "application/json",
    };
    fs::read(found).map_or_else(
        |_| ("404 Not Found\r\n".to_owned(), Vec::new()),
        |body| (format!("200 OK\r\nContent-Type: {kind}\r\n"), body),
    )
}

/// Runs `git http-backend` as a CGI program.
fn git(root: &Path, request: &Received, path: &str, query: &str) -> (String, Vec<u8>) {
    let header = |name: &str| {
        let values = request.headers.iter().filter(|(known, _)| known == name);
        values.map(|(_, value)| value.as_str()).next().unwrap_or_default()
    };
    let mut command = Command::new("git");
    command
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("HOME", root)
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("REQUEST_METHOD", request.line.split(' ').next().unwrap_or_default())
        .env("CONTENT_TYPE", header("content-type"))
        .env("CONTENT_LENGTH", header("content-length"))
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("GIT_PROTOCOL", header("git-protocol"))
        // git accepts a push from a named user only.
        .env("REMOTE_USER", header("x-resource-subject"));
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("git runs");
    process.stdin.take().expect("a pipe").write_all(&request.body).expect("a reader");
    let output = process.wait_with_output().expect("its end").stdout;
    let end = output.windows(4).position(|part| part == b"\r\n\r\n").expect("a head");
    let (head, body) = output.split_at(end + 2);
    let head = String::from_utf8(head.to_vec()).expect("UTF-8");
    let status = head.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK");
    let headers: Vec<_> =
        head.lines().filter(|line| !line.starts_with("Status: ")).map(|line| format!("{line}\r\n")).collect();
    (format!("{status}\r\n{}", headers.concat()), body[2..].to_vec())
}
