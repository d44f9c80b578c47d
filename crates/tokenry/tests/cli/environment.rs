//! Variables of other programs, empty variables and value files of a real process.

use crate::{folder::Folder, server::Server};

/// The variables that Kubernetes sets in every container next to a Service called `tokenry`.
const INJECTED: [(&str, &str); 8] = [
    ("TOKENRY_SERVICE_HOST", "10.0.0.1"),
    ("TOKENRY_SERVICE_PORT", "8080"),
    ("TOKENRY_SERVICE_PORT_HTTP", "8080"),
    ("TOKENRY_PORT", "tcp://10.0.0.1:8080"),
    ("TOKENRY_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
    ("TOKENRY_PORT_8080_TCP_PROTO", "tcp"),
    ("TOKENRY_PORT_8080_TCP_PORT", "8080"),
    ("TOKENRY_PORT_8080_TCP_ADDR", "10.0.0.1"),
];

#[test]
fn the_server_starts_next_to_a_kubernetes_service_of_its_name_and_warns_once() {
    let folder = Folder::new();
    let empty = [("TOKENRY_LISTEN_FILE", ""), ("DATABASE_URL", ""), ("NO_COLOR", ""), ("TOKENRY_CONFIG", "")];
    let server = Server::with(&folder, &[&INJECTED[..], &empty[..]].concat());
    assert!(server.get("/readyz", "").starts_with("HTTP/1.1 200"));
    let log = server.log.lock().expect("a whole log").clone();
    let warnings: Vec<_> = log.lines().filter(|line| line.contains("TOKENRY_")).collect();
    assert!(
        matches!(warnings.as_slice(), [line] if INJECTED.iter().all(|(name, _)| line.contains(name))),
        "{log}"
    );

    let commands = folder.tokenry().args(["user", "add", "alice"]).envs(INJECTED).assert().success();
    assert_eq!(String::from_utf8_lossy(&commands.get_output().stderr), "");
    let doctor = folder.tokenry().arg("doctor").envs(INJECTED).assert().success();
    let output = String::from_utf8_lossy(&doctor.get_output().stdout).into_owned();
    assert!(
        output.lines().next().is_some_and(|line| line.contains("TOKENRY_PORT_8080_TCP_ADDR")),
        "{output}"
    );

    let assert =
        folder.tokenry().arg("doctor").envs(INJECTED).env("TOKENRY_SERVER_WORKERS", "1").assert().code(5);
    let output = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
    assert!(output.contains("TOKENRY_SERVER_WORKERS: is not a setting"), "{output}");
}

#[test]
fn a_pepper_and_a_database_url_come_from_files_and_are_never_printed() {
    let folder = Folder::new();
    let pepper = format!("a:{}", "A".repeat(43));
    std::fs::write(folder.path("pepper.txt"), format!("{pepper}\r\n")).expect("a file");
    std::fs::write(folder.path("url.txt"), "sqlite://other.db\n").expect("a file");
    let files = [("TOKENRY_TOKEN__PEPPER_FILE", "pepper.txt"), ("DATABASE_URL_FILE", "url.txt")];
    let with = |line: &str| {
        let mut command = folder.tokenry();
        command.args(line.split_whitespace()).env("TOKENRY_TOKEN__HASH", "hmac-sha256").envs(files);
        command.assert()
    };
    with("user add alice").success();
    assert!(folder.path("other.db").exists() && !folder.path("tokenry.db").exists());
    let doctor = with("doctor").success();
    assert!(!String::from_utf8_lossy(&doctor.get_output().stdout).contains("AAAA"));

    std::fs::write(folder.path("pepper.txt"), format!("{pepper}\n\n!")).expect("a file");
    let doctor = with("doctor").code(5);
    let output = String::from_utf8_lossy(&doctor.get_output().stdout).into_owned();
    assert!(output.contains("TOKENRY_TOKEN__PEPPER_FILE") && !output.contains("AAAA"), "{output}");
    std::fs::remove_file(folder.path("url.txt")).expect("a file");
    let doctor = with("doctor").code(5);
    let output = String::from_utf8_lossy(&doctor.get_output().stdout).into_owned();
    assert!(output.contains("DATABASE_URL_FILE: url.txt cannot be read"), "{output}");
}
