//! What `/metrics` of a product counts, and who may read it.

use std::collections::BTreeMap;

use serde_json::json;

use crate::product::{Product, guess};

/// The value of every series, by its name with its labels.
fn series(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.map(|line| line.rsplit_once(' ').unwrap());
    pairs.map(|(name, value)| (name.to_owned(), value.parse().unwrap())).collect()
}

/// The values of all labels.
fn labels(series: &BTreeMap<String, f64>) -> impl Iterator<Item = &str> {
    series.keys().flat_map(|name| name.split('"').skip(1).step_by(2))
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36 && text.matches('-').count() == 4
}

/// Checks that an administrator reads counts of attempts and uses, that nobody else does, and that no label names a user
/// or a token. `tokens` is the path of the token API, `scope` one that a user may give a token.
pub(crate) fn attempts_and_uses_are_counted(product: &Product<'_>, tokens: &str, scope: &str) {
    let ada = product.jwt("metrics", "user");
    let body = json!({"name": "named-for-metrics", "scopes": [scope]});
    let created = product.call("POST", tokens, &ada, &body).is(201);
    let token = created.text("token");
    product.get("/metrics", "").problem(401, "authentication_required");
    for caller in [&ada, &token] {
        product.get("/metrics", caller).problem(403, "insufficient_scope");
    }
    product.get("/metrics", &guess(&token)).problem(401, "invalid_token");
    let read = || {
        let answer = product.get("/metrics", &product.root).is(200);
        assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
        (series(&answer.content), answer.content)
    };
    let (before, _) = read();
    for _ in 0..3 {
        product.get("/api/v1/token", &token).is(200);
    }
    product.get("/api/v1/token", &guess(&token)).is(401);
    let (after, text) = read();
    let added = |name: &str| after.get(name).unwrap_or(&0.0) - before.get(name).unwrap_or(&0.0);
    for (name, count) in [
        // The caller of /metrics is verified as well.
        (r#"tokenry_verifications_total{result="valid"}"#, 4.0),
        (r#"tokenry_verifications_total{result="invalid_token"}"#, 1.0),
        (r#"tokenry_http_requests_total{method="GET",route="/api/v1/token",status="200"}"#, 3.0),
        (r#"tokenry_http_requests_total{method="GET",route="/api/v1/token",status="401"}"#, 1.0),
    ] {
        assert!((added(name) - count).abs() < f64::EPSILON, "{name} by {} in {text}", added(name));
    }
    for line in ["# HELP tokenry_verifications_total ", "# TYPE tokenry_verifications_total counter"] {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert!(labels(&after).all(|label| !is_uuid(label)), "{text}");
    let user = product.get("/api/v1/me", &ada).is(200).text("user_id");
    let (id, name) = (created.text("id"), "named-for-metrics".to_owned());
    assert!(is_uuid(&id) && is_uuid(&user), "ids are found by their form");
    let public_id = token[..20].to_owned();
    for about in [id, user, name, public_id, "login:metrics".to_owned(), "127.0.0.1".to_owned()] {
        assert!(!text.contains(&about), "{about} in {text}");
    }
}
