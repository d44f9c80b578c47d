//! Forward-auth with the protocol of each proxy.

use std::{collections::BTreeSet, num::NonZero};

use actix_web::test::TestRequest;
use tokenry_actix::{
    FailureLimit, HttpSettings, TrustedProxies, clock,
    tokenry::{
        AuditFilter, Catalog, EventKind, IpList, Lifetime, NewToken, PageSize, RequestContext, Rotation,
        Settings, Tokenry,
        catalog::{Definition, RouteDefinition},
        unrestricted,
    },
};
use tokenry_testkit::{TestDatabase, each_backend};

use crate::api::{Api, Response, request};

/// The address of the tests.
const PROXY: &str = "192.0.2.1";
/// The endpoints that read the request of the client from headers.
pub(crate) const BY_HEADERS: [&str; 4] = ["/auth/nginx", "/auth/traefik", "/auth/caddy", "/auth/envoy"];
/// All endpoints; `/auth/envoy/` is followed by the path of the client.
pub(crate) const DIALECTS: [&str; 5] =
    ["/auth/nginx", "/auth/traefik", "/auth/caddy", "/auth/envoy", "/auth/envoy/"];
const IDENTITY: [&str; 5] =
    ["x-resource-user", "x-resource-subject", "x-resource-role", "x-resource-scopes", "x-resource-token-id"];

/// A route of the catalog; without a resource it is excluded.
fn route(path: &str, resource: Option<&str>) -> RouteDefinition {
    RouteDefinition::new(path.to_owned())
        .with_exclude(resource.is_none())
        .with_resource(resource.map(str::to_owned))
}

/// Catalog routes: to this resource, to secrets, and an excluded one.
pub(crate) fn routes(resource: &str) -> Catalog {
    let routes = vec![
        route("/hooks/**", None),
        route("/admin/**", Some("secrets")),
        route("/public/**", Some(resource)),
        route("/demo/**", Some(resource)),
    ];
    Catalog::define(&Definition::default().with_routes(routes)).unwrap()
}

pub(crate) fn trusting(proxy: &str) -> HttpSettings {
    HttpSettings::default().with_trusted_proxies(TrustedProxies::new(IpList::parse(&[proxy]).unwrap()))
}

fn with_routes(db: &TestDatabase, http: HttpSettings) -> Api {
    Api::with(db, |settings: &mut Settings| settings.catalog = routes("demo"), http)
}

/// The names of the headers with the method and path of the client.
fn forwarded(dialect: &str) -> (&'static str, &'static str) {
    match dialect {
        "/auth/nginx" => ("x-original-method", "x-original-uri"),
        _ => ("x-forwarded-method", "x-forwarded-uri"),
    }
}

/// The request of this proxy about a request of a client.
pub(crate) fn about(dialect: &str, method: &str, target: &str, token: &str) -> TestRequest {
    if dialect == "/auth/envoy/" {
        return request(method, &format!("/auth/envoy{target}"), token);
    }
    let (method_header, target_header) = forwarded(dialect);
    request("GET", dialect, token)
        .insert_header((method_header, method))
        .insert_header((target_header, target))
}

/// Asserts a rejection with this status, in the form of this proxy, without an identity.
#[track_caller]
fn rejected(dialect: &str, response: &Response, status: u16, code: &str) {
    let (shown, real) = match (dialect.starts_with("/auth/nginx"), status) {
        (true, 401 | 403) | (false, _) => (status, String::new()),
        (true, _) => (403, status.to_string()),
    };
    response.is_problem(shown, code);
    assert_eq!(response.header("x-tokenry-status"), real, "{dialect}");
    if dialect.starts_with("/auth/nginx") {
        let mut body = response.json();
        body["status"] = status.into();
        let problem: serde_json::Value = serde_json::from_str(response.header("x-tokenry-problem")).unwrap();
        assert_eq!(problem, body, "the body, with the original status");
    } else {
        assert!(!response.headers.contains_key("x-tokenry-problem"), "{dialect}");
    }
    for name in IDENTITY {
        assert!(response.headers.contains_key(name) && response.header(name).is_empty(), "{dialect} {name}");
    }
}

