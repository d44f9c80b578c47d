//! Verification for other services: all endpoints have the same result.

use actix_web::test::TestRequest;
use serde_json::{Value, json};
use tokenry_actix::{
    clock,
    tokenry::{
        Activation, Expiry, Lifetime, NewToken, Rejection, Rotation, TokenChanges, UserChanges, VerifyError,
    },
};
use tokenry_testkit::each_backend;

use crate::{
    api::{Api, Response, request},
    forward,
};

const IP: &str = "192.0.2.1";

fn form(api: &Api, path: &str, credential: &str, body: &str) -> Response {
    let kind = ("content-type", "application/x-www-form-urlencoded");
    let request: TestRequest = request("POST", path, credential).insert_header(kind);
    api.send(request.set_payload(body.to_owned()))
}

fn verify(api: &Api, body: &Value) -> Value {
    let response = api.json("POST", "/api/v1/verify", &api.root, body);
    assert_eq!((response.status, response.header("cache-control")), (200, "no-store"), "{}", response.body);
    response.json()
}

/// A token for each possible result.
fn cases(api: &Api) -> Vec<(String, &'static str)> {
    let alice = api.user("alice");
    let gone = api.user("gone");
    let operator = api.operator();
    let make = |change: fn(&mut NewToken), owner: &tokenry_actix::tokenry::User| {
        let mut new = NewToken::new("t").with_scopes(vec!["a:write".to_owned()]);
        change(&mut new);
        let issued = api.tokenry.issue_token(&operator, owner.id, new).unwrap();
        (issued.token.id, issued.secret.reveal_once().to_string())
    };
    let (_, good) = make(|_| {}, &alice);
    let (_, here) = make(|new| new.allowed_ips = Some(vec![IP.to_owned()]), &alice);
    let (_, bound) = make(|new| new.allowed_ips = Some(vec!["10.0.0.0/8".to_owned()]), &alice);
    let (_, later) = make(|new| new.not_before = clock::now().checked_add(Lifetime::days(1)), &alice);
    let (revoked_id, revoked) = make(|_| {}, &alice);
    api.tokenry.revoke_token(&operator, revoked_id, None).unwrap();
    let (paused_id, paused) = make(|_| {}, &alice);
    let pause = TokenChanges::default().with_switch(Activation::Inactive);
    api.tokenry.update_token(&operator, paused_id, pause).unwrap();
    let (rotated_id, rotated) = make(|_| {}, &alice);
    api.tokenry.rotate_token(&operator, rotated_id, Rotation::default()).unwrap();
    let (_, disabled) = make(|_| {}, &gone);
    api.tokenry.update_user(&operator, gone.id, UserChanges::default().with_disabled(true)).unwrap();
    let unknown = {
        let other = tokenry_actix::tokenry::PlainToken::generate(
            api.tokenry.prefix(),
            &mut tokenry_actix::tokenry::SecretRng::os(),
        );
        other.unwrap().reveal_once().to_string()
    };
    let cut = good[..good.len() - 1].to_owned();
    vec![
        (good, ""),
        (here, ""),
        (bound, "ip_not_allowed"),
        (later, "inactive_token"),
        (revoked, "revoked_token"),
        (paused, "inactive_token"),
        (rotated, "revoked_token"),
        (disabled, "user_disabled"),
        (unknown, "invalid_token"),
        (cut, "invalid_token"),
        (String::new(), "invalid_token"),
        ("x".repeat(600), "invalid_token"),
    ]
}

