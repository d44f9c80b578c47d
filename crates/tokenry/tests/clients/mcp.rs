//! FastMCP with its own verifier for introspection, called by its own client.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use tokenry_testkit::{TestDatabase, each_backend};

use crate::{
    cases::{create, revoke},
    guard::{Framework, Guard},
    oauth::METHODS,
    packages,
    server::Server,
};

/// The client, which calls a tool once for each token that it is told; killed on drop.
struct Caller {
    process: Child,
    tokens: ChildStdin,
    results: BufReader<ChildStdout>,
}

impl Caller {
    fn start(guard: &Guard) -> Self {
        let mut process = Command::new(packages::python().unwrap())
            .args(["mcp_client.py", guard.port()])
            .current_dir(packages::sources().join("python"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (tokens, results) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        Self { process, tokens, results: BufReader::new(results) }
    }

    /// The result of the tool, or the error of the client.
    fn call(&mut self, token: &str) -> String {
        writeln!(self.tokens, "{token}").unwrap();
        let mut result = String::new();
        self.results.read_line(&mut result).unwrap();
        result.trim_end().to_owned()
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn assert_server(db: &TestDatabase) {
    let server = Server::logging(db.url(), "warn", Stdio::null());
    let (_, poor) = create(&server, "poor", &["other:read"], &[]);
    for method in METHODS {
        let (own_id, own) = create(&server, &format!("service {method}"), &["introspect"], &[]);
        // Only without its packages, which is an error on a build server.
        let Some(guard) = Framework::FastMcp(method).start(&server.address, &own) else { return };
        let (id, good) = create(&server, &format!("good {method}"), &["demo:write"], &[]);
        let (_, other) = create(&server, &format!("other {method}"), &["demo:read"], &[]);
        let mut caller = Caller::start(&guard);
        for token in [&good, &other] {
            assert_eq!(caller.call(token), "admin", "{method} {}", guard.log());
        }
        for token in [&poor, "", "pat_nonsense"] {
            assert_refused(&mut caller, token, &guard);
        }
        revoke(&server, &id);
        assert_refused(&mut caller, &good, &guard);
        assert_eq!(caller.call(&other), "admin", "only the revoked one");
        // A verifier that may not ask admits nobody.
        revoke(&server, &own_id);
        assert_refused(&mut caller, &other, &guard);
        let log = guard.log();
        for secret in [&own, &good, &poor, &other] {
            assert!(!log.contains(secret.as_str()), "a token is in the log: {log}");
        }
    }
}

/// Asserts that the server answered with 401 and the client got no result.
#[track_caller]
fn assert_refused(caller: &mut Caller, token: &str, guard: &Guard) {
    let before = guard.log().matches("401 Unauthorized").count();
    let result = caller.call(token);
    assert!(result.starts_with("MCPError: "), "{result} {}", guard.log());
    assert!(guard.log().matches("401 Unauthorized").count() > before, "{result} {}", guard.log());
}

each_backend!(a_server_of_fastmcp_admits_only_live_tokens_with_the_scope, |db| {
    assert_server(db);
});
