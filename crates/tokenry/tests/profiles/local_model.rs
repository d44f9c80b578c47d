//! The local model server: `bodhiapp_` tokens with one role scope.

use serde_json::{Value, json};
use tokenry_testkit::each_backend;

use crate::product::{Product, Requirement, guess, has_form, shown_in_a_browser_by};

const TOKENS: &str = "/api/tokens";
const ROLES: [&str; 4] = ["user", "power_user", "manager", "admin"];

const REQUIREMENTS: &[Requirement] = &[
    ("POST and GET /api/tokens, and PUT /api/tokens/{id} with name and status", creates_lists_and_updates),
    ("tokens begin with bodhiapp_, and SHA-256 is stored", tokens_have_the_prefix_and_hash),
    (
        "a token is found by the characters after its prefix, and only the whole secret verifies",
        lookup_is_by_prefix,
    ),
    ("a token has one role scope: user, power user, manager or admin", a_token_has_one_role_scope),
    ("a token has exactly one role scope, and no other scope", a_token_has_no_other_scope),
    ("a token never exceeds the role of its owner", a_token_never_exceeds_the_role),
    ("a token never exceeds a role that was lowered later", a_lowered_role_lowers_its_tokens),
    ("a token is switched between active and inactive", a_token_is_switched),
    ("lists have pages by number, besides cursors", lists_have_pages_by_number),
    ("a bearer credential takes precedence over a session", bearer_takes_precedence),
    (
        "X-Resource-Token and X-Resource-Scope for the upstream, whatever a client sends",
        identity_headers_are_set,
    ),
    (
        "the OpenAPI document, from which types are generated, has path, PUT and names",
        the_document_has_the_form,
    ),
    ("the page has an optimistic switch and a dialog to show, hide and copy", the_page_has_switch_and_dialog),
];

each_backend!(the_local_model_server_is_met, |db| {
    let more = "[limits]\ncreations_per_hour = 0\nfailures_per_minute = 0\nmanagement_per_minute = 0";
    Product::start(db, "local-model", &ROLES, more).meets(REQUIREMENTS);
});

fn create(product: &Product<'_>, user: &str, scope: &str) -> (String, String) {
    let created = product.call("POST", TOKENS, user, &json!({"name": "app", "scope": scope})).is(201);
    (created.text("id"), created.text("token"))
}

fn creates_lists_and_updates(product: &Product<'_>) {
    let ada = product.jwt("crud", "user");
    let created =
        product.call("POST", TOKENS, &ada, &json!({"name": "app", "scope": "scope_token_user"})).is(201);
    let path = format!("{TOKENS}/{}", created.text("id"));
    assert_eq!(
        (created.header("location"), created.text("scope").as_str()),
        (path.as_str(), "scope_token_user")
    );
    assert_eq!(product.get(TOKENS, &ada).is(200).body["data"][0]["scope"], "scope_token_user");
    let updated = product.call("PUT", &path, &ada, &json!({"name": "renamed", "status": "inactive"})).is(200);
    assert_eq!((updated.text("name"), updated.text("status")), ("renamed".to_owned(), "inactive".to_owned()));
    // Without a scope a token has that of users.
    let default = product.call("POST", TOKENS, &ada, &json!({"name": "x"})).is(201);
    assert_eq!(default.text("scope"), "scope_token_user");
    product
        .call("POST", TOKENS, &ada, &json!({"name": "x", "scopes": ["chat:read"]}))
        .problem(422, "validation_failed");
}

fn tokens_have_the_prefix_and_hash(product: &Product<'_>) {
    let (_, token) = create(product, &product.jwt("prefix", "user"), "scope_token_user");
    assert!(has_form(&token, "bodhiapp_"));
    let stored = product.stored();
    assert!(stored.contains("$sha256$") && !stored.contains(&token[22..]));
}

fn lookup_is_by_prefix(product: &Product<'_>) {
    let (id, token) = create(product, &product.jwt("lookup", "user"), "scope_token_user");
    assert_eq!(product.get("/api/v1/token", &token).is(200).text("id"), id);
    // The same first characters with another secret.
    product.get("/api/v1/token", &guess(&token)).problem(401, "invalid_token");
    product.get("/api/v1/token", &token[..30]).problem(401, "invalid_token");
}

