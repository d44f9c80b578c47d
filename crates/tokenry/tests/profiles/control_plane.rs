//! The control plane: `fp_pat_` tokens, Argon2id, and a seeded bootstrap token.

use std::time::Instant;

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};
use tokenry_testkit::each_backend;

use crate::{
    metrics::attempts_and_uses_are_counted,
    product::{Answer, Product, Requirement, has_form},
};

const TOKENS: &str = "/api/v1/tokens";
const SCOPES: [&str; 10] = [
    "clusters:read",
    "clusters:write",
    "routes:read",
    "routes:write",
    "listeners:read",
    "listeners:write",
    "secrets:read",
    "tokens:write",
    "admin:read",
    "*",
];

const REQUIREMENTS: &[Requirement] = &[
    ("the bootstrap token is seeded with the audit event auth.token.seeded", the_bootstrap_token_is_seeded),
    (
        "POST and GET /api/v1/tokens, GET, PATCH and DELETE /api/v1/tokens/{id}, POST …/rotate",
        all_routes_work,
    ),
    ("tokens begin with fp_pat_, and Argon2id is stored", tokens_have_the_prefix_and_hash),
    ("resource:action for clusters, routes and listeners; write implies read", write_implies_read),
    ("no token creates a stronger one", no_token_creates_a_stronger_one),
    ("audit events have correlation ids", events_have_correlation_ids),
    ("the command line creates, lists, revokes and rotates", the_command_line_manages_tokens),
    ("the OpenAPI document describes the API", the_openapi_document_is_served),
    ("attempts and uses are counted at /metrics, for administrators and without ids", metrics_are_counted),
    (
        "names and scopes: what is accepted is kept, everything else is refused",
        names_and_scopes_are_kept_or_refused,
    ),
    (
        "a token is verified in under 10 ms, also at its first use, and guarded endpoints answer in under 100 ms",
        answers_are_fast,
    ),
];

each_backend!(the_control_plane_is_met, |db| {
    let more = "[limits]\ncreations_per_hour = 0\nmax_live_tokens = 0\nfailures_per_minute = 0\n\
                management_per_minute = 0";
    Product::start(db, "control-plane", &["user", "admin"], more).meets(REQUIREMENTS);
});

fn create(product: &Product<'_>, credential: &str, scopes: &[&str]) -> (String, String) {
    let created = product.call("POST", TOKENS, credential, &json!({"name": "ci", "scopes": scopes})).is(201);
    (created.text("id"), created.text("token"))
}

fn the_bootstrap_token_is_seeded(product: &Product<'_>) {
    let own = product.get("/api/v1/token", &product.root).is(200);
    let events = product.events("auth.token.seeded");
    assert_eq!((events.len(), &events[0]["token_id"]), (1, &own.body["id"]));
    assert_eq!(events[0]["actor"], "system");
    assert!(own.body["expires_at"].is_string(), "it expires");
    assert!(!product.log().contains(&product.root[20..]), "the log has the token");
}

fn all_routes_work(product: &Product<'_>) {
    let (id, token) = create(product, &product.root, &["clusters:read"]);
    let path = format!("{TOKENS}/{id}");
    assert!(product.get(TOKENS, &product.root).is(200).body["total"].as_u64() >= Some(2));
    assert_eq!(product.get(&path, &product.root).is(200).body["name"], "ci");
    assert_eq!(
        product.call("PATCH", &path, &product.root, &json!({"name": "cd"})).is(200).body["name"],
        "cd"
    );
    let rotated = product.call("POST", &format!("{path}/rotate"), &product.root, &json!({})).is(200);
    assert_eq!((rotated.text("id"), rotated.text("name")), (id, "cd".to_owned()));
    product.get("/api/v1/token", &token).is(401);
    product.get("/api/v1/token", &rotated.text("token")).is(200);
    product.call("DELETE", &path, &product.root, &Value::Null).is(204);
    product.get("/api/v1/token", &rotated.text("token")).problem(401, "revoked_token");
}

