//! The notebook app for coding agents: `nllm_` tokens, and the eight correctness properties.

use std::{cell::Cell, collections::BTreeSet};

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};
use tokenry_testkit::each_backend;

use crate::product::{Product, Requirement, guess, has_form, shown_in_a_browser_by, until};

const TOKENS: &str = "/api/auth/tokens";

const REQUIREMENTS: &[Requirement] = &[
    ("POST and GET /api/auth/tokens and DELETE /api/auth/tokens/{id}", creates_lists_and_deletes),
    ("the hash is SHA-256", only_sha256_is_stored),
    (
        "a token has a name, an optional expiry, metadata, and shows its prefix and its last 4 characters",
        attributes,
    ),
    ("at most 10 live tokens", live_tokens_are_limited),
    ("at most 5 creations an hour", creations_are_limited),
    ("each use has a row with token, route, address, user agent and time", each_use_has_a_row),
    ("property 1: tokens have the format and are unique", generated_tokens_are_well_formed_and_unique),
    ("property 2: only a hash is stored", nothing_of_a_secret_is_stored),
    ("property 3: a round trip returns the token and its user", a_round_trip_returns_token_and_user),
    ("property 4: a revoked token never verifies again", a_revoked_token_never_verifies),
    ("property 5: a token verifies before its expiry and never from it on", an_expiry_is_exact),
    ("property 6: a list is complete", a_list_is_complete),
    ("property 7: tokens are independent of one another", tokens_are_independent),
    ("property 8: every use is recorded with token, route and time", every_use_is_recorded),
    ("the page has instructions for coding agents and an MCP configuration", the_page_has_instructions),
];

each_backend!(the_notebook_app_is_met, |db| {
    let more = "[limits]\nmanagement_per_minute = 0\nfailures_per_minute = 0\n[server]\ntrusted_proxies = [\"127.0.0.1\"]";
    Product::start(db, "notebook", &["user", "admin"], more).meets(REQUIREMENTS);
});

/// A user of their own for each call, so that the limits of one do not matter to another.
fn user(product: &Product<'_>) -> String {
    thread_local!(static NUMBER: Cell<u32> = const { Cell::new(0) });
    let number = NUMBER.replace(NUMBER.get() + 1);
    product.jwt(&format!("user-{number}"), "user")
}

fn create(product: &Product<'_>, user: &str, body: &Value) -> (String, String) {
    let created = product.call("POST", TOKENS, user, body).is(201);
    (created.text("id"), created.text("token"))
}

fn is_valid(product: &Product<'_>, token: &str) -> bool {
    product.get("/api/v1/token", token).status == 200
}

/// Runs a property on a few generated inputs; each costs several requests.
fn property<S: Strategy>(inputs: &S, check: impl Fn(S::Value)) {
    let config = Config { cases: 8, failure_persistence: None, ..Config::default() };
    let checked = TestRunner::new(config).run(inputs, |input| {
        check(input);
        Ok(())
    });
    checked.unwrap();
}

/// A name that a person or a program gives to a token.
fn name() -> impl Strategy<Value = String> {
    "[A-Za-z0-9äé中 ._-]{1,40}".prop_filter("a name is not blank", |name| !name.trim().is_empty())
}

fn creates_lists_and_deletes(product: &Product<'_>) {
    let user = user(product);
    let (id, token) = create(product, &user, &json!({"name": "claude"}));
    assert_eq!(product.get(TOKENS, &user).is(200).body["data"][0]["name"], "claude");
    product.call("DELETE", &format!("{TOKENS}/{id}"), &user, &Value::Null).is(204);
    assert!(!is_valid(product, &token));
    product.get(TOKENS, "").problem(401, "authentication_required");
}

fn only_sha256_is_stored(product: &Product<'_>) {
    create(product, &user(product), &json!({"name": "a"}));
    assert!(product.stored().contains("$sha256$"));
}