fn a_token_has_one_role_scope(product: &Product<'_>) {
    let admin = product.jwt("roles", "admin");
    for (scope, granted, refused) in [
        ("scope_token_user", "chat:write", "models:write"),
        ("scope_token_power_user", "models:write", "access:read"),
        ("scope_token_manager", "access:write", "settings:read"),
        ("scope_token_admin", "settings:write", "admin:read"),
    ] {
        let (_, token) = create(product, &admin, scope);
        product.get(&format!("/auth/caddy?scope={granted}"), &token).is(200);
        product.get(&format!("/auth/caddy?scope={scope}"), &token).is(200);
        product.get("/auth/caddy?scope=scope_token_user", &token).is(200);
        product.get(&format!("/auth/caddy?scope={refused}"), &token).is(403);
    }
    let unknown = json!({"name": "x", "scope": "scope_token_root"});
    let problem = product.call("POST", TOKENS, &admin, &unknown).problem(422, "validation_failed");
    assert_eq!(problem.body["errors"][0]["pointer"], "/scope");
}

fn a_token_has_no_other_scope(product: &Product<'_>) {
    let admin = product.jwt("exactly-one", "admin");
    let (id, token) = create(product, &admin, "scope_token_user");
    let path = format!("{TOKENS}/{id}");
    for wrong in ["", "scope_token_user scope_token_manager", "chat:read", "scope_token_user chat:read", "*"]
    {
        let body = json!({"name": "app", "scope": wrong});
        for (method, path) in [("POST", TOKENS), ("PUT", &path), ("PATCH", &path)] {
            let problem = product.call(method, path, &admin, &body).problem(422, "validation_failed");
            let error = &problem.body["errors"][0];
            assert_eq!((&error["pointer"], &error["code"]), (&json!("/scope"), &json!("exclusive_scopes")));
        }
    }
    assert_eq!(product.get("/api/v1/token", &token).is(200).body["scopes"], json!(["scope_token_user"]));
    let changed = product.call("PUT", &path, &admin, &json!({"scope": "scope_token_manager"})).is(200);
    assert_eq!(changed.text("scope"), "scope_token_manager");
    let catalog = product.get("/api/v1/scopes", &admin).is(200).body;
    assert_eq!(catalog["exclusive_scopes"].as_array().unwrap().len(), ROLES.len());
    let (status, text) = product
        .cli("local-model", &["token", "create", "--user", "admin", "--name", "x", "--scope", "chat:read"]);
    assert!(status == 2 && text.contains("must be exactly one of"), "{status} {text}");
}

fn a_token_never_exceeds_the_role(product: &Product<'_>) {
    for (rank, role) in ROLES.into_iter().enumerate() {
        let owner = product.jwt(&format!("owner-{role}"), role);
        for (wanted, scope) in ROLES.into_iter().enumerate() {
            let body = json!({"name": "x", "scope": format!("scope_token_{scope}")});
            let status = if wanted <= rank { 201 } else { 403 };
            assert_eq!(product.call("POST", TOKENS, &owner, &body).status, status, "{role} {scope}");
        }
    }
    // An update has the same ceiling.
    let owner = product.jwt("owner-user", "user");
    let (id, _) = create(product, &owner, "scope_token_user");
    let wider = json!({"scope": "scope_token_manager"});
    assert_eq!(product.call("PUT", &format!("{TOKENS}/{id}"), &owner, &wider).status, 403);
}

fn a_lowered_role_lowers_its_tokens(product: &Product<'_>) {
    let manager = product.jwt("lowered", "manager");
    let (_, token) = create(product, &manager, "scope_token_manager");
    product.get("/auth/caddy?scope=access:write", &token).is(200);
    // The issuer says so at the next sign-in.
    product.get("/api/v1/me", &product.jwt("lowered", "user")).is(200);
    let user = product.get("/api/v1/me", &product.jwt("lowered", "user")).is(200).text("user_id");
    product.call("PATCH", &format!("/api/v1/users/{user}"), &product.root, &json!({"role": "user"})).is(200);
    product.get("/auth/caddy?scope=access:write", &token).is(403);
    let left = product.get("/auth/caddy?scope=chat:write", &token).is(200);
    assert_eq!(left.header("x-resource-scope"), "scope_token_user chat:read chat:write models:read");
}

fn a_token_is_switched(product: &Product<'_>) {
    let ada = product.jwt("switch", "user");
    let (id, token) = create(product, &ada, "scope_token_user");
    let path = format!("{TOKENS}/{id}");
    for (status, answer) in [("inactive", 401), ("active", 200), ("inactive", 401), ("active", 200)] {
        let switched = product.call("PUT", &path, &ada, &json!({"name": "app", "status": status})).is(200);
        assert_eq!(switched.text("status"), status);
        product.get("/api/v1/token", &token).is(answer);
    }
    product.call("PUT", &path, &ada, &json!({"status": "revoked"})).problem(422, "validation_failed");
}

