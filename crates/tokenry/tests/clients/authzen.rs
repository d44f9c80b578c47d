//! A client of the Authorization API 1.0 (OpenID AuthZEN) as it is installed.

use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tokenry_testkit::each_backend;

use crate::{
    cases::{create, revoke},
    packages,
    server::Server,
};

each_backend!(decern_asks_about_tokens, |db| {
    let server = Server::logging(db.url(), "warn", Stdio::null());
    // Only without its packages, which is an error on a build server.
    let Some(python) = packages::python() else { return };
    let (_, own) = create(&server, "service", &["introspect"], &[]);
    let (_, good) = create(&server, "good", &["demo:write"], &["127.0.0.0/8"]);
    let (_, poor) = create(&server, "poor", &["other:read"], &[]);
    let (id, revoked) = create(&server, "revoked", &["demo:write"], &[]);
    revoke(&server, &id);
    let mut command = Command::new(python);
    command
        .arg("authzen_decern.py")
        .current_dir(packages::sources().join("python"))
        .env("TOKENRY_URL", format!("http://{}", server.address))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .envs([("TOKENRY_TOKEN", &own), ("GOOD", &good), ("POOR", &poor), ("REVOKED", &revoked)]);
    let report: Value = serde_json::from_str(&packages::run(&mut command, None)).unwrap();
    assert_eq!(
        report,
        json!({
            "good": [true, null],
            "good for writing": [true, null],
            "poor": [false, "insufficient_scope"],
            "revoked": [false, "revoked_token"],
            "no token": [false, "invalid_token"],
            "another subject": 400,
            "without a credential": 401,
            "without introspect": 403,
        })
    );
});
