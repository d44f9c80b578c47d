//! The service of `examples/axum`, which follows docs/EMBEDDING.md.

use serde_json::{Value, json};
use tokenry_testkit::{each_backend, http};

#[path = "../../examples/axum/accounts.rs"]
mod accounts;
#[path = "../../examples/axum/clock.rs"]
mod clock;
#[path = "../../examples/axum/notes.rs"]
mod notes;
#[path = "../../examples/axum/tokens.rs"]
mod tokens;

use crate::servers::serve_axum;

each_backend!(an_existing_service_gets_tokens_for_its_own_accounts, |db| {
    let tokenry = tokens::open(db.url()).unwrap();
    let (runtime, address) = serve_axum(notes::app(tokenry, accounts::Accounts::sample()));
    let post = |path: &str, token: &str, body: &Value| {
        let header = format!("Authorization: Bearer {token}");
        http::send(address, &format!("POST {path}"), &[header.as_bytes()], &body.to_string())
    };
    let create = |account: &str, password: &str, scopes: &[&str]| {
        let body = json!({"account": account, "password": password, "name": "backup", "scopes": scopes});
        post("/tokens", "", &body)
    };
    let token = |account: &str, password: &str, scopes: &[&str]| {
        let answer = create(account, password, scopes);
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()["token"].as_str().unwrap().to_owned()
    };
    let read = |token: &str| http::get(address, "/notes", &[format!("Bearer {token}").as_bytes()]);

    let ada = token("ada", "lovelace", &["notes:write"]);
    assert!(ada.starts_with("notes_"));
    assert_eq!(post("/notes", &ada, &json!("an engine")).status, 201);
    let notes = read(&ada).json();
    assert_eq!((&notes["reader"], notes["notes"].as_array().unwrap().len()), (&json!("ada"), 1));

    // An account has no more than its role, and nobody creates tokens without its password.
    assert_eq!(create("bob", "builder", &["notes:write"]).status, 422);
    assert_eq!(create("bob", "builder", &["notes:delete"]).status, 422);
    assert_eq!(create("bob", "lovelace", &["notes:read"]).status, 403);
    let bob = token("bob", "builder", &["notes:read"]);
    assert_eq!(read(&bob).status, 200);
    let refused = post("/notes", &bob, &json!("graffiti"));
    assert_eq!((refused.status, refused.json()["code"].as_str()), (403, Some("insufficient_scope")));
    assert_eq!(
        refused.header("www-authenticate"),
        r#"Bearer error="insufficient_scope", scope="notes:write", error_description="The credential lacks a scope.""#
    );
    assert_eq!(http::get(address, "/notes", &[]).status, 401);

    // A closed account's tokens are refused by the very next request.
    assert_eq!(post("/close", "", &json!({"account": "bob", "password": "builder"})).status, 204);
    assert_eq!(read(&bob).status, 401);
    assert_eq!(create("bob", "builder", &["notes:read"]).status, 403);
    assert_eq!(read(&ada).status, 200);
    runtime.shutdown_background();
});
