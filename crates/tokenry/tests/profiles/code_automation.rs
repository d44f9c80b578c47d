//! The code-automation server: `hcpat_` tokens with scopes in five groups.

use serde_json::{Value, json};
use tokenry_testkit::each_backend;

use crate::product::{Product, Requirement, has_form, shown_in_a_browser_by};

const TOKENS: &str = "/users/me/api-tokens";

const REQUIREMENTS: &[Requirement] = &[
    ("GET, POST, PATCH and DELETE at /users/me/api-tokens", all_methods_work),
    ("tokens begin with hcpat_, and SHA-256 is stored", tokens_have_the_prefix_and_hash),
    (
        "the groups account, repos, tasks, events and system have the levels read and write",
        groups_have_levels,
    ),
    ("the level follows from the method", the_level_follows_from_the_method),
    ("the expiry is 1 day to never, in days", expiry_is_in_days),
    (
        "PATCH of name, scopes and expiry has the whole policy of a creation",
        an_update_has_the_policy_of_a_creation,
    ),
    ("webhooks refuse every token", webhooks_refuse_tokens),
    ("the page is in two languages", the_page_has_two_languages),
];

each_backend!(the_code_automation_server_is_met, |db| {
    let more = "[server]\ntrusted_proxies = [\"127.0.0.1\"]\n[limits]\ncreations_per_hour = 0\nmax_live_tokens = 0\n\
                failures_per_minute = 0\nmanagement_per_minute = 0";
    Product::start(db, "code-automation", &["user", "admin"], more).meets(REQUIREMENTS);
});

fn create(product: &Product<'_>, user: &str, scopes: &Value) -> (String, String) {
    let created = product.call("POST", TOKENS, user, &json!({"name": "ci", "scopes": scopes})).is(201);
    (created.text("id"), created.text("token"))
}

/// The answer of forward-auth to a request of a client of the guarded system.
fn guarded(product: &Product<'_>, token: &str, method: &str, path: &str) -> u16 {
    let headers = [("X-Forwarded-Method", method), ("X-Forwarded-Uri", path)];
    product.with("GET", "/auth/traefik", token, &headers, &Value::Null).status
}

fn all_methods_work(product: &Product<'_>) {
    let ada = product.jwt("crud", "user");
    let (id, token) = create(product, &ada, &json!(["repos:read"]));
    let path = format!("{TOKENS}/{id}");
    assert_eq!(product.get(TOKENS, &ada).is(200).body["total"], 1);
    assert_eq!(product.get(&path, &ada).is(200).body["name"], "ci");
    let changed = product.call("PATCH", &path, &ada, &json!({"name": "cd"})).is(200);
    assert_eq!(changed.body["name"], "cd");
    product.call("DELETE", &path, &ada, &Value::Null).is(204);
    product.get("/api/v1/me", &token).problem(401, "revoked_token");
    product.call("PUT", &path, &ada, &json!({"name": "x"})).problem(405, "method_not_allowed");
}

fn tokens_have_the_prefix_and_hash(product: &Product<'_>) {
    let (_, token) = create(product, &product.jwt("prefix", "user"), &json!(["repos:read"]));
    assert!(has_form(&token, "hcpat_"));
    let stored = product.stored();
    assert!(stored.contains("$sha256$") && !stored.contains(&token[20..]));
}

fn groups_have_levels(product: &Product<'_>) {
    let catalog = product.get("/api/v1/scopes", &product.jwt("groups", "user")).is(200).body;
    assert_eq!(catalog["open"], false);
    let mut found = Vec::new();
    for resource in
        catalog["groups"].as_array().unwrap().iter().flat_map(|group| group["resources"].as_array().unwrap())
    {
        for level in resource["levels"].as_array().unwrap() {
            found.push((level["scope"].as_str().unwrap().to_owned(), level["grantable"] == true));
        }
    }
    for resource in ["account", "repos", "tasks", "events", "system"] {
        assert!(found.contains(&(format!("{resource}:read"), true)), "{resource} {found:?}");
        assert!(found.contains(&(format!("{resource}:write"), resource != "system")), "{resource} {found:?}");
    }
    let user = product.jwt("groups", "user");
    let unknown = json!({"name": "x", "scopes": ["billing:read"]});
    product.call("POST", TOKENS, &user, &unknown).problem(422, "validation_failed");
    let beyond = json!({"name": "x", "scopes": ["system:write"]});
    assert_eq!(product.call("POST", TOKENS, &user, &beyond).status, 403);
    product.call("POST", TOKENS, &product.jwt("chief", "admin"), &beyond).is(201);
}

fn the_level_follows_from_the_method(product: &Product<'_>) {
    let ada = product.jwt("levels", "user");
    let (_, reads) = create(product, &ada, &json!(["repos:read", "tasks:write"]));
    for (method, path, status) in [
        ("GET", "/repos/7", 200),
        ("HEAD", "/repos/7", 200),
        ("OPTIONS", "/repos", 200),
        ("POST", "/repos", 403),
        ("DELETE", "/repos/7", 403),
        ("PATCH", "/repos/7", 403),
        ("POST", "/tasks/1/run", 200),
        // Write implies read.
        ("GET", "/tasks", 200),
        ("GET", "/events", 403),
        ("GET", "/users/me/keys", 403),
        ("GET", "/system/health", 403),
        ("GET", "/elsewhere", 403),
    ] {
        assert_eq!(guarded(product, &reads, method, path), status, "{method} {path}");
    }
    // The same for a service that asks by itself.
    for (method, valid) in [("GET", true), ("PUT", false)] {
        let question = json!({"token": reads, "method": method, "resource": "repos"});
        let verdict = product.call("POST", "/api/v1/verify", &product.root, &question).is(200);
        assert_eq!(verdict.body["valid"], valid, "{method}");
    }
}