fn tokens_have_the_prefix_and_hash(product: &Product<'_>) {
    let (_, token) = create(product, &product.root, &["clusters:read"]);
    assert!(has_form(&token, "fp_pat_"));
    let stored = product.stored();
    assert!(stored.contains("$argon2id$") && !stored.contains(&token[20..]));
}

fn guarded(product: &Product<'_>, token: &str, scope: &str) -> Answer {
    product.get(&format!("/auth/nginx?scope={scope}"), token)
}

fn write_implies_read(product: &Product<'_>) {
    let (_, token) = create(product, &product.root, &["clusters:write", "routes:read"]);
    for (scope, status) in [
        ("clusters:read", 200),
        ("clusters:write", 200),
        ("routes:read", 200),
        ("routes:write", 403),
        ("listeners:read", 403),
        ("secrets:read", 403),
    ] {
        assert_eq!(guarded(product, &token, scope).status, status, "{scope}");
    }
    // The catalog has no other actions.
    guarded(product, &token, "clusters:delete").is(403);
    let body = json!({"name": "x", "scopes": ["clusters:delete"]});
    product.call("POST", TOKENS, &product.root, &body).problem(422, "validation_failed");
}

/// Whether scopes include one: the rule of the product, written again.
fn includes(held: &[&str], wanted: &str) -> bool {
    let (resource, level) = wanted.split_once(':').unwrap_or((wanted, ""));
    held.iter().any(|scope| {
        *scope == "*" || *scope == wanted || (level == "read" && *scope == format!("{resource}:write"))
    })
}

fn no_token_creates_a_stronger_one(product: &Product<'_>) {
    let some = prop::sample::subsequence(SCOPES.to_vec(), 1..4);
    let config = Config { cases: 24, failure_persistence: None, ..Config::default() };
    let checked = TestRunner::new(config).run(&(some.clone(), some), |(held, wanted)| {
        let held: Vec<&str> = held.into_iter().chain(["tokens:write"]).collect();
        let (_, parent) = create(product, &product.root, &held);
        let body = json!({"name": "child", "scopes": wanted});
        let answer = product.call("POST", TOKENS, &parent, &body);
        let is_part = wanted.iter().all(|scope| includes(&held, scope));
        prop_assert_eq!(answer.status, if is_part { 201 } else { 403 }, "{:?} {:?}", held, wanted);
        // Nor does an update or a rotation widen a token.
        if is_part {
            let path = format!("{TOKENS}/{}", answer.text("id"));
            let wider = SCOPES.iter().find(|scope| !includes(&held, scope));
            if let Some(wider) = wider {
                let wider = json!({"scopes": [wider]});
                prop_assert_eq!(product.call("PATCH", &path, &parent, &wider).status, 403);
            }
            let rotated = product.call("POST", &format!("{path}/rotate"), &parent, &json!({})).is(200);
            let secret = rotated.text("token");
            for scope in SCOPES.iter().filter(|scope| **scope != "*") {
                let is_granted = guarded(product, &secret, scope).status == 200;
                prop_assert_eq!(is_granted, includes(&wanted, scope), "{} {:?}", scope, wanted);
            }
        }
        Ok(())
    });
    checked.unwrap();
}

fn events_have_correlation_ids(product: &Product<'_>) {
    let created = product.with(
        "POST",
        TOKENS,
        &product.root,
        &[("X-Request-Id", "deploy-4711")],
        &json!({"name": "correlated", "scopes": ["clusters:read"]}),
    );
    let created = created.is(201);
    assert_eq!(created.header("x-request-id"), "deploy-4711");
    let id = created.text("id");
    let events = product.events("auth.token.created");
    let event = events.iter().find(|event| event["token_id"] == id.as_str()).expect("an event");
    assert_eq!((&event["request_id"], &event["ip"]), (&json!("deploy-4711"), &json!("127.0.0.1")));
    assert!(events.iter().all(|event| event["request_id"].as_str().is_some_and(|id| !id.is_empty())));
    assert_eq!(product.get("/api/v1/audit/chain", &product.root).is(200).body["intact"], true);
}