each_backend!(five_headers_identify_an_accepted_caller_and_are_empty_for_a_rejected_one, |db| {
    let api = with_routes(db, trusting(PROXY));
    let alice = api.user("ålice %\u{a0}b");
    let (id, text) = api.token_of(&alice, &["demo:read", "other:write"]);
    for dialect in DIALECTS {
        let response = api.send(about(dialect, "GET", "/demo/x?scope=admin:admin", &text));
        assert_eq!((response.status, response.body.as_str()), (200, ""), "{dialect}");
        let expected = [
            &alice.id.to_string(),
            "%C3%A5lice%20%25%C2%A0b",
            "user",
            "demo:read other:read other:write",
            &id,
        ];
        assert_eq!(IDENTITY.map(|name| response.header(name)), expected, "{dialect}");
        assert_eq!(response.header("cache-control"), "no-store");
        rejected(dialect, &api.send(about(dialect, "GET", "/demo/x", "")), 401, "authentication_required");
        rejected(dialect, &api.send(about(dialect, "GET", "/demo/x", "pat_x")), 401, "invalid_token");
        let repeated = about(dialect, "GET", "/demo/x", &text);
        let repeated = api.send(repeated.append_header(("authorization", "Bearer pat_x")));
        rejected(dialect, &repeated, 400, "invalid_request");
        let jwt = crate::jwt::of("ålice", "admin");
        rejected(dialect, &api.send(about(dialect, "GET", "/demo/x", &jwt)), 401, "invalid_token");
    }
});

each_backend!(the_routes_of_the_catalog_decide_by_method_and_path, |db| {
    let api = with_routes(db, trusting(PROXY));
    let alice = api.user("alice");
    let (_, reader) = api.token_of(&alice, &["demo:read"]);
    let (_, writer) = api.token_of(&alice, &["demo:write"]);
    let (_, full) = api.token_of(&alice, &["*"]);
    for dialect in DIALECTS {
        for (method, path, token, status) in [
            ("GET", "/demo/x", &reader, 200),
            ("HEAD", "/demo", &reader, 200),
            ("OPTIONS", "/demo/", &reader, 200),
            ("POST", "/demo/x", &reader, 403),
            ("PROPFIND", "/demo/x", &reader, 403),
            ("DELETE", "/demo/x", &writer, 200),
            ("GET", "/admin/x", &writer, 403),
            ("GET", "/%61dmin/x", &writer, 403),
            ("GET", "/admin/x", &full, 200),
            ("GET", "/demo/caf%C3%A9", &reader, 200),
        ] {
            let response = api.send(about(dialect, method, path, token));
            assert_eq!(response.status, status, "{dialect} {method} {path}: {}", response.body);
            if status == 403 {
                rejected(dialect, &response, 403, "insufficient_scope");
                let challenge = response.header("www-authenticate");
                assert!(
                    challenge.starts_with("Bearer error=\"insufficient_scope\", scope=\""),
                    "{challenge}"
                );
            }
        }
        for (method, path) in [
            ("POST", "/hooks/github"),
            ("GET", "/hooks"),
            ("GET", "/hooks/"),
            ("GET", "/"),
            ("GET", "/DEMO/x"),
            ("GET", "/demox"),
        ] {
            rejected(dialect, &api.send(about(dialect, method, path, &api.root)), 403, "forbidden");
        }
    }
    let challenge = api.send(about("/auth/caddy", "POST", "/demo/x", &reader));
    assert_eq!(
        challenge.header("www-authenticate"),
        "Bearer error=\"insufficient_scope\", scope=\"demo:write\", error_description=\"The credential lacks a scope.\""
    );
});

each_backend!(an_ambiguous_path_is_rejected_for_every_caller, |db| {
    let api = with_routes(db, trusting(PROXY));
    for dialect in DIALECTS {
        for path in [
            "/public/../admin",
            "/public/%2e%2e/admin",
            "/public/..%2fadmin",
            "/public/.%2E/admin",
            "/public//admin",
            "//admin",
            "/public/./x",
            "/admin%2f",
            "/admin;x",
            "/public/..;/admin",
            "/public%5c..%5cadmin",
            "/public/%252e%252e/admin",
            "/public/%00",
            "/public/%zz",
            "/public/%ff",
            "/public/x%0d%0a",
        ] {
            let response = api.send(about(dialect, "GET", path, &api.root));
            rejected(dialect, &response, 400, "invalid_request");
        }
    }
    for dialect in BY_HEADERS {
        for target in ["", "*", "admin", "http://x/demo", "x:443", "/demo#x", "/public\\x", "/a b"] {
            let response = api.send(about(dialect, "GET", target, &api.root));
            rejected(dialect, &response, 400, "invalid_request");
        }
    }
    for path in ["/auth/%65nvoy/demo", "/auth/envoy%2fdemo", "/auth/envoy/../nginx?scope=demo:read"] {
        assert!(api.call("GET", path, &api.root).status >= 400, "{path}");
    }
});

