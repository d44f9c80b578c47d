//! Which credentials are accepted, and the responses to the others.

use serde_json::json;
use tokenry_actix::{Access, ROUTES};
use tokenry_testkit::each_backend;

use crate::api::{Api, from_page, request};

/// The maximum length of an `Authorization` header, in bytes.
const MAX_CREDENTIAL: usize = 512;

const ID: &str = "01900000-0000-7000-8000-000000000000";

each_backend!(every_route_that_is_not_public_requires_its_scope, |db| {
    let api = Api::new(db);
    let owner = api.user("alice");
    let (_, none) = api.token_of(&owner, &[]);
    let (_, read) = api.token_of(&owner, &["tokens:read"]);
    let (_, write) = api.token_of(&owner, &["tokens:write"]);
    for route in ROUTES {
        let path = route.path.replace("{id}", ID).replace("{path}", "x");
        let ask = |token: &str| {
            let asked = from_page(request(route.method, &path, token));
            let asked = asked.insert_header(("content-type", "application/json"));
            api.send(asked.set_payload(json!({"name": "x"}).to_string()))
        };
        if route.access == Access::Public {
            assert!(![401, 403].contains(&ask("").status), "{path}");
            continue;
        }
        let rejected = ask("");
        rejected.is_rejection(&path, 401, "authentication_required");
        assert_eq!(rejected.header("www-authenticate"), "Bearer realm=\"tokenry\"");
        // A client of introspection and verification may also authenticate by Basic.
        let offers_basic = matches!(route.access, Access::TokenScope(_));
        let basic = if offers_basic { &["Basic realm=\"tokenry\""][..] } else { &[] };
        assert_eq!(rejected.values("www-authenticate")[1..], *basic, "{path}");
        ask("pat_nonsense").is_rejection(&path, 401, "invalid_token");
        if let Access::Scope(scope) | Access::TokenScope(scope) = route.access {
            let rejected = ask(&none);
            rejected.is_rejection(&path, 403, "insufficient_scope");
            let challenge = format!(
                "Bearer error=\"insufficient_scope\", scope=\"{scope}\", error_description=\"The credential lacks a scope.\""
            );
            assert_eq!(rejected.header("www-authenticate"), challenge, "{path}");
            assert_eq!(ask(&read).status == 403, scope != "tokens:read", "{} {path}", route.method);
            assert_eq!(ask(&write).status == 403, !scope.starts_with("tokens:"), "{} {path}", route.method);
        }
    }
});

each_backend!(a_caller_without_the_scope_gets_403_before_path_and_body_are_checked, |db| {
    let api = Api::new(db);
    let (_, none) = api.token_of(&api.user("alice"), &[]);
    for (token, status) in [("", 401), ("pat_x", 401), (none.as_str(), 403)] {
        assert_eq!(api.raw("POST", "/api/v1/tokens", token, "{").status, status);
        assert_eq!(api.raw("POST", "/api/v1/tokens?x=1", token, " ".repeat(20_000)).status, status);
        assert_eq!(api.raw("PATCH", "/api/v1/tokens/nonsense", token, "{").status, status);
        assert_eq!(api.call("GET", "/api/v1/tokens/nonsense", token).status, status);
        assert_eq!(api.call("GET", "/api/v1/tokens?limit=0", token).status, status);
    }
});

each_backend!(an_oversized_authorization_header_is_an_invalid_token, |db| {
    let api = Api::new(db);
    let (_, text) = api.token_of(&api.user("alice"), &[]);
    for (padding, status) in
        [(0, 200), (MAX_CREDENTIAL - 7 - text.len(), 200), (MAX_CREDENTIAL - 6 - text.len(), 401)]
    {
        for credential in [format!("{}{text}", " ".repeat(padding)), format!("{text}{}", " ".repeat(padding))]
        {
            let header = ("authorization", format!("Bearer {credential}"));
            let response = api.send(request("GET", "/api/v1/token", "").insert_header(header));
            assert_eq!(response.status, status, "{padding}");
        }
    }
    api.call("GET", "/api/v1/me", &"x".repeat(506)).is_problem(401, "invalid_token");
});

