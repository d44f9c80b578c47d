//! Rotation over HTTP.

use std::time::Duration;

use serde_json::json;
use tokenry_actix::clock;
use tokenry_testkit::each_backend;

use crate::api::{Api, request};

/// A retired secret within its grace period may be used, but management does not count as a use.
fn works(api: &Api, text: &str) -> bool {
    api.tokenry.verify_blocking(text.as_bytes(), api.operator().now, None).is_ok()
}

each_backend!(a_rotation_answers_with_the_new_secret_and_ends_the_old_one, |db| {
    let api = Api::new(db);
    let (created, old) =
        api.create(&api.root, &json!({"name": "ci", "scopes": ["a:read"], "metadata": {"k": 1}}));
    let path = format!("/api/v1/tokens/{}/rotate", created["id"].as_str().unwrap());
    let response = api.call("POST", &path, &api.root);
    assert_eq!((response.status, response.header("cache-control")), (200, "no-store"));
    let rotated = response.json();
    let new = rotated["token"].as_str().unwrap();
    assert!(works(&api, new) && !works(&api, &old));
    api.call("GET", "/api/v1/token", &old).is_problem(401, "revoked_token");
    assert_eq!(response.header("etag"), "\"2\"");
    for kept in ["id", "name", "scopes", "metadata", "created_at", "expires_at", "user_id"] {
        assert_eq!(rotated[kept], created[kept], "{kept}");
    }
    assert_ne!(rotated["token_prefix"], created["token_prefix"]);
});

each_backend!(a_rotation_can_follow_immediately_after_the_response_of_another, |db| {
    let api = Api::new(db);
    let (created, _) = api.create(&api.root, &json!({"name": "ci"}));
    let path = format!("/api/v1/tokens/{}/rotate", created["id"].as_str().unwrap());
    let began = clock::now();
    for _ in 0..3 {
        assert_eq!(api.call("POST", &path, &api.root).status, 200);
    }
    assert!(
        clock::now().since(began) >= Duration::from_millis(1500),
        "each response is delayed until the rotation is settled"
    );
});

each_backend!(a_repeated_rotation_is_a_conflict_and_its_secret_stays_valid, |db| {
    let api = Api::new(db);
    let (created, _) = api.create(&api.root, &json!({"name": "ci"}));
    let path = format!("/api/v1/tokens/{}/rotate", created["id"].as_str().unwrap());
    let ask = |key: &str| api.send(request("POST", &path, &api.root).insert_header(("idempotency-key", key)));
    let first = ask("4f5c-1");
    let text = first.json()["token"].as_str().unwrap().to_owned();
    for key in ["4f5c-1", "\"4f5c-1\""] {
        let problem = ask(key).is_problem(409, "conflict");
        assert!(problem["detail"].as_str().unwrap().contains("delivered"));
    }
    assert!(works(&api, &text));
    assert_eq!(ask("4f5c-2").status, 200);
    ask("").is_problem(400, "invalid_request");
    ask(&"x".repeat(256)).is_problem(400, "invalid_request");
});

each_backend!(grace_and_version_are_respected_and_invalid_values_rejected, |db| {
    let api = Api::new(db);
    let (created, old) = api.create(&api.root, &json!({"name": "ci"}));
    let path = format!("/api/v1/tokens/{}/rotate", created["id"].as_str().unwrap());
    for (body, status, code) in [
        (json!({"grace_seconds": -1}), 422, "validation_failed"),
        (json!({"grace_seconds": "1"}), 422, "validation_failed"),
        (json!({"scopes": ["*"]}), 422, "validation_failed"),
        (json!({"expires_at": "2020-01-01T00:00:00Z"}), 422, "validation_failed"),
        (json!({"expires_at": null}), 422, "validation_failed"),
    ] {
        api.json("POST", &path, &api.root, &body).is_problem(status, code);
    }
    let wrong = request("POST", &path, &api.root).insert_header(("if-match", "\"7\""));
    api.send(wrong).is_problem(409, "conflict");
    assert!(works(&api, &old), "a rejected rotation changes nothing");
    let response = api.json("POST", &path, &api.root, &json!({"grace_seconds": 18446744073709551615_u64}));
    assert_eq!(response.status, 200);
    assert!(works(&api, &old), "within the grace");
    api.json("POST", "/api/v1/tokens", &old, &json!({"name": "x"})).is_problem(403, "forbidden");
});

each_backend!(dead_tokens_cannot_be_rotated, |db| {
    let api = Api::new(db);
    let (created, _) = api.create(&api.root, &json!({"name": "ci"}));
    let id = created["id"].as_str().unwrap();
    assert_eq!(api.call("DELETE", &format!("/api/v1/tokens/{id}"), &api.root).status, 204);
    api.call("POST", &format!("/api/v1/tokens/{id}/rotate"), &api.root).is_problem(409, "conflict");
});

each_backend!(a_token_that_repeats_its_own_rotation_gets_409_delivered, |db| {
    let api = Api::new(db);
    let (created, own) = api.create(&api.root, &json!({"name": "ci", "scopes": ["tokens:write"]}));
    let (other, _) = api.create(&api.root, &json!({"name": "other"}));
    let path = |token: &serde_json::Value| format!("/api/v1/tokens/{}/rotate", token["id"].as_str().unwrap());
    let ask =
        |path: &str, key: &str| api.send(request("POST", path, &own).insert_header(("idempotency-key", key)));
    let response = ask(&path(&created), "k-1");
    assert_eq!(response.status, 200, "{}", response.body);
    let new = response.json()["token"].as_str().unwrap().to_owned();
    let problem = ask(&path(&created), "k-1").is_problem(409, "conflict");
    assert!(problem["detail"].as_str().unwrap().contains("delivered"));
    ask(&path(&created), "k-2").is_problem(401, "revoked_token");
    ask(&path(&other), "k-1").is_problem(401, "revoked_token");
    api.call("GET", "/api/v1/me", &own).is_problem(401, "revoked_token");
    assert!(works(&api, &new));
});
