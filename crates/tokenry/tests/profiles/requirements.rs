//! The requirements-management server: `mcp_pat_` tokens beside JWTs.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokenry_testkit::each_backend;

use crate::{
    metrics::attempts_and_uses_are_counted,
    product::{Product, Requirement, guess, has_form},
};

const PATS: &str = "/api/v1/pats";

const REQUIREMENTS: &[Requirement] = &[
    ("POST and GET /api/v1/pats and DELETE /api/v1/pats/{id}", creates_lists_and_deletes),
    ("tokens begin with mcp_pat_", tokens_have_the_prefix),
    ("the database has a bcrypt hash and no secret", only_bcrypt_is_stored),
    ("scopes are a JSON list whose default is full_access", full_access_is_the_default),
    ("lists have pages", lists_have_pages),
    ("the secret is only in the response of the creation", the_secret_is_shown_once),
    ("the prefix tells a token from a JWT, and neither is tried as the other", no_credential_falls_through),
    ("deleting a user deletes the tokens, which fail at once", deleting_a_user_ends_the_tokens),
    ("the cleanup removes dead tokens after their retention", dead_tokens_are_cleaned_up),
    ("the security log has creation, use, revocation and failure, and no token", everything_is_logged),
    ("attempts and uses are counted at /metrics, for administrators and without ids", metrics_are_counted),
    ("too many creations are 429 with Retry-After", creations_are_limited),
    ("too many failed credentials are 429 with Retry-After", failures_are_limited),
];

each_backend!(the_requirements_server_is_met, |db| {
    let more = "[limits]\nmanagement_per_minute = 0";
    Product::start(db, "requirements", &["user", "admin"], more).meets(REQUIREMENTS);
});

fn create(product: &Product<'_>, credential: &str, body: &Value) -> (String, String) {
    let created = product.call("POST", PATS, credential, body).is(201);
    (created.text("id"), created.text("token"))
}

fn creates_lists_and_deletes(product: &Product<'_>) {
    let ada = product.jwt("crud", "user");
    let created = product.call("POST", PATS, &ada, &json!({"name": "cursor"})).is(201);
    let (id, token) = (created.text("id"), created.text("token"));
    assert_eq!(created.header("location"), format!("{PATS}/{id}"));
    let list = product.get(PATS, &ada).is(200);
    assert_eq!((&list.body["data"][0]["id"], &list.body["total"]), (&json!(id), &json!(1)));
    product.get("/api/v1/me", &token).is(200);
    product.call("DELETE", &format!("{PATS}/{id}"), &ada, &Value::Null).is(204);
    product.get("/api/v1/me", &token).problem(401, "revoked_token");
    product.get("/api/v1/tokens", &ada).problem(404, "not_found");
    // Nobody sees or deletes the token of another user.
    let (other, _) = create(product, &ada, &json!({"name": "other"}));
    product.call("DELETE", &format!("{PATS}/{other}"), &product.jwt("eve", "user"), &Value::Null).is(404);
}

fn tokens_have_the_prefix(product: &Product<'_>) {
    let (_, token) = create(product, &product.jwt("prefix", "user"), &json!({"name": "a"}));
    assert!(has_form(&token, "mcp_pat_"), "{}", token.len());
}

fn only_bcrypt_is_stored(product: &Product<'_>) {
    let (_, token) = create(product, &product.jwt("stored", "user"), &json!({"name": "a"}));
    let stored = product.stored();
    assert!(stored.contains("$2b$06$") && !stored.contains(&token[20..]), "a secret is stored");
}

fn full_access_is_the_default(product: &Product<'_>) {
    let ada = product.jwt("scopes", "user");
    let created = product.call("POST", PATS, &ada, &json!({"name": "a"})).is(201);
    assert_eq!(created.body["scopes"], json!(["full_access"]));
    let token = created.text("token");
    // It is what its owner is, and no more.
    product.get("/api/v1/users", &token).problem(403, "insufficient_scope");
    product.get("/auth/nginx?scope=requirements:write", &token).is(200);
    let narrow = json!({"name": "b", "scopes": ["requirements:read"]});
    let created = product.call("POST", PATS, &ada, &narrow).is(201);
    assert_eq!(created.body["scopes"], json!(["requirements:read"]));
    product.get("/auth/nginx?scope=requirements:write", &created.text("token")).is(403);
    let none = product.call("POST", PATS, &ada, &json!({"name": "c", "scopes": []})).is(201);
    product.get("/auth/nginx?scope=requirements:read", &none.text("token")).is(403);
}

