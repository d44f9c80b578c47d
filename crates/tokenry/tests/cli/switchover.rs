//! A server during a switchover of its databases.

use std::time::{Duration, Instant};

use tokenry_testkit::{Cluster, Pooler, create_database};

use crate::{folder::Folder, server::Server};

/// Repeats a request until it has this status.
#[allow(clippy::disallowed_methods, reason = "a test waits for something with a deadline")]
fn soon(what: &str, status: u16, ask: impl Fn() -> u16) {
    let end = Instant::now() + Duration::from_secs(40);
    let mut last = 0;
    while Instant::now() < end {
        last = ask();
        if last == status {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{what}: {last} instead of {status}");
}

#[test]
fn a_switchover_causes_503_and_a_later_revocation_applies_at_once() {
    let Some(mut first) = Cluster::start() else { return };
    create_database(&first.url("postgres"), "tokens").expect("a database");
    let second = first.standby();
    let url = format!("postgres://tokenry@127.0.0.1:{},127.0.0.1:{}/tokens", first.port(), second.port());
    let folder = Folder::new();
    let server =
        Server::with(&folder, &[("DATABASE_URL", &url), ("TOKENRY_LIMITS__CREATIONS_PER_HOUR", "0")]);
    let admin = std::fs::read_to_string(folder.path("tokenry-bootstrap-token")).expect("the kept token");
    let admin = admin.trim();
    let create = |name: &str| {
        let body = format!(r#"{{"name":"{name}","scopes":["tokens:read"]}}"#);
        server.send("POST", "/api/v1/tokens", admin, &body)
    };
    let verify = |secret: &str| server.send("GET", "/api/v1/me", secret, "").0;
    let ready = || server.send("GET", "/readyz", "", "").0;
    let (status, token) = create("before");
    assert_eq!((status, ready()), (201, 200), "{token}");
    let id = token["id"].as_str().expect("an id");
    let secret = token["token"].as_str().expect("a secret");
    assert_eq!(verify(secret), 200);
    second.wait_for("SELECT 1 FROM personal_access_tokens OFFSET 1", "tokens");

    first.stop();
    // Never 401 for a valid token, and no verdict.
    for _ in 0..10 {
        assert_eq!((verify(secret), create("between").0), (503, 503));
    }
    soon("ready without a primary", 503, ready);
    second.promote();
    soon("ready", 200, ready);
    soon("a token after the switchover", 200, || verify(secret));
    soon("a creation after the switchover", 201, || create("after").0);

    // The former primary returns as a standby, first in the list of hosts.
    first.follow(&second);
    second.disconnect();
    soon("a token after reconnecting", 200, || verify(secret));
    soon("a revoke", 204, || server.send("DELETE", &format!("/api/v1/tokens/{id}"), admin, "").0);
    for _ in 0..50 {
        assert_eq!(verify(secret), 401);
    }
    // A standby alone is not usable.
    let output = folder.tokenry().args(["doctor", "--database-url", &first.url("tokens")]).output();
    let output = String::from_utf8(output.expect("the binary starts").stdout).expect("UTF-8");
    assert!(output.contains("the server is a standby or read-only: Tokenry needs the primary"), "{output}");
}

#[test]
fn every_command_reports_a_pooler_in_the_wrong_mode() {
    let Some(cluster) = Cluster::start() else { return };
    create_database(&cluster.url("postgres"), "tokens").expect("a database");
    let Some(pooler) = Pooler::start(&cluster.url("tokens"), "transaction") else { return };
    let folder = Folder::new();
    let expected = "needs session pooling or a direct connection";
    for command in ["serve", "user list", "migrate run"] {
        let line = format!("{command} --database-url {}", pooler.url("tokens"));
        let (code, error) = folder.failure(&line);
        assert!(code == 1 && error.contains(expected) && !error.contains("try again"), "{command}: {error}");
    }
    let (code, table, _) = folder.end(&format!("doctor --database-url {}", pooler.url("tokens")));
    assert!(code == 5 && table.contains("FAILED  database") && table.contains(expected), "{code} {table}");
    let Some(pooler) = Pooler::start(&cluster.url("tokens"), "session") else { return };
    let with = format!("--database-url {}", pooler.url("tokens"));
    folder.output(&format!("user add alice {with}"));
    let secret = folder.output(&format!("token create --user alice --name ci --quiet {with}"));
    let server = Server::with(&folder, &[("DATABASE_URL", &pooler.url("tokens"))]);
    let verify = || server.send("GET", "/api/v1/me", secret.trim(), "").0;
    assert_eq!(verify(), 200);
    folder.output(&format!("user revoke-tokens alice --yes {with}"));
    assert_eq!(verify(), 401);
}