each_backend!(a_missing_repeated_or_unknown_forwarded_method_or_path_is_rejected, |db| {
    let api = with_routes(db, trusting(PROXY));
    for dialect in BY_HEADERS {
        let (method, target) = forwarded(dialect);
        let other = if dialect == "/auth/nginx" { "/auth/caddy" } else { "/auth/nginx" };
        let (other_method, other_target) = forwarded(other);
        let ask = |headers: &[(&str, &str)]| {
            let request =
                headers.iter().fold(request("GET", dialect, &api.root), |request, (name, value)| {
                    request.append_header((*name, *value))
                });
            api.send(request)
        };
        assert_eq!(ask(&[(method, "GET"), (target, "/demo")]).status, 200);
        for headers in [
            &[][..],
            &[(method, "GET")],
            &[(target, "/demo")],
            &[(method, "GET"), (method, "GET"), (target, "/demo")],
            &[(method, "GET"), (target, "/demo"), (target, "/demo")],
            &[(method, "get"), (target, "/demo")],
            &[(method, "FOO"), (target, "/demo")],
            &[(method, ""), (target, "/demo")],
            &[(method, "GET, POST"), (target, "/demo")],
            &[(other_method, "GET"), (other_target, "/demo")],
        ] {
            rejected(dialect, &ask(headers), 400, "invalid_request");
        }
    }
    for method in ["FOO", "get", "GETT"] {
        let response = api.send(about("/auth/envoy/", method, "/demo", &api.root));
        rejected("/auth/envoy/", &response, 400, "invalid_request");
    }
});

each_backend!(forwarded_headers_of_an_untrusted_peer_are_ignored, |db| {
    let api = with_routes(db, trusting("10.0.0.0/8"));
    for dialect in BY_HEADERS {
        rejected(dialect, &api.send(about(dialect, "GET", "/demo", &api.root)), 403, "forbidden");
        rejected(dialect, &api.send(about(dialect, "get", "//", &api.root)), 403, "forbidden");
        let asked = request("GET", &format!("{dialect}?scope=demo:read"), &api.root);
        assert_eq!(api.send(asked).status, 200, "configured scopes need no forwarded headers");
    }
    let bound = NewToken::new("bound")
        .with_scopes(vec!["demo:read".to_owned()])
        .with_allowed_ips(vec!["203.0.113.7".to_owned()]);
    let owner = api.user("bound");
    let bound = api.tokenry.issue_token(&api.operator(), owner.id, bound).unwrap().secret.reveal_once();
    for dialect in BY_HEADERS {
        let forged = request("GET", &format!("{dialect}?scope=demo:read"), bound.as_str())
            .insert_header(("x-forwarded-for", "203.0.113.7"));
        rejected(dialect, &api.send(forged), 403, "ip_not_allowed");
    }
});