fn attributes(product: &Product<'_>) {
    let user = user(product);
    let created =
        product.call("POST", TOKENS, &user, &json!({"name": "a", "metadata": {"agent": "codex"}})).is(201);
    let token = created.text("token");
    let shown = product.get(&format!("{TOKENS}/{}", created.text("id")), &user).is(200).body;
    assert_eq!((&shown["expires_at"], &shown["metadata"]), (&Value::Null, &json!({"agent": "codex"})));
    assert_eq!(shown["token_prefix"], token[.."nllm_".len() + 12]);
    assert_eq!(shown["token_suffix"], token[token.len() - 4..]);
    let limited = product.call("POST", TOKENS, &user, &json!({"name": "b", "expires_in_days": 30})).is(201);
    assert!(limited.body["expires_at"].is_string());
    product.call("POST", TOKENS, &user, &json!({"name": ""})).problem(422, "validation_failed");
}

fn live_tokens_are_limited(product: &Product<'_>) {
    let user = user(product);
    let me = product.get("/api/v1/me", &user).is(200);
    let create_five = |first: u32| {
        for number in first..first + 5 {
            create(product, &user, &json!({"name": format!("t{number}")}));
        }
    };
    create_five(0);
    an_hour_passes(product, &me.text("user_id"));
    create_five(5);
    an_hour_passes(product, &me.text("user_id"));
    let refused = product.call("POST", TOKENS, &user, &json!({"name": "one too many"}));
    refused.problem(409, "token_limit_reached");
    let limits = &product.get("/api/v1/me", &user).is(200).body["limits"];
    assert_eq!((&limits["max_tokens"], &limits["live_tokens"]), (&json!(10), &json!(10)));
    // A revoked token makes room.
    let id = product.get(TOKENS, &user).is(200).body["data"][0]["id"].as_str().unwrap().to_owned();
    product.call("DELETE", &format!("{TOKENS}/{id}"), &user, &Value::Null).is(204);
    create(product, &user, &json!({"name": "instead"}));
}

/// Moves the creation of all tokens of a user an hour back.
fn an_hour_passes(product: &Product<'_>, user: &str) {
    let uuid = user.replace('-', "").to_uppercase();
    let changed = product.db.execute(&match product.db.folder() {
        Some(_) => format!(
            "UPDATE personal_access_tokens SET created_at = created_at - 3700000, secret_at = secret_at - 3700000 \
             WHERE hex(user_id) = '{uuid}'"
        ),
        None => format!(
            "UPDATE personal_access_tokens SET created_at = created_at - interval '3700 s', \
             secret_at = secret_at - interval '3700 s' WHERE user_id = '{user}'"
        ),
    });
    assert!(changed > 0);
}

fn creations_are_limited(product: &Product<'_>) {
    let user = user(product);
    let ids: Vec<_> =
        (0..5).map(|number| create(product, &user, &json!({"name": format!("t{number}")})).0).collect();
    // A revoked token was created nevertheless.
    product.call("DELETE", &format!("{TOKENS}/{}", ids[0]), &user, &Value::Null).is(204);
    let refused = product.call("POST", TOKENS, &user, &json!({"name": "x"})).is(429);
    assert!(refused.header("retry-after").parse::<u32>().unwrap() > 0);
}

/// A request of an agent to the app, about which the proxy in front of it asks.
fn access_app(product: &Product<'_>, token: &str, path: &str) {
    let headers = [
        ("X-Forwarded-Method", "GET"),
        ("X-Forwarded-Uri", path),
        ("X-Forwarded-For", "198.51.100.7"),
        ("User-Agent", "agent/7"),
    ];
    product.with("GET", "/auth/caddy", token, &headers, &Value::Null).is(200);
}