fn the_command_line_manages_tokens(product: &Product<'_>) {
    let run = |args: &[&str]| {
        let (status, text) = product.cli("control-plane", args);
        assert_eq!(status, 0, "{args:?}: {text}");
        text
    };
    let secret =
        run(&["token", "create", "--user", "admin", "--name", "cli", "--scope", "routes:write", "--quiet"]);
    let secret = secret.trim().to_owned();
    assert!(has_form(&secret, "fp_pat_"));
    guarded(product, &secret, "routes:read").is(200);
    let list: Value =
        serde_json::from_str(&run(&["token", "list", "--user", "admin", "--output", "json"])).unwrap();
    let listed =
        list["data"].as_array().unwrap().iter().find(|token| token["name"] == "cli").expect("the token");
    let id = listed["id"].as_str().unwrap();
    let rotated = run(&["token", "rotate", id, "--quiet"]).trim().to_owned();
    guarded(product, &secret, "routes:read").is(401);
    guarded(product, &rotated, "routes:read").is(200);
    run(&["token", "revoke", id, "--yes"]);
    guarded(product, &rotated, "routes:read").is(401);
}

fn the_openapi_document_is_served(product: &Product<'_>) {
    let document = product.get("/openapi.json", "").is(200).body;
    for (path, method) in [
        (TOKENS, "post"),
        (TOKENS, "get"),
        ("/api/v1/tokens/{id}", "get"),
        ("/api/v1/tokens/{id}", "patch"),
        ("/api/v1/tokens/{id}", "delete"),
        ("/api/v1/tokens/{id}/rotate", "post"),
    ] {
        assert!(document["paths"][path][method].is_object(), "{method} {path}");
    }
}

fn metrics_are_counted(product: &Product<'_>) {
    attempts_and_uses_are_counted(product, TOKENS, "clusters:read");
}

fn names_and_scopes_are_kept_or_refused(product: &Product<'_>) {
    let config = Config { cases: 32, failure_persistence: None, ..Config::default() };
    let scope = prop_oneof![
        prop::sample::select(SCOPES.to_vec()).prop_map(str::to_owned),
        "[a-z*:]{0,12}",
        "\\PC{0,6}",
    ];
    let inputs = ("\\PC{0,110}", prop::collection::vec(scope, 0..4));
    let checked = TestRunner::new(config).run(&inputs, |(name, scopes)| {
        let body = json!({"name": name, "scopes": scopes});
        let answer = product.call("POST", TOKENS, &product.root, &body);
        let mut known: Vec<&String> = scopes.iter().collect();
        known.sort();
        known.dedup();
        if answer.status == 201 {
            prop_assert_eq!(answer.text("name"), name.as_str());
            let mut kept: Vec<_> =
                answer.body["scopes"].as_array().unwrap().iter().map(|s| s.as_str().unwrap()).collect();
            kept.sort_unstable();
            prop_assert_eq!(kept, known);
        } else {
            prop_assert_eq!(answer.status, 422, "{:?}", answer);
            for error in answer.body["errors"].as_array().unwrap() {
                let pointer = error["pointer"].as_str().unwrap();
                prop_assert!(pointer == "/name" || pointer.starts_with("/scopes"), "{}", pointer);
            }
            let is_valid = |scope: &&String| SCOPES.contains(&scope.as_str());
            let name_is_plain = (1..=100).contains(&name.trim().chars().count()) && name.is_ascii();
            prop_assert!(!(name_is_plain && scopes.iter().all(|scope| is_valid(&scope))), "{}", body);
        }
        Ok(())
    });
    checked.unwrap();
}

/// A smoke test of the order of magnitude in a debug build on a shared machine; the benchmark has the exact figures.
fn answers_are_fast(product: &Product<'_>) {
    let mut first = Vec::new();
    let mut later = Vec::new();
    for _ in 0..20 {
        let (_, token) = create(product, &product.root, &["clusters:read"]);
        for times in [&mut first, &mut later] {
            let start = Instant::now();
            guarded(product, &token, "clusters:read").is(200);
            times.push(start.elapsed());
        }
    }
    for (what, mut times, bound) in [("first", first, 100), ("later", later, 100)] {
        times.sort();
        let median = times[times.len() / 2].as_millis();
        assert!(median < bound, "{what} use: {median} ms");
    }
}
