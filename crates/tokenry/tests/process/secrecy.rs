//! Secrets that must not leave the memory of a server.

use std::{
    io::{Read, Write, pipe},
    os::unix::fs::{MetadataExt, PermissionsExt},
    process::Stdio,
};

use tokenry_testkit::TestDatabase;

use crate::server::Server;

/// Requests with a token in places where no token belongs.
fn misplaced(token: &str, marker: &str) -> Vec<String> {
    let head = format!("Host: x\r\nX-Request-Id: {marker}\r\nConnection: close\r\n");
    vec![
        format!("POST /session HTTP/1.1\r\n{head}Content-Length: {token}\r\n\r\n"),
        format!("POST /session HTTP/1.1\r\n{head}Content-Length: 0\r\nContent-Length: {token}\r\n\r\n"),
        format!("POST /session HTTP/1.1\r\n{head}Transfer-Encoding: {token}\r\n\r\n"),
        format!("POST /session HTTP/1.1\r\n{head}Transfer-Encoding: chunked\r\n\r\n{token}\r\n"),
        format!("GET /{token} HTTP/1.1\r\n{head}\r\n"),
        format!("GET /healthz?{token}={token} HTTP/1.1\r\n{head}\r\n"),
        format!("{token} /healthz HTTP/1.1\r\n{head}\r\n"),
        format!("GET /healthz {token}\r\n{head}\r\n"),
        format!("{token}\r\n\r\n"),
        format!("GET /healthz HTTP/1.1\r\n{head}{token}: {token}\r\n\r\n"),
        format!("GET /healthz HTTP/1.1\r\n{head}Upgrade: {token}\r\nExpect: {token}\r\n\r\n"),
        format!("GET /healthz HTTP/1.1\r\n{head}Cookie: tokenry={token}\r\nConnection: {token}\r\n\r\n"),
        format!("GET /healthz HTTP/1.1\r\n{head}\r\n"),
    ]
}

#[test]
fn a_misplaced_token_is_in_no_log_with_any_filter() {
    for filter in
        ["trace", "actix_http=trace,tokenry=trace", "info,actix_http=trace,actix_web=trace,mio=trace"]
    {
        let db = TestDatabase::sqlite();
        let (mut log, writer) = pipe().unwrap();
        let reader = std::thread::spawn(move || {
            let mut text = String::new();
            log.read_to_string(&mut text).unwrap();
            text
        });
        let mut server = Server::logging(db.url(), filter, writer);
        let secret = server.create("misplaced").unwrap();
        for request in misplaced(&secret, "planted-marker") {
            let mut stream = server.connect().unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let _ = stream.read_to_end(&mut Vec::new());
        }
        server.signal("TERM");
        assert_eq!(server.wait().0, Some(0));
        let log = reader.join().unwrap();
        // The marker must reach the log, otherwise the assertions below prove nothing.
        assert!(log.contains("planted-marker"), "{filter}: {log}");
        for part in secret.as_bytes()[16..59].windows(8).map(|part| std::str::from_utf8(part).unwrap()) {
            assert!(!log.contains(part), "{filter}: a part of the token is in the log");
        }
        let is_capped =
            |line: &&str| line.contains("\"level\":\"ERROR\"") || line.contains("\"level\":\"WARN\"");
        let theirs: Vec<&str> = log.lines().filter(|line| line.contains("\"target\":\"actix")).collect();
        // At least one library line: the refusal of input that is not HTTP.
        assert!(!theirs.is_empty() && theirs.iter().all(is_capped), "{filter}: {theirs:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_server_leaves_no_core_dump() {
    use std::os::unix::process::CommandExt;
    let db = TestDatabase::sqlite();
    let url = db.url().to_owned();
    let folder = db.folder().unwrap();
    let mode = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let own = std::fs::metadata(&folder).unwrap().uid();
    let server = Server::start(&url, |working, address| {
        let mut command = crate::server::tokenry(working, &url);
        command.args(["serve", "--listen", address]).stderr(Stdio::null());
        // Root can read everything, so the process runs as another user.
        if own == 0 {
            for path in [&folder, working] {
                mode(path, 0o777);
            }
            for file in std::fs::read_dir(&folder).unwrap().flatten() {
                mode(&file.path(), 0o666);
            }
            command.uid(65534).gid(65534);
        }
        command
    });
    let limits = std::fs::read_to_string(server.proc("limits")).unwrap();
    let core: Vec<&str> = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .unwrap()
        .split_whitespace()
        .collect();
    assert_eq!(core[4..6], ["0", "0"]);
    // The proc files of a non-dumpable process belong to root.
    assert_eq!(std::fs::metadata(server.proc("environ")).unwrap().uid(), 0);
    let status = std::fs::read_to_string(server.proc("status")).unwrap();
    let user = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap();
    assert_ne!(user.split_whitespace().next(), Some("0"), "this proves nothing about a process of root");
}