each_backend!(crate_middleware_verify_introspection_and_forward_auth_give_the_same_verdicts, |db| {
    let api = Api::with(db, |settings| settings.catalog = forward::routes("a"), forward::trusting(IP));
    for (text, code) in cases(&api) {
        let source = Some(IP.parse().unwrap());
        let by_crate = api.tokenry.verify_blocking(text.as_bytes(), clock::now(), source);
        assert_eq!(by_crate.is_ok(), code.is_empty(), "{code}");
        if !text.is_empty() {
            let by_route = api.call("GET", "/api/v1/token", &text);
            let heard = by_route.json()["code"].as_str().unwrap_or_default().to_owned();
            assert_eq!(heard, code);
            for dialect in forward::DIALECTS {
                let by_routes = api.send(forward::about(dialect, "POST", "/demo/x", &text));
                // Behind Envoy's prefix the path is the client's; the others support a scope in the query.
                let by_scope =
                    api.call("POST", &format!("{}?scope=a:write", dialect.trim_end_matches('/')), &text);
                for response in [by_routes, by_scope] {
                    assert_eq!(response.status == 200, code.is_empty(), "{dialect}");
                    assert_eq!(
                        response.header("x-resource-token-id").is_empty(),
                        !code.is_empty(),
                        "{dialect}"
                    );
                    let heard =
                        if response.status == 200 { Value::Null } else { response.json()["code"].clone() };
                    assert_eq!(heard.as_str().unwrap_or_default(), code, "{dialect}");
                }
            }
        }
        let verdict = verify(&api, &json!({"token": text, "ip": IP}));
        assert_eq!(verdict["valid"], code.is_empty());
        assert_eq!(verdict["code"].as_str().unwrap_or_default(), code);
        let introspected = form(&api, "/oauth/introspect", &api.root, &format!("token={text}&ip={IP}"));
        assert_eq!(introspected.json()["active"], code.is_empty());
        if !code.is_empty() {
            assert_eq!(verdict, json!({"valid": false, "code": code}));
            assert_eq!(introspected.body, r#"{"active":false}"#);
        }
    }
});

each_backend!(a_verdict_has_owner_scopes_and_missing_scopes, |db| {
    let api = Api::new(db);
    let alice = api.user("alice");
    let (id, text) = api.token_of(&alice, &["a:write"]);
    let verdict = verify(&api, &json!({"token": text, "scopes": ["a:read"]}));
    assert_eq!(verdict["valid"], true);
    assert_eq!(verdict["token"]["id"], id);
    assert_eq!(verdict["user"], json!({"id": alice.id.to_string(), "subject": "alice", "role": "user"}));
    assert_eq!(verdict["scopes"], json!(["a:write"]));
    assert!(!verdict.to_string().contains(&text));
    let rejected = verify(&api, &json!({"token": text, "scopes": ["a:admin", "a:read", "b:read"]}));
    assert_eq!(
        rejected,
        json!({"valid": false, "code": "insufficient_scope", "missing_scopes": ["a:admin", "b:read"]})
    );
    for (method, resource, valid) in [
        ("GET", "a", true),
        ("HEAD", "a", true),
        ("DELETE", "a", true),
        ("PROPFIND", "a", true),
        ("GET", "b", false),
        ("GET", "admin", false),
    ] {
        let body = json!({"token": text, "method": method, "resource": resource});
        assert_eq!(verify(&api, &body)["valid"], valid, "{method} {resource}");
    }
    let (_, reader) = api.token_of(&alice, &["a:read"]);
    let verdict = verify(&api, &json!({"token": reader, "method": "PROPFIND", "resource": "a"}));
    assert_eq!(verdict["missing_scopes"], json!(["a:write"]), "what is not known to read writes");
    for body in [
        json!({"token": text, "method": "GET"}),
        json!({"token": text, "resource": "a"}),
        json!({"token": text, "method": "get", "resource": "a"}),
        json!({"token": text, "method": "GET", "resource": "a:b"}),
        json!({"token": text, "scopes": ["A"]}),
        json!({"token": text, "ip": "localhost"}),
        json!({"scopes": []}),
        json!({"token": text, "user_id": "x"}),
    ] {
        api.json("POST", "/api/v1/verify", &api.root, &body).is_problem(422, "validation_failed");
    }
    let bound = NewToken::new("bound")
        .with_allowed_ips(vec![IP.to_owned()])
        .with_expiry(Expiry::In(Lifetime::days(1)));
    let bound = api.tokenry.issue_token(&api.operator(), alice.id, bound).unwrap().secret.reveal_once();
    let verdict = verify(&api, &json!({"token": bound.as_str()}));
    assert_eq!(verdict["code"], "ip_not_allowed", "a missing address is rejected");
});

each_backend!(an_introspection_response_follows_rfc_7662, |db| {
    let api = Api::new(db);
    let alice = api.user("alice");
    let (id, text) = api.token_of(&alice, &["a:write", "b:read"]);
    let response =
        form(&api, "/oauth/introspect", &api.root, &format!("token={text}&token_type_hint=access_token"));
    assert_eq!(response.status, 200);
    let seen = response.json();
    let claims = ["active", "client_id", "exp", "iat", "jti", "scope", "sub", "token_type", "username"];
    assert_eq!(seen.as_object().unwrap().keys().collect::<Vec<_>>(), claims);
    assert_eq!(
        (&seen["sub"], &seen["scope"], &seen["jti"]),
        (&json!("alice"), &json!("a:read a:write b:read"), &json!(id))
    );
    assert_eq!(seen["token_type"], "Bearer");
    assert!(seen["exp"].as_i64().unwrap() - seen["iat"].as_i64().unwrap() == 90 * 86_400);
    form(&api, "/oauth/introspect", &api.root, "").is_oauth_error(400, "invalid_request");
    form(&api, "/oauth/introspect", &api.root, &format!("token={text}&token={text}"))
        .is_oauth_error(400, "invalid_request");
    api.json("POST", "/oauth/introspect", &api.root, &json!({"token": text}))
        .is_oauth_error(415, "invalid_request");
});

each_backend!(the_bearer_of_a_token_can_revoke_it_and_learns_nothing_else, |db| {
    let api = Api::new(db);
    let alice = api.user("alice");
    let (id, text) = api.token_of(&alice, &[]);
    let (_, kept) = api.token_of(&alice, &[]);
    let end = |token: &str| {
        let response = form(&api, "/oauth/revoke", "", &format!("token={token}"));
        assert_eq!((response.status, response.body.as_str()), (200, ""));
    };
    let pause = TokenChanges::default().with_switch(Activation::Inactive);
    api.tokenry.update_token(&api.operator(), id.parse().unwrap(), pause).unwrap();
    let mut wrong = kept.clone();
    wrong.replace_range(30..31, if kept.as_bytes()[30] == b'a' { "b" } else { "a" });
    for token in [text.as_str(), &text, "x", &wrong, &"x".repeat(600)] {
        end(token);
    }
    let outcome = api.tokenry.verify_blocking(text.as_bytes(), clock::now(), None);
    assert!(matches!(outcome, Err(VerifyError::Rejected(Rejection::Revoked))));
    assert_eq!(
        api.call("GET", "/api/v1/token", &kept).status,
        200,
        "another secret of the same public id ends nothing"
    );
    let shown = api.tokenry.find_token(&api.operator(), id.parse().unwrap()).unwrap().0;
    assert_eq!(shown.revoked.unwrap().by.to_string(), format!("token:{id}"));
});