fn each_use_has_a_row(product: &Product<'_>) {
    let user = user(product);
    let (id, token) = create(product, &user, &json!({"name": "a"}));
    for _ in 0..3 {
        access_app(product, &token, "/api/notebooks/7");
    }
    let rows = || {
        product.get(&format!("{TOKENS}/{id}/usage"), &user).is(200).body["data"].as_array().unwrap().clone()
    };
    until("three rows", || rows().len() == 3);
    for row in rows() {
        assert_eq!(
            (&row["method"], &row["route"], &row["count"]),
            (&json!("GET"), &json!("/api/notebooks/**"), &json!(1))
        );
        assert_eq!((&row["ip"], &row["user_agent"]), (&json!("198.51.100.7"), &json!("agent/7")));
    }
}

fn generated_tokens_are_well_formed_and_unique(product: &Product<'_>) {
    let seen = std::cell::RefCell::new(BTreeSet::new());
    property(&prop::collection::vec(name(), 1..4), |names| {
        let user = user(product);
        for name in names {
            let (_, token) = create(product, &user, &json!({"name": name}));
            assert!(has_form(&token, "nllm_"), "{}", token.len());
            assert!(seen.borrow_mut().insert(token), "a token was generated twice");
        }
    });
}

fn nothing_of_a_secret_is_stored(product: &Product<'_>) {
    property(&name(), |name| {
        let (_, token) = create(product, &user(product), &json!({"name": name}));
        let secret = &token["nllm_".len() + 12..token.len() - 6];
        let stored = product.stored();
        assert!(!stored.contains(secret) && !stored.contains(&token), "a secret is stored");
    });
}

fn a_round_trip_returns_token_and_user(product: &Product<'_>) {
    property(&name(), |name| {
        let user = user(product);
        let (id, token) = create(product, &user, &json!({"name": name}));
        let found = product.get("/api/v1/token", &token).is(200);
        assert_eq!((found.text("id"), found.text("name")), (id, name));
        let me = product.get("/api/v1/me", &user).is(200);
        assert_eq!(product.get("/api/v1/me", &token).is(200).text("user_id"), me.text("user_id"));
        product.get("/api/v1/token", &guess(&token)).problem(401, "invalid_token");
    });
}

fn a_revoked_token_never_verifies(product: &Product<'_>) {
    property(&(1..5_usize), |tries| {
        let user = user(product);
        let (id, token) = create(product, &user, &json!({"name": "a"}));
        assert!(is_valid(product, &token));
        product.call("DELETE", &format!("{TOKENS}/{id}"), &user, &Value::Null).is(204);
        for _ in 0..tries {
            product.get("/api/v1/token", &token).problem(401, "revoked_token");
        }
        // Nothing brings it back.
        let back = json!({"status": "active"});
        assert_eq!(product.call("PATCH", &format!("{TOKENS}/{id}"), &user, &back).status, 409);
        assert_eq!(product.call("POST", &format!("{TOKENS}/{id}/rotate"), &user, &json!({})).status, 409);
        assert!(!is_valid(product, &token));
    });
}

fn an_expiry_is_exact(product: &Product<'_>) {
    property(&(700..1500_i64), |millis| {
        let user = user(product);
        let (id, token) = create(product, &user, &json!({"name": "a", "expires_in_days": 1}));
        let now = || tokenry_actix::clock::now().get();
        // A day passes in a moment.
        let end = now() + millis;
        let uuid = id.replace('-', "").to_uppercase();
        product.execute(
            &format!("UPDATE personal_access_tokens SET expires_at = {end} WHERE hex(id) = '{uuid}'"),
            &format!("UPDATE personal_access_tokens SET expires_at = to_timestamp({end} / 1000.0) WHERE id = '{id}'"),
        );
        let mut has_ended = false;
        while !has_ended || now() < end + 200 {
            let (sent, answer) = (now(), product.get("/api/v1/token", &token));
            let answered = now();
            match answer.status {
                200 => assert!(sent < end && !has_ended, "valid {} ms after its expiry", sent - end),
                401 => assert!(answered >= end, "expired {} ms before its expiry", end - answered),
                _ => panic!("{answer:?}"),
            }
            has_ended = answer.status == 401;
        }
        product.get("/api/v1/token", &token).problem(401, "expired_token");
    });
}

