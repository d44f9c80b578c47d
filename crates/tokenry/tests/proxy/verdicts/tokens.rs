//! A token for each possible verdict.

use serde_json::{Value, json};

use super::deployment::{Deployment, tomorrow};

/// A token and the code of its rejection, or nothing if it may read `demo`.
pub(super) struct Token {
    pub(super) name: &'static str,
    pub(super) text: String,
    pub(super) code: &'static str,
}

/// The tokens. Those that ended did so after their creation, through the API.
pub(super) fn table(deployment: &Deployment) -> Vec<Token> {
    let create = |name: &str, body: Value| {
        let mut body = body;
        body["name"] = name.into();
        let token = deployment.api("POST", "/api/v1/tokens", &body);
        (
            token["id"].as_str().expect("an id").to_owned(),
            token["token"].as_str().expect("a token").to_owned(),
        )
    };
    let reads = || json!({"scopes": ["demo:read"]});
    let (_, reader) = create("reader", reads());
    let (_, writer) = create("writer", json!({"scopes": ["demo:write"]}));
    let (_, poor) = create("poor", json!({"scopes": ["other:write"]}));
    let (_, powerless) = create("powerless", json!({"scopes": []}));
    let (_, here) = create("here", json!({"scopes": ["demo:read"], "allowed_ips": ["127.0.0.0/8"]}));
    let (_, elsewhere) =
        create("elsewhere", json!({"scopes": ["demo:read"], "allowed_ips": ["203.0.113.7"]}));
    let later = json!({"scopes": ["demo:read"], "not_before": tomorrow()});
    let (_, later) = create("later", later);
    let (revoked_id, revoked) = create("revoked", reads());
    deployment.api("DELETE", &format!("/api/v1/tokens/{revoked_id}"), &Value::Null);
    let (paused_id, paused) = create("paused", reads());
    deployment.api("PATCH", &format!("/api/v1/tokens/{paused_id}"), &json!({"status": "inactive"}));
    let gone = deployment.api("POST", "/api/v1/users", &json!({"subject": "gone", "name": "gone"}));
    let gone = gone["id"].as_str().expect("an id");
    let disabled = deployment.issue(gone, "demo:read");
    deployment.api("PATCH", &format!("/api/v1/users/{gone}"), &json!({"disabled": true}));
    let rotated =
        deployment.api("POST", "/api/v1/tokens", &json!({"name": "rotated", "scopes": ["demo:read"]}));
    let [rotated_id, old] = ["id", "token"].map(|name| rotated[name].as_str().expect("a text").to_owned());
    let renewed = deployment.api("POST", &format!("/api/v1/tokens/{rotated_id}/rotate"), &json!({}));
    let renewed = renewed["token"].as_str().expect("a token").to_owned();
    let cut = reader[..reader.len() - 1].to_owned();
    let mut wrong = reader.clone();
    wrong.replace_range(30..31, if reader.as_bytes()[30] == b'a' { "b" } else { "a" });
    let rows = [
        ("reader", reader, ""),
        ("writer", writer, ""),
        ("bound to this address", here, ""),
        ("renewed by a rotation", renewed, ""),
        ("without the scope", poor, "insufficient_scope"),
        ("without any scope", powerless, "insufficient_scope"),
        ("bound to another address", elsewhere, "ip_not_allowed"),
        ("not yet valid", later, "inactive_token"),
        ("paused", paused, "inactive_token"),
        ("revoked", revoked, "revoked_token"),
        ("replaced by a rotation", old, "revoked_token"),
        ("of a disabled user", disabled, "user_disabled"),
        ("cut", cut, "invalid_token"),
        ("with a wrong secret", wrong, "invalid_token"),
        ("with nothing behind the prefix", "pat_".to_owned(), "invalid_token"),
        ("too long", "x".repeat(600), "invalid_token"),
    ];
    rows.into_iter().map(|(name, text, code)| Token { name, text, code }).collect()
}
