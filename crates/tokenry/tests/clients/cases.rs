//! What every guard answers, whatever its language.

use std::time::{Duration, Instant};

use serde_json::json;
use tokenry_testkit::TestDatabase;

use crate::{
    guard::{Framework, Guard},
    server::Server,
    upstream::{NO_VERDICTS, Upstream},
};

const REALM: &str = r#"Bearer realm="tokenry""#;
const INVALID: &str = r#"Bearer realm="tokenry", error="invalid_token""#;
const MALFORMED: &str = r#"Bearer error="invalid_request""#;
const SCOPE: &str = r#"Bearer error="insufficient_scope", scope="demo:read""#;

/// The maximum time of an answer when Tokenry does not give one.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// Creates a token and returns its id and its text.
pub(crate) fn create(server: &Server, name: &str, scopes: &[&str], allowed_ips: &[&str]) -> (String, String) {
    let body = json!({"name": name, "scopes": scopes, "allowed_ips": allowed_ips}).to_string();
    let (status, body) = server.ask("POST", "/api/v1/tokens", &body).unwrap();
    assert_eq!(status, 201, "{body}");
    let token: serde_json::Value = serde_json::from_str(&body).unwrap();
    (token["id"].as_str().unwrap().to_owned(), token["token"].as_str().unwrap().to_owned())
}

/// Revokes the token with this id.
pub(crate) fn revoke(server: &Server, id: &str) {
    assert_eq!(server.ask("DELETE", &format!("/api/v1/tokens/{id}"), "").unwrap().0, 204);
}

#[track_caller]
fn refused(guard: &Guard, credentials: &[&str], status: u16, code: &str, challenge: &str) {
    let answer = guard.ask(credentials);
    assert_eq!(answer.status, status, "{credentials:?} {answer:?} {}", guard.log());
    assert_eq!(answer.header("www-authenticate"), challenge, "{credentials:?}");
    assert!(answer.body.contains(code), "{credentials:?} {}", answer.body);
}

/// Asserts the whole table of a guard against a real server on this database.
pub(crate) fn assert_guard(framework: Framework, db: &TestDatabase) {
    let server = Server::logging(db.url(), "warn", std::process::Stdio::null());
    let (own_id, own) = create(&server, "service", &["introspect"], &[]);
    // Only without its packages, which is an error on a build server.
    let Some(guard) = framework.start(&server.address, &own) else { return };
    let (id, good) = create(&server, "good", &["demo:read"], &[]);
    let (_, wide) = create(&server, "wide", &["demo:write"], &[]);
    let (_, poor) = create(&server, "poor", &["other:read"], &[]);
    let (_, here) = create(&server, "here", &["demo:read"], &["127.0.0.0/8"]);
    let (_, elsewhere) = create(&server, "elsewhere", &["demo:read"], &["203.0.113.0/24"]);
    let bearer = |token: &str| format!("Bearer {token}");

    for credential in
        [bearer(&good), bearer(&wide), bearer(&here), format!("bearer {good}"), format!("BEARER   {good}")]
    {
        let answer = guard.ask(&[&credential]);
        assert_eq!(answer.status, 200, "{answer:?} {}", guard.log());
        assert_eq!(answer.body.replace(' ', ""), r#"{"subject":"admin"}"#);
    }
    let root = bearer(server.token());
    assert_eq!(guard.ask(&[&root]).status, 200, "the scope * has it");

    refused(&guard, &[], 401, "authentication_required", REALM);
    refused(&guard, &["Basic cm9vdA=="], 401, "authentication_required", REALM);
    refused(&guard, &["Bearer pat_nonsense"], 401, "invalid_token", INVALID);
    let mut wrong = good.clone();
    wrong.replace_range(good.len() - 1.., if good.ends_with('a') { "b" } else { "a" });
    refused(&guard, &[&bearer(&wrong)], 401, "invalid_token", INVALID);
    refused(&guard, &[&bearer(&poor)], 403, "insufficient_scope", SCOPE);
    refused(&guard, &[&bearer(&elsewhere)], 403, "ip_not_allowed", "");
    let two = format!("{} {good}", bearer(&good));
    let listed = format!("{}, {}", bearer(&good), bearer(&good));
    for credentials in [
        &[&*bearer(&good), &bearer(&good)][..],
        &[&bearer(&good), "Basic cm9vdA=="],
        &["Basic cm9vdA==", &bearer(&good)],
        &["Bearer"],
        &[&two],
        &[&listed],
    ] {
        refused(&guard, credentials, 400, "invalid_request", MALFORMED);
    }
    let longest = format!("Bearer{}{good}", " ".repeat(512 - 6 - good.len()));
    assert_eq!(guard.ask(&[&longest]).status, 200);
    refused(&guard, &[&longest.replace("Bearer", "Bearer ")], 401, "invalid_token", INVALID);

    revoke(&server, &id);
    refused(&guard, &[&bearer(&good)], 401, "revoked_token", INVALID);

    // The service's own token is not the caller's: its end is no 401.
    revoke(&server, &own_id);
    assert_no_verdict(&guard, &bearer(&here));
    let powerless = framework.start(&server.address, &poor).unwrap();
    assert_no_verdict(&powerless, &bearer(&here));
    let again = framework.start(&server.address, server.token()).unwrap();
    assert_eq!(guard_status(&again, &here), 200);
    drop(server);
    assert_no_verdict(&again, &bearer(&here));

    for guard in [&guard, &powerless, &again] {
        let log = guard.log();
        for secret in [&own, &good, &here, &poor, &wrong] {
            assert!(!log.contains(secret.as_str()), "a token is in the log: {log}");
        }
    }
}

fn guard_status(guard: &Guard, token: &str) -> u16 {
    guard.ask(&[&format!("Bearer {token}")]).status
}

#[track_caller]
fn assert_no_verdict(guard: &Guard, credential: &str) {
    let start = Instant::now();
    let answer = guard.ask(&[credential]);
    assert_eq!(answer.status, 503, "{answer:?} {}", guard.log());
    assert!(answer.header("retry-after").parse::<u32>().unwrap() > 0);
    assert_eq!(answer.header("www-authenticate"), "");
    assert!(start.elapsed() < MAX_WAIT, "{:?}", start.elapsed());
}

/// Asserts that a guard admits nobody on an answer that is no verdict.
pub(crate) fn assert_fails_closed(framework: Framework) {
    let upstream = Upstream::start();
    // Only without its packages, which is an error on a build server.
    let Some(guard) = framework.start(&upstream.address, "pat_own") else { return };
    for answer in NO_VERDICTS {
        upstream.answer(answer);
        assert_no_verdict(&guard, "Bearer pat_presented");
    }
    let log = guard.log();
    assert!(!log.contains("pat_own") && !log.contains("pat_presented"), "{log}");
}