fn lists_have_pages(product: &Product<'_>) {
    let ada = product.jwt("pages", "user");
    for number in 0..5 {
        create(product, &ada, &json!({"name": format!("t{number}")}));
    }
    let mut names = Vec::new();
    let mut query = "limit=2&sort=name".to_owned();
    loop {
        let page = product.get(&format!("{PATS}?{query}"), &ada).is(200);
        assert_eq!(page.body["total"], 5);
        names.extend(page.body["data"].as_array().unwrap().iter().map(|token| token["name"].clone()));
        let Some(cursor) = page.body["next_cursor"].as_str() else { break };
        query = format!("limit=2&sort=name&cursor={cursor}");
    }
    assert_eq!(json!(names), json!(["t0", "t1", "t2", "t3", "t4"]));
}

fn the_secret_is_shown_once(product: &Product<'_>) {
    let ada = product.jwt("once", "user");
    let (id, token) = create(product, &ada, &json!({"name": "a"}));
    for path in
        [PATS.to_owned(), format!("{PATS}/{id}"), format!("{PATS}/{id}/events"), format!("{PATS}/{id}/usage")]
    {
        let answer = product.get(&path, &ada).is(200);
        assert!(!answer.body.to_string().contains(&token[20..]), "{path}");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
}

fn no_credential_falls_through(product: &Product<'_>) {
    let ada = product.jwt("bearer", "user");
    let (_, token) = create(product, &ada, &json!({"name": "a"}));
    for (credential, kind) in [(&token, "pat"), (&ada, "jwt")] {
        assert_eq!(product.get("/api/v1/me", credential).is(200).body["credential"], kind);
    }
    // A JWT with the prefix of tokens is a wrong token, and a token without its prefix is a wrong JWT.
    for wrong in
        [format!("mcp_pat_{ada}"), token["mcp_pat_".len()..].to_owned(), guess(&token), format!("{ada}x")]
    {
        product.get("/api/v1/me", &wrong).problem(401, "invalid_token");
    }
    product.get("/api/v1/me", "").problem(401, "authentication_required");
}

fn deleting_a_user_ends_the_tokens(product: &Product<'_>) {
    let ada = product.jwt("deleted", "user");
    let tokens: Vec<_> =
        (0..3).map(|_| create(product, &ada, &json!({"name": "of the deleted user"})).1).collect();
    let user = product.get("/api/v1/me", &tokens[0]).is(200).text("user_id");
    product.call("DELETE", &format!("/api/v1/users/{user}"), &product.root, &Value::Null).is(204);
    for token in &tokens {
        product.get("/api/v1/me", token).problem(401, "invalid_token");
    }
    let left = product.get(&format!("/api/v1/admin/tokens?user_id={user}"), &product.root);
    assert_eq!(left.status, 422, "the user does not exist: {left:?}");
    let rows = "UPDATE personal_access_tokens SET version = version WHERE name = 'of the deleted user'";
    assert_eq!(product.db.execute(rows), 0);
}

fn dead_tokens_are_cleaned_up(product: &Product<'_>) {
    let ada = product.jwt("cleaned", "user");
    let [(old, _), (recent, _)] = ["old", "recent"].map(|name| create(product, &ada, &json!({"name": name})));
    for id in [&old, &recent] {
        product.call("DELETE", &format!("{PATS}/{id}"), &ada, &Value::Null).is(204);
    }
    // 31 days pass for one of them.
    product.execute(
        "UPDATE personal_access_tokens SET revoked_at = revoked_at - 31 * 86400000 WHERE name = 'old'",
        "UPDATE personal_access_tokens SET revoked_at = revoked_at - interval '31 days' WHERE name = 'old'",
    );
    let report = product.call("POST", "/api/v1/admin/cleanup", &product.root, &Value::Null).is(200);
    assert_eq!(report.body["purged_tokens"], 1, "{report:?}");
    product.get(&format!("{PATS}/{old}"), &ada).is(404);
    assert_eq!(product.get(&format!("{PATS}/{recent}"), &ada).is(200).body["status"], "revoked");
}

fn everything_is_logged(product: &Product<'_>) {
    let ada = product.jwt("logged", "user");
    let (id, token) = create(product, &ada, &json!({"name": "a"}));
    let wrong = guess(&token);
    product.get("/auth/nginx?scope=requirements:read", &token).is(200);
    product.get("/auth/nginx?scope=requirements:read", &wrong).is(401);
    product.call("DELETE", &format!("{PATS}/{id}"), &ada, &Value::Null).is(204);
    for kind in ["auth.token.created", "auth.token.revoked"] {
        let events = product.events(kind);
        assert!(events.iter().any(|event| event["token_id"] == id.as_str()), "{kind} {events:?}");
    }
    // Failed credentials are counted, and written once a minute and at the end of the process.
    product.restart();
    assert!(!product.events("auth.request.failed").is_empty(), "the failure is in the log");
    let usage = product.get(&format!("{PATS}/{id}/usage"), &ada).is(200).body;
    assert!(usage["total_count"].as_u64() > Some(0), "the use is in the log: {usage}");
    let logged =
        [product.log(), product.get("/api/v1/audit?limit=200", &product.root).is(200).body.to_string()];
    for secret in [&token, &wrong, &product.root, &ada] {
        assert!(logged.iter().all(|log| !log.contains(&secret[20..])), "a credential is in a log");
    }
    assert!(logged[0].contains(PATS), "the log of the server has its requests");
}

fn metrics_are_counted(product: &Product<'_>) {
    attempts_and_uses_are_counted(product, PATS, "requirements:read");
}

fn creations_are_limited(product: &Product<'_>) {
    let ada = product.jwt("limited", "user");
    let create = || product.call("POST", PATS, &ada, &json!({"name": "a"}));
    let refused = (0..11).map(|_| create()).find(|answer| answer.status != 201).expect("a limit");
    assert_eq!(refused.status, 429, "{refused:?}");
    assert!(refused.header("retry-after").parse::<u32>().unwrap() > 0);
    assert_eq!(product.get(PATS, &ada).is(200).body["total"], 10);
}

fn failures_are_limited(product: &Product<'_>) {
    let (_, token) = create(product, &product.jwt("failing", "user"), &json!({"name": "a"}));
    let wrong = guess(&token);
    // More than the limit, since it is filled up again while a busy machine answers.
    let refused = (0..500).map(|_| product.get("/api/v1/me", &wrong)).find(|answer| answer.status != 401);
    let refused = refused.expect("a limit").problem(429, "rate_limited");
    assert!(refused.header("retry-after").parse::<u32>().unwrap() > 0);
}

each_backend!(the_time_of_an_answer_does_not_tell_whether_a_token_exists, |db| {
    let limits = "[limits]\nfailures_per_minute = 0\ncreations_per_hour = 0\nmanagement_per_minute = 0";
    let product = Product::start(db, "requirements", &["user", "admin"], limits);
    let ada = product.jwt("timing", "user");
    let (_, existing) = create(&product, &ada, &json!({"name": "a"}));
    let gone = product.jwt("gone", "user");
    let (_, unknown) = create(&product, &gone, &json!({"name": "b"}));
    let user = product.get("/api/v1/me", &unknown).is(200).text("user_id");
    product.call("DELETE", &format!("/api/v1/users/{user}"), &product.root, &Value::Null).is(204);
    let wrong = guess(&existing);
    let timed = |token: &str| {
        let start = Instant::now();
        product.get("/api/v1/token", token).problem(401, "invalid_token");
        start.elapsed()
    };
    let mut times: [Vec<Duration>; 2] = Default::default();
    // Alternating, so that other load on the machine falls on both alike.
    for _ in 0..150 {
        times[0].push(timed(&wrong));
        times[1].push(timed(&unknown));
    }
    let [known, unknown] = times.map(|mut times| {
        times.sort();
        times[times.len() / 4]
    });
    let (low, high) = (known.min(unknown), known.max(unknown));
    // A bcrypt hash, computed for one of them only, would take 5 ms.
    assert!(
        high - low < Duration::from_millis(2),
        "{known:?} for a known id, {unknown:?} for an unknown one"
    );
});