each_backend!(every_invalid_token_gets_an_identical_response, |db| {
    let api = Api::new(db);
    let (_, text) = api.token_of(&api.user("alice"), &[]);
    let mut wrong_checksum = text.clone();
    wrong_checksum.replace_range(text.len() - 1.., if text.ends_with('a') { "b" } else { "a" });
    let ask = |credential: &[u8]| {
        let mut header = b"Bearer ".to_vec();
        header.extend_from_slice(credential);
        let value = actix_web::http::header::HeaderValue::from_bytes(&header).unwrap();
        let response = api.send(
            request("GET", "/api/v1/me", "")
                .insert_header(("authorization", value))
                .insert_header(("x-request-id", "same")),
        );
        response.is_problem(401, "invalid_token");
        let challenge =
            r#"Bearer realm="tokenry", error="invalid_token", error_description="The token is not valid.""#;
        assert_eq!(response.header("www-authenticate"), challenge);
        response.body
    };
    let expected = ask(b"x");
    for credential in [
        wrong_checksum.as_bytes(),
        &text.as_bytes()[..text.len() - 1],
        text.to_uppercase().as_bytes(),
        format!("{text}{text}").as_bytes(),
        &[0xff; 65],
        "é".as_bytes(),
        "x".repeat(506).as_bytes(),
    ] {
        assert_eq!(ask(credential), expected);
    }
});

each_backend!(a_repeated_or_malformed_credential_is_a_bad_request, |db| {
    let api = Api::new(db);
    let root = format!("Bearer {}", api.root);
    for headers in
        [&[root.as_str(), root.as_str()][..], &[&root, "Basic x"], &["Bearer"], &[&format!("{root} {root}")]]
    {
        let mut ask = request("GET", "/api/v1/me", "");
        for value in headers {
            ask = ask.append_header(("authorization", *value));
        }
        let rejected = api.send(ask);
        rejected.is_problem(400, "invalid_request");
        assert_eq!(rejected.header("www-authenticate"), "Bearer error=\"invalid_request\"");
    }
    let basic = request("GET", "/api/v1/me", "").insert_header(("authorization", "Basic cm9vdA=="));
    api.send(basic).is_problem(401, "authentication_required");
});

each_backend!(a_disabled_owner_and_an_unlisted_address_are_rejected_immediately, |db| {
    let api = Api::new(db);
    let alice = api.user("alice");
    let (_, text) = api.token_of(&alice, &["*"]);
    assert_eq!(api.call("GET", "/api/v1/me", &text).status, 200);
    api.tokenry
        .update_user(
            &api.operator(),
            alice.id,
            tokenry_actix::tokenry::UserChanges::default().with_disabled(true),
        )
        .unwrap();
    api.call("GET", "/api/v1/me", &text).is_problem(401, "user_disabled");
    api.tokenry
        .update_user(
            &api.operator(),
            alice.id,
            tokenry_actix::tokenry::UserChanges::default().with_disabled(false),
        )
        .unwrap();
    let (_, elsewhere) = api.create(&text, &json!({"name": "x", "allowed_ips": ["203.0.113.0/24"]}));
    let forged = request("GET", "/api/v1/me", &elsewhere).insert_header(("x-forwarded-for", "203.0.113.9"));
    api.send(forged).is_problem(403, "ip_not_allowed");
});

each_backend!(the_bearer_of_a_token_can_revoke_it, |db| {
    let api = Api::new(db);
    let (_, text) = api.token_of(&api.user("alice"), &[]);
    assert_eq!(api.call("DELETE", "/api/v1/token", &text).status, 204);
    api.call("DELETE", "/api/v1/token", &text).is_problem(401, "revoked_token");
});

each_backend!(me_shows_the_caller, |db| {
    let api = Api::new(db);
    let alice = api.user("alice");
    let (_, text) = api.token_of(&alice, &["x:read", "tokens:write"]);
    let me = api.call("GET", "/api/v1/me", &text).json();
    assert_eq!(me["user_id"], alice.id.to_string());
    assert_eq!(
        (&me["subject"], &me["role"], &me["credential"]),
        (&json!("alice"), &json!("user"), &json!("pat"))
    );
    assert_eq!(me["scopes"], json!(["tokens:write", "x:read"]));
    assert_eq!(me["limits"]["live_tokens"], 1);
});

#[test]
fn an_unavailable_database_is_503_for_valid_and_invalid_tokens() {
    let Some(db) = tokenry_testkit::TestDatabase::postgres() else { return };
    let api = Api::new(&db);
    let (_, unknown) = api.token_of(&api.user("alice"), &[]);
    assert_eq!(api.call("GET", "/readyz", "").status, 200);
    drop(db);
    for path in ["/api/v1/me", "/api/v1/tokens", "/api/v1/token"] {
        for token in [&api.root, &unknown] {
            let rejected = api.call("GET", path, token);
            rejected.is_problem(503, "service_unavailable");
            assert!(rejected.header("retry-after").parse::<u64>().unwrap() > 0);
        }
    }
    api.call("GET", "/readyz", "").is_problem(503, "service_unavailable");
    assert_eq!(api.call("GET", "/healthz", "").status, 200);
}