fn a_list_is_complete(product: &Product<'_>) {
    property(&(1..6_usize, 1..4_usize, any::<bool>()), |(count, size, by_number)| {
        let user = user(product);
        let mut ids: BTreeSet<_> = (0..count)
            .map(|number| create(product, &user, &json!({"name": format!("t{number}")})).0)
            .collect();
        let mut query = if by_number { format!("page=1&page_size={size}") } else { format!("limit={size}") };
        for number in 2.. {
            let page = product.get(&format!("{TOKENS}?{query}"), &user).is(200);
            assert_eq!(page.body["total"], count);
            for token in page.body["data"].as_array().unwrap() {
                assert!(ids.remove(token["id"].as_str().unwrap()), "twice, or of another user");
            }
            let Some(cursor) = page.body["next_cursor"].as_str() else { break };
            query = if by_number {
                format!("page={number}&page_size={size}")
            } else {
                format!("limit={size}&cursor={cursor}")
            };
        }
        assert!(ids.is_empty(), "{ids:?} are missing");
    });
}

fn tokens_are_independent(product: &Product<'_>) {
    property(&(0..3_usize), |revoked| {
        let user = user(product);
        let tokens: Vec<_> =
            (0..3).map(|number| create(product, &user, &json!({"name": format!("t{number}")}))).collect();
        product.call("DELETE", &format!("{TOKENS}/{}", tokens[revoked].0), &user, &Value::Null).is(204);
        for (index, (_, token)) in tokens.iter().enumerate() {
            assert_eq!(is_valid(product, token), index != revoked);
        }
    });
}

fn every_use_is_recorded(product: &Product<'_>) {
    let routes = ["/api/notebooks/**", "/api/sources/**", "/api/chat/**"];
    property(&prop::collection::vec(0..routes.len(), 1..6), |uses| {
        let user = user(product);
        let (id, token) = create(product, &user, &json!({"name": "a"}));
        let before = tokenry_actix::clock::now().get() / 60_000 * 60_000;
        for route in &uses {
            access_app(product, &token, routes[*route].trim_end_matches("/**"));
        }
        let rows = || product.get(&format!("{TOKENS}/{id}/usage"), &user).is(200).body;
        until("all uses", || rows()["total_count"] == uses.len());
        let rows = rows();
        for (index, route) in routes.iter().enumerate() {
            let count = |row: &Value| if row["route"] == *route { row["count"].as_u64().unwrap() } else { 0 };
            let expected = uses.iter().filter(|used| **used == index).count() as u64;
            assert_eq!(rows["data"].as_array().unwrap().iter().map(count).sum::<u64>(), expected, "{rows}");
        }
        for row in rows["data"].as_array().unwrap() {
            let at: tokenry_service::UnixMillis = row["minute"].as_str().unwrap().parse().unwrap();
            assert!(at.get() >= before, "{row}");
        }
    });
}

fn the_page_has_instructions(product: &Product<'_>) {
    let page = product.get("/create", "");
    assert!(page.head.contains("text/html") && page.status == 200, "{page:?}");
    shown_in_a_browser_by(&[
        "each_snippet_is_valid_for_its_client",
        "a_product_without_scopes_of_its_own_gives_a_new_token_its_default",
    ]);
    // The page offers what a token of this product has.
    let catalog = product.get("/api/v1/scopes", &product.jwt("page", "user")).is(200).body;
    assert_eq!(catalog["default_scopes"], json!(["full_access"]));
    assert_eq!(
        (&catalog["general"][0]["scope"], &catalog["general"][0]["grantable"]),
        (&json!("full_access"), &json!(true))
    );
}
