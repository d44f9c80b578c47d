//! Everything that a service may ask about a token, and what it answers.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tokenry_actix::{clock, tokenry::ScopeSet};
use tokenry_testkit::http;

use super::deployment::Deployment;
use crate::client;

/// The address that all requests come from.
const CLIENT: &str = "127.0.0.1";

/// What an entrance says about a token for reading `demo`.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) admits: bool,
    /// The code of the rejection, empty if there is none; `None` where the entrance has none.
    pub(super) code: Option<String>,
}

/// An entrance, and its verdicts about a token, one for each form of credential.
pub(super) struct Entrance {
    pub(super) name: &'static str,
    pub(super) ask: fn(&Deployment, &str) -> Vec<(String, Verdict)>,
}

/// Every entrance. Those that other services ask have a row for each way in which the service authenticates.
pub(super) const ENTRANCES: [Entrance; 6] = [
    Entrance { name: "the library", ask: library },
    Entrance { name: "the middleware", ask: middleware },
    Entrance { name: "/api/v1/verify", ask: verify },
    Entrance { name: "introspection", ask: introspection },
    Entrance { name: "AuthZEN", ask: authzen },
    Entrance { name: "forward-auth", ask: proxies },
];

fn library(deployment: &Deployment, token: &str) -> Vec<(String, Verdict)> {
    let source = Some(CLIENT.parse().expect("an address"));
    let verified = deployment.library.verify_blocking(token.as_bytes(), clock::now(), source);
    let required: ScopeSet = ["demo:read"].iter().map(|scope| scope.parse().expect("a scope")).collect();
    let has_scopes =
        |verified: &tokenry_actix::tokenry::VerifiedToken| verified.effective().missing(&required).is_empty();
    let admits = verified.as_ref().is_ok_and(has_scopes);
    vec![("bytes".to_owned(), Verdict { admits, code: None })]
}

fn middleware(deployment: &Deployment, token: &str) -> Vec<(String, Verdict)> {
    let ask = |(form, header): (&str, _)| (form.to_owned(), guarded(&deployment.guarded, &header));
    forms(token).into_iter().map(ask).collect()
}

fn verify(deployment: &Deployment, token: &str) -> Vec<(String, Verdict)> {
    let body = json!({"token": token, "scopes": ["demo:read"], "ip": CLIENT}).to_string();
    let ask = |form: &str, credential: String| {
        let response =
            http::send(&*deployment.server.address, "POST /api/v1/verify", &[credential.as_bytes()], &body);
        assert_eq!(response.status, 200, "{response:?}");
        let verdict = response.json();
        let code = verdict["code"].as_str().unwrap_or_default().to_owned();
        (form.to_owned(), Verdict { admits: verdict["valid"] == json!(true), code: Some(code) })
    };
    let service = &deployment.service;
    vec![
        ask("Bearer", format!("Authorization: Bearer {service}")),
        ask("client_secret_basic", format!("Authorization: {}", basic("my-service", service))),
    ]
}

fn introspection(deployment: &Deployment, token: &str) -> Vec<(String, Verdict)> {
    let service = &deployment.service;
    let ask = |form: &str, credential: Option<String>, secret: &str| {
        let body = format!("token={token}&ip={CLIENT}{secret}");
        let mut headers = vec![("Content-Type", "application/x-www-form-urlencoded")];
        headers.extend(credential.as_deref().map(|value| ("Authorization", value)));
        let answer =
            client::send(&deployment.server.address, "POST /oauth/introspect", &headers, body.as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.text);
        let seen = answer.json();
        let mut scopes = seen["scope"].as_str().unwrap_or_default().split(' ');
        let admits = seen["active"] == json!(true) && scopes.any(|scope| scope == "demo:read");
        (form.to_owned(), Verdict { admits, code: None })
    };
    vec![
        ask("Bearer", Some(format!("Bearer {service}")), ""),
        ask("client_secret_basic", Some(basic("my-service", service)), ""),
        ask("client_secret_post", None, &format!("&client_id=my-service&client_secret={service}")),
    ]
}

fn authzen(deployment: &Deployment, token: &str) -> Vec<(String, Verdict)> {
    let by_scope = json!({
        "subject": {"type": "token", "id": token},
        "action": {"name": "read"},
        "resource": {"type": "demo", "id": "1"},
        "context": {"ip": CLIENT},
    });
    let mut by_route = by_scope.clone();
    by_route["action"]["name"] = json!("GET");
    by_route["resource"] = json!({"type": "route", "id": "/demo"});
    let service = &deployment.service;
    let bearer = format!("Authorization: Bearer {service}");
    let ask = |form: &str, path: &str, credential: &str, body: &Value| {
        let path = format!("POST /access/v1/{path}");
        let response =
            http::send(&*deployment.server.address, &path, &[credential.as_bytes()], &body.to_string());
        assert_eq!(response.status, 200, "{response:?}");
        let answer = response.json();
        let decision = answer["evaluations"].get(0).unwrap_or(&answer);
        let code = decision["context"]["code"].as_str().unwrap_or_default().to_owned();
        (form.to_owned(), Verdict { admits: decision["decision"] == json!(true), code: Some(code) })
    };
    vec![
        ask("Bearer", "evaluation", &bearer, &by_scope),
        ask("Bearer for a route", "evaluation", &bearer, &by_route),
        ask(
            "client_secret_basic",
            "evaluation",
            &format!("Authorization: {}", basic("my-service", service)),
            &by_scope,
        ),
        ask("Bearer for many", "evaluations", &bearer, &json!({"evaluations": [by_scope]})),
    ]
}

fn proxies(deployment: &Deployment, token: &str) -> Vec<(String, Verdict)> {
    let mut verdicts = Vec::new();
    for gateway in &deployment.gateways {
        for (form, header) in forms(token) {
            let verdict = guarded(&gateway.address, &header);
            let reached = deployment.upstream.take();
            assert_eq!(reached.len(), usize::from(verdict.admits), "{:?} {form}", gateway.kind);
            assert!(!format!("{reached:?}").contains(token), "{:?} {form} {reached:?}", gateway.kind);
            verdicts.push((format!("{form} through {:?}", gateway.kind), verdict));
        }
    }
    verdicts
}

/// The header that presents a token in each form.
fn forms(token: &str) -> [(&'static str, (&'static str, String)); 5] {
    [
        ("Bearer", ("Authorization", format!("Bearer {token}"))),
        ("a password", ("Authorization", basic("anybody", token))),
        ("a user name", ("Authorization", basic(token, "x-oauth-basic"))),
        ("token", ("Authorization", format!("token {token}"))),
        ("a header", ("X-API-Key", token.to_owned())),
    ]
}

/// The verdict of a guarded service about a request with this header.
fn guarded(address: &str, (name, value): &(&str, String)) -> Verdict {
    let answer = client::send(address, "GET /demo", &[(name, value)], b"");
    if answer.status == 200 {
        return Verdict { admits: true, code: Some(String::new()) };
    }
    let code = answer.json()["code"].as_str().expect("a code").to_owned();
    Verdict { admits: false, code: Some(code) }
}

fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
}