each_backend!(a_configured_scope_is_required_and_sufficient, |db| {
    let api = with_routes(db, trusting(PROXY));
    let (_, text) = api.token_of(&api.user("alice"), &["demo:read", "b:write"]);
    for dialect in BY_HEADERS {
        for (query, status) in [
            ("scope=demo:read", 200),
            ("scope=demo:read+b:read", 200),
            ("scope=demo:read,b:write", 200),
            ("scope=demo:read&scope=b:read", 200),
            ("scope=demo:write", 403),
            ("scope=demo:read&scope=c:read", 403),
            ("scope=*", 403),
        ] {
            for method in ["GET", "POST", "HEAD", "OPTIONS", "INVENTED"] {
                // An excluded route: a configured scope takes precedence over the catalog.
                let (_, target) = forwarded(dialect);
                let ask = request(method, &format!("{dialect}?{query}"), &text);
                let response = api.send(ask.insert_header((target, "/hooks/x")));
                assert_eq!(response.status, status, "{method} {dialect} {query}");
            }
        }
        let response = api.call("GET", &format!("{dialect}?scope=demo:read+c:read"), &text);
        rejected(dialect, &response, 403, "insufficient_scope");
        let challenge = "Bearer error=\"insufficient_scope\", scope=\"c:read demo:read\", error_description=\"The credential lacks a scope.\"";
        assert_eq!(response.header("www-authenticate"), challenge);
        for query in ["scope=", "scope", "scope=,", "scope=a", "scope=a:owner", "scopes=demo:read", "x=1"] {
            let (method, target) = forwarded(dialect);
            let ask = request("GET", &format!("{dialect}?{query}"), &api.root);
            let ask = ask.insert_header((method, "GET")).insert_header((target, "/demo"));
            rejected(dialect, &api.send(ask), 400, "invalid_request");
            let nobody = api.call("GET", &format!("{dialect}?{query}"), "");
            rejected(dialect, &nobody, 401, "authentication_required");
        }
    }
});

each_backend!(the_query_of_the_client_cannot_configure_scopes, |db| {
    let api = with_routes(db, trusting(PROXY));
    let (_, text) = api.token_of(&api.user("alice"), &["demo:read"]);
    for dialect in BY_HEADERS {
        let (method, target) = forwarded(dialect);
        let ask = |query: &str, targets: &[&str]| {
            let ask = request("GET", &format!("{dialect}?{query}"), &text).insert_header((method, "GET"));
            api.send(targets.iter().fold(ask, |ask, value| ask.append_header((target, *value))))
        };
        let of_client = "scope=demo:read";
        rejected(dialect, &ask(of_client, &["/admin?scope=demo:read"]), 400, "invalid_request");
        rejected(dialect, &ask(of_client, &["/x", "/admin?scope=demo:read"]), 400, "invalid_request");
        rejected(dialect, &ask("scope=demo:read?", &["/admin?scope=demo:read?"]), 400, "invalid_request");
        assert_eq!(ask(of_client, &["/admin?scope=admin:read"]).status, 200, "the proxy's own");
        assert_eq!(ask("", &["/demo?scope=admin:read"]).status, 200, "none");
    }
});

each_backend!(a_client_behind_envoy_cannot_configure_its_own_scope, |db| {
    let api = with_routes(db, trusting(PROXY));
    let (_, text) = api.token_of(&api.user("alice"), &["demo:read"]);
    for (target, status, code) in [
        ("/admin?scope=demo:read", 403, "insufficient_scope"),
        ("/admin/x?scope=demo:read&scope=", 403, "insufficient_scope"),
        ("/hooks/x?scope=demo:read", 403, "forbidden"),
        ("/nowhere?scope=demo:read", 403, "forbidden"),
        ("/?scope=demo:read", 403, "forbidden"),
    ] {
        rejected("/auth/envoy/", &api.send(about("/auth/envoy/", "GET", target, &text)), status, code);
    }
    for headers in [
        [("x-forwarded-method", "GET"), ("x-forwarded-uri", "/demo")],
        [("x-original-method", "GET"), ("x-original-uri", "/demo")],
        [("x-envoy-original-path", "/demo"), ("x-http-method-override", "GET")],
    ] {
        for (method, target) in [("GET", "/admin"), ("POST", "/demo")] {
            let ask = headers
                .iter()
                .fold(about("/auth/envoy/", method, target, &text), |ask, header| ask.insert_header(*header));
            rejected("/auth/envoy/", &api.send(ask), 403, "insufficient_scope");
        }
    }
    assert_eq!(api.send(about("/auth/envoy/", "GET", "/demo?scope=&x=%zz", &text)).status, 200);
});

