//! The challenges of guarded routes, with and without an authorization server (RFC 9728).

use actix_web::{
    App,
    http::StatusCode,
    middleware::from_fn,
    rt::System,
    test::{TestRequest, call_and_read_body_json, call_service, init_service},
    web,
};
use serde_json::{Value, json};
use tokenry_actix::{
    Authorized, HttpSettings, authenticate, protected_resource_metadata,
    tokenry::{ProtectedResource, Settings},
};
use tokenry_testkit::{TestDatabase, each_backend};

use crate::{
    api::{Api, request},
    forward::{about, routes, trusting},
};

const ROOT: &str = "/.well-known/oauth-protected-resource";
const AT_PATH: &str = "/.well-known/oauth-protected-resource/mcp";
const NAMED: &str = r#", resource_metadata="https://mcp.test/.well-known/oauth-protected-resource/mcp""#;
const DIALECTS: [&str; 5] = ["/auth/nginx", "/auth/traefik", "/auth/caddy", "/auth/envoy", "/auth/envoy/"];

fn resource() -> ProtectedResource {
    let scopes = ["demo:read", "demo:write"];
    ProtectedResource::new("https://mcp.test/mcp", ["https://id.test"], scopes).unwrap()
}

fn document() -> Value {
    json!({
        "resource": "https://mcp.test/mcp",
        "authorization_servers": ["https://id.test"],
        "scopes_supported": ["demo:read", "demo:write"],
        "bearer_methods_supported": ["header"],
    })
}

tokenry_actix::scope! {
    /// For this test.
    DemoRead = "demo:read";
}

async fn guarded(caller: Authorized<DemoRead>) -> String {
    caller.owner().subject.to_string()
}

each_backend!(the_metadata_is_that_of_the_configuration_at_two_paths_only, |db| {
    let api = Api::new(db);
    for path in [ROOT, AT_PATH] {
        api.call("GET", path, "").is_problem(404, "not_found");
    }
    let api = api.with_http(HttpSettings::default().with_protected_resource(resource()));
    for path in [ROOT, AT_PATH] {
        let ask = request("GET", path, "")
            .insert_header(("host", "evil.test"))
            .insert_header(("x-forwarded-host", "evil.test"))
            .insert_header(("x-forwarded-proto", "http"));
        let response = api.send(ask);
        assert_eq!((response.status, response.json()), (200, document()), "{path}");
        assert_eq!(response.header("content-type"), "application/json");
        api.call("GET", path, "pat_nonsense").json();
        api.call("POST", path, "").is_problem(405, "method_not_allowed");
        api.call("GET", &format!("{path}?x=1"), "").is_problem(422, "validation_failed");
    }
    for path in ["/", "x", "/mcp/", "/mcp/x", "/other", "/%6dcp", "/./mcp", "//mcp"] {
        api.call("GET", &format!("{ROOT}{path}"), "").is_problem(404, "not_found");
    }
});

/// What an embedded app sends: each of the four requests with the middleware and without.
fn embedded(api: &Api, resource: Option<ProtectedResource>, tokens: &[&str]) -> Vec<(StatusCode, String)> {
    let tokenry = web::Data::new(api.tokenry.clone());
    System::new().block_on(async {
        let guard = web::scope("/guard").wrap(from_fn(authenticate)).route("", web::get().to(guarded));
        let mut app = App::new().app_data(tokenry).service(guard).route("/bare", web::get().to(guarded));
        if let Some(resource) = resource {
            app = app.app_data(resource);
        }
        let app = init_service(app.configure(protected_resource_metadata)).await;
        let mut answers = Vec::new();
        for (path, token) in
            ["/guard", "/bare"].into_iter().flat_map(|path| tokens.iter().map(move |t| (path, t)))
        {
            let mut ask = TestRequest::with_uri(path);
            if !token.is_empty() {
                ask = ask.insert_header(("authorization", format!("Bearer {token}")));
            }
            let response = call_service(&app, ask.to_request()).await;
            let challenge = response.headers().get("www-authenticate");
            answers
                .push((response.status(), challenge.map_or("", |value| value.to_str().unwrap()).to_owned()));
        }
        for path in [ROOT, AT_PATH] {
            let ask = TestRequest::with_uri(path).to_request();
            let body: Value = call_and_read_body_json(&app, ask).await;
            answers.push((StatusCode::OK, body.to_string()));
        }
        answers
    })
}

each_backend!(an_embedded_guard_names_the_metadata_in_each_challenge_if_there_is_one, |db| {
    let api = Api::new(db);
    let alice = api.user("alice");
    let (id, revoked) = api.token_of(&alice, &["demo:read"]);
    api.tokenry.revoke_token(&api.operator(), id.parse().unwrap(), None).unwrap();
    let (_, poor) = api.token_of(&alice, &["other:read"]);
    let (_, good) = api.token_of(&alice, &["demo:read"]);
    let tokens = ["", "pat_nonsense", &revoked, &poor, &good];
    let (plain, named) = (embedded(&api, None, &tokens), embedded(&api, Some(resource()), &tokens));
    let statuses: Vec<_> = plain.iter().map(|(status, _)| status.as_u16()).collect();
    assert_eq!(statuses[..10], [401, 401, 401, 403, 200, 401, 401, 401, 403, 200]);
    for (number, ((status, without), (same, with))) in plain.iter().zip(&named).take(10).enumerate() {
        let suffix = if status.is_success() { "" } else { NAMED };
        assert_eq!((same, with), (status, &format!("{without}{suffix}")), "{number}");
        assert!(!without.contains("resource_metadata"), "{without}");
    }
    assert!(plain[2].1.contains("The token was revoked."), "{}", plain[2].1);
    assert!(plain[3].1.contains(r#"error="insufficient_scope", scope="demo:read""#), "{}", plain[3].1);
    for ((_, missing), (_, found)) in plain[10..].iter().zip(&named[10..]) {
        assert!(missing.contains("not_found"), "{missing}");
        assert_eq!(serde_json::from_str::<Value>(found).unwrap(), document());
    }
});

fn guarding(db: &TestDatabase) -> Api {
    let http = trusting("192.0.2.1").with_protected_resource(resource());
    Api::with(db, |settings: &mut Settings| settings.catalog = routes("demo"), http)
}

each_backend!(forward_auth_names_the_metadata_and_the_api_itself_does_not, |db| {
    let api = guarding(db);
    let (_, poor) = api.token_of(&api.user("alice"), &["other:read"]);
    for dialect in DIALECTS {
        for (token, status) in [("", 401), ("pat_nonsense", 401), (poor.as_str(), 403)] {
            let response = api.send(about(dialect, "GET", "/demo/x", token));
            assert_eq!(response.status, status, "{dialect}");
            let challenge = response.header("www-authenticate");
            assert!(challenge.starts_with("Bearer ") && challenge.ends_with(NAMED), "{dialect} {challenge}");
        }
    }
    // The API is not the protected resource: its clients must not be sent to that authorization server.
    for (method, path) in [
        ("GET", "/api/v1/me"),
        ("GET", "/api/v1/token"),
        ("POST", "/api/v1/verify"),
        ("POST", "/oauth/introspect"),
    ] {
        for token in ["", "pat_nonsense", &poor] {
            let response = api.call(method, path, token);
            assert!(!response.values("www-authenticate").concat().contains("resource_metadata"), "{path}");
        }
        assert_eq!(api.call(method, path, "").status, 401, "{path}");
    }
    assert_eq!(api.call("POST", "/api/v1/verify", &poor).status, 403);
});
