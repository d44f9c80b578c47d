//! The table of routes, the app and the OpenAPI document agree.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tokenry_actix::{HttpSettings, ROUTES, openapi, tokenry::ProtectedResource};
use tokenry_testkit::each_backend;

use crate::{
    api::{Api, from_page, request},
    oidc::{
        self,
        fake::{self, FakeProvider},
    },
};

const ID: &str = "01900000-0000-7000-8000-000000000000";

each_backend!(each_path_handles_its_methods_and_answers_405_to_all_others, |db| {
    let provider = FakeProvider::new();
    let resource = ProtectedResource::new("https://mcp.test/x", ["https://id.test"], []).unwrap();
    let http = HttpSettings::default().with_protected_resource(resource);
    let api = oidc::with(db, &[(fake::ID, &provider)], |_| {}, http);
    let paths: BTreeSet<_> = ROUTES.iter().map(|route| route.path).collect();
    for path in paths {
        let mut allowed: BTreeSet<_> = ROUTES.iter().filter(|r| r.path == path).map(|r| r.method).collect();
        let is_any = allowed.contains("ANY");
        if allowed.contains("GET") {
            allowed.insert("HEAD");
        }
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "INVENTED"] {
            let id = if path.starts_with("/session/oidc/") { fake::ID } else { ID };
            let path = path.replace("{id}", id).replace("{path}", "x");
            let request = from_page(request(method, &path, ""));
            let response = api.send(request.insert_header(("x-forwarded-proto", "https")));
            if is_any || allowed.contains(method) {
                assert!(
                    matches!(response.status, 200 | 204 | 303 | 401 | 415),
                    "{method} {path}: {}",
                    response.status
                );
            } else {
                response.is_rejection(&path, 405, "method_not_allowed");
                let listed: BTreeSet<_> = response.header("allow").split(", ").collect();
                assert_eq!(listed, allowed, "{path}");
            }
        }
    }
});

each_backend!(an_unknown_path_is_404, |db| {
    let api = Api::new(db);
    for path in [
        "/",
        "/api",
        "/api/v1",
        "/api/v1/tokens/",
        "//api/v1/tokens",
        "/API/V1/tokens",
        "/api/v1/tokens/a/b",
        "/api/v1/../v1/tokens",
        "/api/v1/tokens%2f",
        "/healthz/",
        "/auth",
        "/auth/",
        "/auth/nginx/",
        "/auth/nginx/x",
        "/auth/haproxy",
        "/auth/envoyx",
        "/auth/envoy%2fx",
        "/AUTH/nginx",
        "//auth/nginx",
    ] {
        api.call("GET", path, &api.root).is_problem(404, "not_found");
    }
});

each_backend!(every_response_has_the_headers_of_the_contract, |db| {
    let api = Api::new(db);
    for (path, token) in [("/healthz", ""), ("/api/v1/me", ""), ("/api/v1/me", &api.root), ("/nowhere", "")] {
        let response = api.call("GET", path, token);
        assert_eq!(response.header("x-content-type-options"), "nosniff");
        assert_eq!(response.header("referrer-policy"), "no-referrer");
        assert!(response.header("content-security-policy").contains("frame-ancestors 'none'"));
        assert_eq!(response.header("cache-control"), "no-store");
        assert_eq!(response.header("x-request-id").len(), 32);
    }
});

#[test]
fn the_openapi_document_has_exactly_the_routes() {
    let document: Value = serde_json::from_str(openapi()).unwrap();
    let described: BTreeSet<(String, String)> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| {
            item.as_object().unwrap().keys().map(move |method| (method.to_uppercase(), path.clone()))
        })
        .collect();
    // OpenAPI cannot express any method: GET stands for all of them, as its description says.
    let routes: BTreeSet<_> =
        ROUTES.iter().map(|route| (route.method.replace("ANY", "GET"), route.path.to_owned())).collect();
    assert_eq!(described, routes);
}

#[test]
fn the_committed_openapi_document_is_current() {
    let committed = include_str!("../../../../docs/openapi.json");
    assert!(committed == openapi(), "docs/openapi.json is stale: run `cargo xtask openapi`");
}

#[test]
fn only_the_schema_of_a_created_token_has_the_secret() {
    let document: Value = serde_json::from_str(openapi()).unwrap();
    let with_secret: Vec<_> = document["components"]["schemas"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(_, schema)| schema.to_string().contains("\"token\":"))
        .map(|(name, _)| name.as_str())
        .collect();
    // Clients send VerifyToken, LeakReport and the forms; the token of Policy is the format, and that of Verdict has no secret.
    assert_eq!(
        with_secret,
        [
            "CreatedToken",
            "IntrospectionForm",
            "LeakReport",
            "Policy",
            "RevocationForm",
            "Verdict",
            "VerifyToken"
        ]
    );
    for (schema, token) in [("Policy", "TokenFormat"), ("Verdict", "Token")] {
        let shown = &document["components"]["schemas"][schema]["properties"]["token"];
        assert!(shown.to_string().contains(&format!("#/components/schemas/{token}\"")), "{shown}");
    }
    let responses = document["paths"].to_string().matches("#/components/schemas/VerifyToken").count();
    assert_eq!(responses, 1, "only as the body of one request");
    assert_eq!(
        document["components"]["securitySchemes"]["token"],
        json!({
            "type": "http",
            "scheme": "bearer",
            "description": "A personal access token, or a JWT of a configured issuer.",
        })
    );
}
