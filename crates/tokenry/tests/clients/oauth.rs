//! Libraries for OAuth as they are installed, as clients of introspection and revocation.

use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokenry_testkit::{TestDatabase, each_backend};

use crate::{cases::create, packages, server::Server};

/// The methods by which a client authenticates.
pub(crate) const METHODS: [&str; 2] = ["client_secret_basic", "client_secret_post"];

/// A program of `clients/` that uses one library.
#[derive(Clone, Copy)]
enum Program {
    Python(&'static str),
    Node(&'static str),
}

impl Program {
    /// The command that runs it, and the copy of its sources if it needs one; `None` without its packages.
    fn command(self) -> Option<(Command, Option<TempDir>)> {
        match self {
            Self::Python(name) => {
                let mut command = Command::new(packages::python()?);
                command.arg(name).current_dir(packages::sources().join("python"));
                Some((command, None))
            }
            Self::Node(name) => {
                let (mut command, copy) = (Command::new("node"), packages::node_copy(&[name])?);
                command.arg(name).current_dir(copy.path());
                Some((command, Some(copy)))
            }
        }
    }
}

/// Asserts what the library makes of the responses, by each method, and returns its reports. `error` is the library's type.
fn assert_client(db: &TestDatabase, program: Program, error: &str) -> Vec<Value> {
    let server = Server::logging(db.url(), "warn", Stdio::null());
    let (_, own) = create(&server, "service", &["introspect"], &[]);
    let (_, poor) = create(&server, "poor", &["other:read"], &[]);
    let mut reports = Vec::new();
    for method in METHODS {
        // Only without its packages, which is an error on a build server.
        let Some((mut command, _copy)) = program.command() else { break };
        let (id, good) = create(&server, method, &["demo:write"], &[]);
        command
            .arg(method)
            .env("TOKENRY_URL", format!("http://{}", server.address))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .envs([("TOKENRY_TOKEN", &own), ("GOOD", &good), ("POOR", &poor)]);
        let report: Value = serde_json::from_str(&packages::run(&mut command, None)).unwrap();

        let live = &report["live"];
        assert_eq!(live["active"], true, "{method} {report}");
        assert_eq!(live["scope"], "demo:read demo:write", "{method} {report}");
        assert_eq!((&live["sub"], &live["jti"]), (&json!("admin"), &json!(id)), "{method} {report}");
        assert_eq!(report["wrong secret"], json!([error, 401, "invalid_client"]), "{method} {report}");
        assert_eq!(report["without introspect"], json!([error, 403, "insufficient_scope"]), "{method}");
        assert_eq!(report["revoked"], json!({"active": false}), "{method} {report}");
        let (status, token) = server.ask("GET", &format!("/api/v1/tokens/{id}"), "").unwrap();
        let token: Value = serde_json::from_str(&token).unwrap();
        assert_eq!((status, &token["status"]), (200, &json!("revoked")), "the library revoked it: {token}");
        reports.push(report);
    }
    reports
}

each_backend!(authlib_introspects_and_revokes_and_guards_a_resource, |db| {
    for report in assert_client(db, Program::Python("oauth_authlib.py"), "OAuthError") {
        let guarded = json!(["admin", "insufficient_scope", "missing_authorization", "invalid_token"]);
        assert_eq!(report["guarded"], guarded);
    }
});

each_backend!(openid_client_discovers_introspects_and_revokes, |db| {
    assert_client(db, Program::Node("oauth-openid-client.js"), "WWWAuthenticateChallengeError");
});

each_backend!(oauth4webapi_discovers_introspects_and_revokes, |db| {
    assert_client(db, Program::Node("oauth-oauth4webapi.js"), "WWWAuthenticateChallengeError");
});