fn lists_have_pages_by_number(product: &Product<'_>) {
    let ada = product.jwt("pages", "user");
    for _ in 0..5 {
        create(product, &ada, "scope_token_user");
    }
    let mut ids = Vec::new();
    for page in 1..=3 {
        let answer = product.get(&format!("{TOKENS}?page={page}&page_size=2"), &ada).is(200).body;
        assert_eq!(
            (&answer["page"], &answer["page_size"], &answer["total"]),
            (&json!(page), &json!(2), &json!(5))
        );
        ids.extend(answer["data"].as_array().unwrap().iter().map(|token| token["id"].to_string()));
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 5);
    let first = product.get(&format!("{TOKENS}?limit=3"), &ada).is(200);
    let cursor = first.text("next_cursor");
    let rest = product.get(&format!("{TOKENS}?limit=3&cursor={cursor}"), &ada).is(200).body;
    assert_eq!(rest["data"].as_array().unwrap().len(), 2);
}

fn bearer_takes_precedence(product: &Product<'_>) {
    let page = [("X-Tokenry-Request", "1"), ("Sec-Fetch-Site", "same-origin"), ("Host", "127.0.0.1")];
    let started =
        product.with("POST", "/session", &product.jwt("session", "user"), &page[..2], &Value::Null).is(201);
    let cookie = started.header("set-cookie").split(';').next().unwrap().to_owned();
    let with_cookie = [page[0], page[1], ("Cookie", cookie.as_str())];
    let subject =
        |credential: &str| product.with("GET", "/api/v1/me", credential, &with_cookie, &Value::Null);
    assert_eq!(subject("").is(200).text("subject"), "login:session");
    assert_eq!(subject(&product.jwt("bearer", "user")).is(200).text("subject"), "login:bearer");
    // A wrong one is not replaced by the session.
    subject("bodhiapp_wrong").problem(401, "invalid_token");
}

fn identity_headers_are_set(product: &Product<'_>) {
    let (id, token) = create(product, &product.jwt("headers", "power_user"), "scope_token_power_user");
    let forged = [("X-Resource-Token", "forged"), ("X-Resource-Scope", "scope_token_admin")];
    let answer = product.with("GET", "/auth/caddy?scope=models:read", &token, &forged, &Value::Null).is(200);
    assert_eq!(answer.header("x-resource-token"), id);
    assert!(answer.header("x-resource-scope").starts_with("scope_token_power_user scope_token_user "));
    assert!(!answer.head.contains(&token), "the upstream gets no secret");
    // Also an answer without a caller has both, so that a proxy that copies them deletes what a client sent.
    let refused = product.with("GET", "/auth/caddy?scope=models:read", "", &forged, &Value::Null).is(401);
    let head = refused.head.to_lowercase();
    for name in
        ["x-resource-token", "x-resource-scope", "x-resource-user", "x-resource-role", "x-resource-subject"]
    {
        assert!(head.contains(&format!("{name}:")), "{name} in {head}");
        assert_eq!(refused.header(name), "");
    }
}

fn the_document_has_the_form(product: &Product<'_>) {
    let document = product.get("/openapi.json", "").is(200).body;
    assert!(document["paths"]["/api/tokens/{id}"]["put"].is_object());
    let schemas = &document["components"]["schemas"];
    assert_eq!(schemas["CreateToken"]["properties"]["scope"]["type"], "string");
    assert!(schemas["CreateToken"]["properties"]["scopes"].is_null());
    let (status, printed) = product.cli("local-model", &["openapi"]);
    assert_eq!((status, serde_json::from_str::<Value>(&printed).unwrap()), (0, document));
}

fn the_page_has_switch_and_dialog(product: &Product<'_>) {
    let page = product.get("/", "").is(200);
    assert!(page.head.contains("text/html"));
    shown_in_a_browser_by(&[
        "a_switch_changes_immediately_and_reverts_with_the_servers_message",
        "a_switch_is_disabled_until_its_request_completes",
        "an_unsaved_secret_is_hidden_until_shown",
        "a_secret_is_shown_once_copied_used_and_then_nowhere",
        "exactly_one_exclusive_scope_is_chosen_for_a_token",
    ]);
}