fn expiry_is_in_days(product: &Product<'_>) {
    let ada = product.jwt("expiry", "user");
    let now = tokenry_actix::clock::now().get();
    let days = |answer: &crate::product::Answer| -> i64 {
        let at: tokenry_service::UnixMillis = answer.text("expires_at").parse().unwrap();
        (at.get() - now + 3_600_000) / 86_400_000
    };
    for asked in [1, 7, 365, 3650] {
        let body = json!({"name": "x", "scopes": ["repos:read"], "expires_in_days": asked});
        assert_eq!(days(&product.call("POST", TOKENS, &ada, &body).is(201)), asked);
    }
    let default = product.call("POST", TOKENS, &ada, &json!({"name": "x"})).is(201);
    assert_eq!(days(&default), 30);
    let never = json!({"name": "x", "expires_in_days": null});
    assert_eq!(product.call("POST", TOKENS, &ada, &never).is(201).body["expires_at"], Value::Null);
    for (wrong, status) in [(json!(0), 422), (json!(-1), 422), (json!("7"), 422), (json!(1.5), 422)] {
        let body = json!({"name": "x", "expires_in_days": wrong});
        assert_eq!(product.call("POST", TOKENS, &ada, &body).status, status, "{wrong}");
    }
    let path = format!("{TOKENS}/{}", default.text("id"));
    let changed = product.call("PATCH", &path, &ada, &json!({"expires_in_days": 90})).is(200);
    assert_eq!(days(&changed), 90);
    let changed = product.call("PATCH", &path, &ada, &json!({"expires_in_days": null})).is(200);
    assert_eq!(changed.body["expires_at"], Value::Null);
}

fn an_update_has_the_policy_of_a_creation(product: &Product<'_>) {
    let ada = product.jwt("policy", "user");
    let (id, token) = create(product, &ada, &json!(["repos:write", "tokens:write"]));
    let (weak, _) = create(product, &ada, &json!(["repos:read"]));
    let path = format!("{TOKENS}/{id}");
    for body in [
        json!({"name": ""}),
        json!({"name": "x".repeat(200)}),
        json!({"scopes": ["billing:read"]}),
        json!({"scopes": ["repos:own"]}),
        json!({"expires_in_days": 0}),
        json!({"expires_at": "2020-01-01T00:00:00Z"}),
        json!({"user_id": "x"}),
        json!({"token": "x"}),
        json!({"expires_in_days": 1, "expires_at": null}),
    ] {
        product.call("PATCH", &path, &ada, &body).problem(422, "validation_failed");
        let mut creation = body.clone();
        creation["name"] = body.get("name").cloned().unwrap_or_else(|| json!("y"));
        product.call("POST", TOKENS, &ada, &creation).problem(422, "validation_failed");
    }
    // Beyond the role, and beyond the token that asks.
    assert_eq!(product.call("PATCH", &path, &ada, &json!({"scopes": ["system:write"]})).status, 403);
    for body in [
        json!({"scopes": ["tasks:read"]}),
        json!({"scopes": ["repos:write"]}),
        json!({"expires_in_days": null}),
    ] {
        assert_eq!(product.call("PATCH", &format!("{TOKENS}/{weak}"), &token, &body).status, 403, "{body}");
    }
    // All of it or nothing.
    let both = json!({"name": "renamed", "scopes": ["billing:read"]});
    product.call("PATCH", &path, &ada, &both).is(422);
    assert_eq!(product.get(&path, &ada).is(200).body["name"], "ci");
    let narrowed =
        product.call("PATCH", &path, &ada, &json!({"name": "renamed", "scopes": ["repos:read"]})).is(200);
    assert_eq!(narrowed.body["scopes"], json!(["repos:read"]));
    assert_eq!(guarded(product, &token, "POST", "/repos"), 403);
}

fn webhooks_refuse_tokens(product: &Product<'_>) {
    let (_, all) = create(product, &product.jwt("hooks", "user"), &json!(["full_access"]));
    for (token, method, path) in [
        (&all, "POST", "/webhooks/github"),
        (&product.root, "POST", "/webhooks/github"),
        (&product.root, "GET", "/webhooks"),
    ] {
        assert_eq!(guarded(product, token, method, path), 403, "{method} {path}");
    }
    assert_eq!(guarded(product, &all, "POST", "/repos"), 200);
}

fn the_page_has_two_languages(product: &Product<'_>) {
    let page = product.get("/", "").is(200);
    assert!(page.head.contains("text/html"));
    shown_in_a_browser_by(&[
        "the_language_of_the_browser_is_used_until_the_user_chooses_one",
        "no_screen_in_chinese_has_an_english_text_or_a_raw_key",
        "the_page_creates_switches_and_revokes_tokens_at_the_path_and_under_the_names_of_a_product",
    ]);
}
