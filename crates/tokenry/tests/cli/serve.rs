//! `tokenry serve`.

use crate::{folder::Folder, server::Server};

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
fn a_lost_first_token_can_be_replaced_on_the_command_line() {
    let folder = Folder::new();
    let server = Server::start(&folder);
    drop(server);
    // As if the server was killed between the commit and the file.
    std::fs::remove_file(folder.path("tokenry-bootstrap-token")).expect("the kept token");
    let again = Server::start(&folder);
    let command = "token create --user admin --name first --scope '*' --expires 1d";
    assert!(again.waits_for_log(&format!("tokenry {command}")));
    assert!(!folder.path("tokenry-bootstrap-token").exists(), "deleting the file must not create a token");
    let secret = folder.output(&format!("{} --quiet", command.replace('\'', "")));
    assert!(again.get("/api/v1/me", secret.trim()).contains("\"role\":\"admin\""));
    assert_eq!(again.stop(), "", "no secret is printed");
    let third = Server::start(&folder);
    assert!(third.get("/readyz", "").starts_with("HTTP/1.1 200"));
    assert!(!third.log.lock().expect("a whole log").contains(command));
}

#[test]
fn the_page_is_served_and_its_url_printed_unless_disabled() {
    let folder = Folder::new();
    let server = Server::start(&folder);
    let page = server.get("/", "");
    assert!(
        page.starts_with("HTTP/1.1 200") && page.contains("require-trusted-types-for 'script'"),
        "{page}"
    );
    assert!(server.get("/create?name=ci", "").starts_with("HTTP/1.1 200"));
    let expected = format!("page: http://{}/", server.address);
    assert!(server.waits_for_log(&expected), "{}", server.log.lock().expect("a whole log"));
    drop(server);

    let without = Server::with(&folder, &[("TOKENRY_UI", "false")]);
    assert!(without.get("/", "").starts_with("HTTP/1.1 404"));
    assert!(without.get("/readyz", "").starts_with("HTTP/1.1 200"));
    assert!(!without.log.lock().expect("a whole log").contains("page: "));
}

#[test]
fn a_former_setting_name_is_logged_once_as_a_warning() {
    let folder = Folder::new();
    std::fs::write(folder.path("tokenry.toml"), "[catalog]\nwithheld_scopes = []\n").expect("a file");
    let server = Server::start(&folder);
    assert!(server.get("/readyz", "").starts_with("HTTP/1.1 200"));
    let log = server.log.lock().expect("a whole log").clone();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("withheld_scopes")).collect();
    assert!(
        matches!(lines.as_slice(), [line] if line.contains("WARN") && line.contains("denied_scopes")),
        "{log}"
    );
}

#[test]
fn a_revocation_on_the_command_line_applies_to_the_next_request() {
    let folder = Folder::new();
    let server = Server::start(&folder);
    let secret = folder.output("token create --user admin --name ci --quiet");
    assert!(server.get("/api/v1/me", secret.trim()).starts_with("HTTP/1.1 200"));
    let id = folder.json("token list --search ci")["data"][0]["id"].as_str().expect("an id").to_owned();
    folder.output(&format!("token revoke {id}"));
    assert!(server.get("/api/v1/me", secret.trim()).contains("revoked_token"));
}

#[test]
fn an_address_in_use_is_an_error() {
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
    let server = Server::with(&folder, &[("TOKENRY_LOG", "trace")]);
    let first = std::fs::read_to_string(folder.path("tokenry-bootstrap-token")).expect("the kept token");
    let second = folder.output("token create --user admin --name ci --scope * --quiet");
    let (first, second) = (first.trim(), second.trim());
    let last = if second.ends_with('x') { 'y' } else { 'x' };
    let wrong = format!("{}{last}", &second[..second.len() - 1]);
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
    // The log is written after the answers; the last request has the last line.
    let log = || server.log.lock().expect("a whole log").clone();
    let is_whole = || log().matches("\"route\"").count() >= 6 || log().matches("\"status\"").count() >= 6;
    for _ in 0..500 {
        if is_whole() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let log = log();
    assert!(log.contains("/api/v1/tokens") && database.contains(&second[..16]), "{log}");
    for secret in [first, second] {
        for part in secret.as_bytes()[16..59].windows(8).map(|part| std::str::from_utf8(part).expect("ASCII"))
        {
            assert!(!log.contains(part), "a part of a secret is in the log");
            assert!(!database.contains(part), "a part of a secret is in the database");
        }
    }
}