each_backend!(an_ip_list_applies_to_the_source_behind_a_proxy, |db| {
    let api = with_routes(db, trusting(PROXY));
    let bound = NewToken::new("bound")
        .with_scopes(vec!["demo:read".to_owned()])
        .with_allowed_ips(vec!["203.0.113.7".to_owned()]);
    let issued = api.tokenry.issue_token(&api.operator(), api.user("alice").id, bound).unwrap();
    let text = issued.secret.reveal_once();
    for dialect in DIALECTS {
        let from = |source: &str| {
            let ask = about(dialect, "GET", "/demo", text.as_str());
            api.send(ask.insert_header(("x-forwarded-for", source)))
        };
        assert_eq!(from("203.0.113.7").status, 200, "{dialect}");
        rejected(dialect, &from("203.0.113.7, 203.0.113.8"), 403, "ip_not_allowed");
        let silent = api.send(about(dialect, "GET", "/demo", text.as_str()));
        rejected(dialect, &silent, 403, "ip_not_allowed");
    }
});

each_backend!(a_retired_secret_is_accepted_within_its_grace_and_a_revoked_one_rejected_immediately, |db| {
    let api = with_routes(db, trusting(PROXY));
    let (id, text) = api.token_of(&api.user("alice"), &["demo:read"]);
    let id = id.parse().unwrap();
    let grace = Rotation::default().with_grace(Lifetime::seconds(600));
    api.tokenry.rotate_token(&api.operator(), id, grace).unwrap();
    assert_eq!(api.send(about("/auth/nginx", "GET", "/demo", &text)).status, 200);
    api.tokenry.revoke_token(&api.operator(), id, None).unwrap();
    rejected("/auth/nginx", &api.send(about("/auth/nginx", "GET", "/demo", &text)), 401, "revoked_token");
});

each_backend!(too_many_failed_credentials_are_403_to_nginx_and_429_to_other_proxies, |db| {
    let failures = FailureLimit::new(NonZero::new(1).unwrap());
    let api = with_routes(db, trusting(PROXY).with_failure_limit(failures));
    for _ in 0..2 {
        rejected("/auth/nginx", &api.call("GET", "/auth/nginx?scope=a:read", "pat_x"), 401, "invalid_token");
    }
    for dialect in BY_HEADERS {
        let response = api.call("GET", &format!("{dialect}?scope=demo:read"), "pat_x");
        rejected(dialect, &response, 429, "rate_limited");
        assert_eq!(api.call("GET", &format!("{dialect}?scope=demo:read"), &api.root).status, 200);
    }
});

each_backend!(uses_and_rejections_behind_a_proxy_are_recorded, |db| {
    let api = with_routes(db, trusting(PROXY));
    let alice = api.user("alice");
    let (used, text) = api.token_of(&alice, &["demo:read"]);
    assert_eq!(api.send(about("/auth/caddy", "GET", "/demo", &text)).status, 200);
    let (unused, text) = api.token_of(&alice, &["demo:read"]);
    for (target, method) in [("/demo", "POST"), ("/hooks/x", "GET"), ("/demo/../x", "GET")] {
        assert_eq!(api.send(about("/auth/nginx", method, target, &text)).status, 403);
    }
    // Dropping it flushes pending records.
    drop(api);
    let tokenry = Tokenry::new(db.store().clone(), Settings::default()).unwrap();
    let operator = RequestContext::new(unrestricted::operator(), clock::now());
    let last_used = |id: &str| tokenry.find_token(&operator, id.parse().unwrap()).unwrap().0.last_used_at;
    assert!(last_used(&used).is_some() && last_used(&unused).is_none());
    let filter = AuditFilter::default().kind(EventKind::RequestForbidden);
    let page = tokenry.audit_log(&operator, &filter, PageSize::default(), None).unwrap();
    let reasons: BTreeSet<_> =
        page.items.iter().map(|entry| entry.event.detail["reason"].to_string()).collect();
    assert_eq!(
        reasons,
        ["\"forbidden\"", "\"insufficient_scope\"", "\"invalid_request\""].map(str::to_owned).into()
    );
    assert!(page.items.iter().all(|entry| entry.event.token_id.unwrap().to_string() == unused));
});

#[test]
fn an_unavailable_database_rejects_forward_auth_of_every_proxy() {
    let Some(db) = TestDatabase::postgres() else { return };
    let api = with_routes(&db, trusting(PROXY));
    drop(db);
    for dialect in DIALECTS {
        let response = api.send(about(dialect, "GET", "/demo", &api.root));
        rejected(dialect, &response, 503, "service_unavailable");
    }
}
