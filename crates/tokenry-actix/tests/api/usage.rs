//! The usage of tokens, over HTTP and by guards of embedding apps.

use std::{future::pending, time::Duration};

use actix_web::{
    App, HttpResponse,
    body::MessageBody,
    dev::{ServiceFactory, ServiceRequest, ServiceResponse},
    http::{Method, StatusCode},
    middleware::from_fn,
    rt::{System, time::timeout},
    test::{TestRequest, init_service, try_call_service},
    web,
};
use serde_json::{Value, json};
use tokenry_actix::{AnyToken, Authorized, authenticate, outer_middleware};
use tokenry_testkit::each_backend;

use crate::{
    api::{Api, request},
    forward,
};

tokenry_actix::scope! {
    /// For this test.
    DemoRead = "demo:read";
}

each_backend!(forward_auth_counts_the_request_that_the_proxy_asks_about, |db| {
    let http = forward::trusting("192.0.2.1");
    let api = Api::with(db, |settings| settings.catalog = forward::routes("demo"), http);
    let alice = api.user("alice");
    for dialect in forward::DIALECTS {
        let (id, text) = api.token_of(&alice, &["demo:read"]);
        for (method, target) in [
            ("GET", "/demo/a?x=1"),
            ("GET", "/demo/b"),
            ("POST", "/demo/a"),
            ("GET", "/hooks/c"),
            ("GET", "/d"),
        ] {
            api.send(forward::about(dialect, method, target, &text));
        }
        api.send(forward::about(dialect, "GET", "/demo//a", &text));
        let expected = [
            ("GET", "", 403, 1),
            ("GET", "/demo/**", 200, 2),
            ("GET", "/hooks/**", 403, 1),
            ("POST", "/demo/**", 403, 1),
        ];
        assert_eq!(uses(&api, &id), used(&expected), "{dialect}");
    }
});

/// The usage of a token according to the API, in a stable order.
fn uses(api: &Api, id: &str) -> Vec<(String, String, u64, u64)> {
    api.tokenry.flush().unwrap();
    let page = api.tokenry.usage(&api.operator(), id.parse().unwrap(), Default::default()).unwrap();
    let mut rows = Vec::new();
    for (key, uses) in &page.uses {
        rows.push((key.method.to_string(), key.route.to_string(), u64::from(key.status), uses.count));
    }
    rows.sort();
    rows
}

fn used(rows: &[(&str, &str, u64, u64)]) -> Vec<(String, String, u64, u64)> {
    rows.iter()
        .map(|(method, route, status, count)| ((*method).into(), (*route).into(), *status, *count))
        .collect()
}

async fn scoped(_: Authorized<DemoRead>) -> HttpResponse {
    HttpResponse::Created().finish()
}

async fn twice(_: Authorized<DemoRead>, _: Authorized<AnyToken>) -> HttpResponse {
    HttpResponse::Conflict().finish()
}

async fn panics(_: Authorized<DemoRead>) -> HttpResponse {
    panic!("for this test")
}

async fn never(_: Authorized<DemoRead>) -> HttpResponse {
    pending().await
}

async fn anyone() -> HttpResponse {
    HttpResponse::Accepted().finish()
}

fn routes(app: &mut web::ServiceConfig) {
    app.route("/scoped/{id}", web::to(scoped))
        .route("/twice", web::to(twice))
        .route("/panics", web::to(panics))
        .route("/never", web::to(never))
        .route("/anyone", web::to(anyone));
}

/// Sends requests to an app; one that never completes is cancelled, as by a client that disconnects.
fn send<B: MessageBody + 'static>(
    app: App<
        impl ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<B>,
            Error = actix_web::Error,
            InitError = (),
        > + 'static,
    >,
    token: &str,
    requests: &[(&str, &str)],
) -> Vec<Option<StatusCode>> {
    System::new().block_on(async {
        let app = init_service(app).await;
        let mut statuses = Vec::new();
        for (method, path) in requests {
            let time_limit = Duration::from_millis(if *path == "/never" { 300 } else { 30_000 });
            let request = TestRequest::with_uri(path)
                .method(Method::from_bytes(method.as_bytes()).unwrap())
                .insert_header(("authorization", format!("Bearer {token}")))
                .insert_header(("user-agent", "test"));
            let response = timeout(time_limit, try_call_service(&app, request.to_request())).await;
            statuses.push(response.ok().map(|response| match response {
                Ok(response) => response.status(),
                Err(error) => error.as_response_error().status_code(),
            }));
        }
        statuses
    })
}

const REQUESTS: [(&str, &str); 8] = [
    ("GET", "/scoped/1"),
    ("GET", "/scoped/2?secret=x"),
    ("BREW", "/scoped/3"),
    ("POST", "/twice"),
    ("GET", "/never"),
    ("GET", "/anyone"),
    ("GET", "/nowhere/at/all"),
    ("GET", "/scoped/4"),
];

each_backend!(inside_the_middleware_every_request_is_counted_once_with_its_status, |db| {
    let api = Api::new(db);
    let (id, token) = api.token_of(&api.user("alice"), &["demo:read"]);
    let (unscoped_id, unscoped) = api.token_of(&api.user("bob"), &["other:read"]);
    let tokenry = web::Data::new(api.tokenry.clone());
    let app = || {
        App::new()
            .app_data(tokenry.clone())
            .service(web::scope("").wrap(from_fn(authenticate)).configure(routes))
    };
    for outer in [false, true] {
        if outer {
            send(app().wrap(from_fn(outer_middleware)), &token, &REQUESTS);
            send(app().wrap(from_fn(outer_middleware)), &token, &[("GET", "/panics")]);
        } else {
            send(app(), &token, &REQUESTS);
        }
    }
    assert_eq!(
        uses(&api, &id),
        used(&[
            ("GET", "", 404, 2),
            ("GET", "/anyone", 202, 2),
            ("GET", "/never", 499, 2),
            ("GET", "/panics", 500, 1),
            ("GET", "/scoped/{id}", 201, 6),
            ("OTHER", "/scoped/{id}", 201, 2),
            ("POST", "/twice", 409, 2),
        ])
    );
    send(app(), &unscoped, &[("GET", "/scoped/1"), ("GET", "/anyone"), ("GET", "/scoped/1")]);
    assert_eq!(
        uses(&api, &unscoped_id),
        used(&[("GET", "/anyone", 202, 1), ("GET", "/scoped/{id}", 403, 2)])
    );
});

each_backend!(
    the_extractor_counts_the_status_inside_the_outer_middleware_and_the_admission_without_it,
    |db| {
        let api = Api::new(db);
        let (id, token) = api.token_of(&api.user("alice"), &["demo:read"]);
        let (unscoped_id, unscoped) = api.token_of(&api.user("bob"), &["other:read"]);
        let tokenry = web::Data::new(api.tokenry.clone());
        let app = || App::new().app_data(tokenry.clone()).configure(routes);
        send(app().wrap(from_fn(outer_middleware)), &token, &REQUESTS);
        send(app().wrap(from_fn(outer_middleware)), &token, &[("GET", "/panics")]);
        assert_eq!(
            uses(&api, &id),
            used(&[
                ("GET", "/never", 499, 1),
                ("GET", "/panics", 500, 1),
                ("GET", "/scoped/{id}", 201, 3),
                ("OTHER", "/scoped/{id}", 201, 1),
                ("POST", "/twice", 409, 1),
            ])
        );
        send(app(), &token, &[("PUT", "/twice"), ("PUT", "/scoped/1")]);
        let alone = [("PUT", "/scoped/{id}", 200, 1), ("PUT", "/twice", 200, 1)];
        assert_eq!(uses(&api, &id)[5..], used(&alone));
        send(app(), &unscoped, &[("GET", "/scoped/1")]);
        send(app().wrap(from_fn(outer_middleware)), &unscoped, &[("GET", "/scoped/1")]);
        assert_eq!(uses(&api, &unscoped_id), used(&[("GET", "/scoped/{id}", 403, 2)]));
        let unscoped = api.tokenry.find_token(&api.operator(), unscoped_id.parse().unwrap()).unwrap().0;
        assert_eq!(unscoped.last_used_at, None, "a rejected request does not count as a use");
    }
);

each_backend!(verification_counts_as_a_use_of_the_presented_token_and_management_does_not_count, |db| {
    let api = Api::new(db);
    let alice = api.user("alice");
    let (id, token) = api.token_of(&alice, &["a:read", "tokens:read"]);
    for body in [
        json!({"token": token, "method": "GET", "resource": "a", "ip": "192.0.2.9"}),
        json!({"token": token, "method": "PUT", "resource": "a"}),
        json!({"token": token, "scopes": ["a:read"]}),
        json!({"token": token, "method": "get", "resource": "a"}),
    ] {
        api.json("POST", "/api/v1/verify", &api.root, &body);
    }
    let kind = ("content-type", "application/x-www-form-urlencoded");
    let form = request("POST", "/oauth/introspect", &api.root).insert_header(kind);
    api.send(form.set_payload(format!("token={token}")));
    for path in ["/api/v1/me", "/api/v1/token", "/api/v1/tokens", &format!("/api/v1/tokens/{id}/usage")] {
        assert_eq!(api.call("GET", path, &token).status, 200);
    }
    assert_eq!(uses(&api, &id), used(&[("", "", 200, 2), ("GET", "a", 200, 1), ("PUT", "a", 403, 1)]));
    let root = api.call("GET", "/api/v1/token", &api.root).json()["id"].as_str().unwrap().to_owned();
    assert_eq!(
        uses(&api, &root),
        used(&[
            ("POST", "/api/v1/verify", 200, 3),
            ("POST", "/api/v1/verify", 422, 1),
            ("POST", "/oauth/introspect", 200, 1)
        ])
    );
});

each_backend!(a_usage_list_has_the_form_of_the_contract, |db| {
    let api = Api::new(db);
    let (id, token) = api.token_of(&api.user("alice"), &["a:read", "tokens:read"]);
    for _ in 0..3 {
        let body = json!({"token": token, "method": "GET", "resource": "a", "ip": "192.0.2.9"});
        api.json("POST", "/api/v1/verify", &api.root, &body);
    }
    api.tokenry.flush().unwrap();
    let path = format!("/api/v1/tokens/{id}/usage");
    let usage = api.call("GET", &path, &token).json();
    assert_eq!(usage["total_count"], 3);
    let mut rows = usage["data"].as_array().unwrap().clone();
    let counts: u64 = rows.iter().map(|row| row["count"].as_u64().unwrap()).sum();
    assert!(counts == 3 && rows.len() <= 2, "a minute may have ended meanwhile: {usage}");
    let minute = rows[0]["minute"].as_str().unwrap().to_owned();
    assert!(minute.ends_with(":00.000Z"), "{minute}");
    for row in &mut rows {
        row["minute"] = Value::Null;
        row["count"] = Value::Null;
        let expected = json!({"minute": null, "method": "GET", "route": "a", "status": 200, "ip": "192.0.2.9",
                              "user_agent": null, "count": null});
        assert_eq!(*row, expected);
    }
    let total =
        |query: &str| api.call("GET", &format!("{path}?{query}"), &token).json()["total_count"].clone();
    assert_eq!(total("to=2026-01-01T00:00:00Z"), 0);
    assert_eq!(total("from=2026-01-01T00:00:00Z&limit=1"), 3);
    for (query, pointer) in [
        ("from=yesterday", "/from"),
        ("to=2026-01-01", "/to"),
        ("limit=0", "/limit"),
        ("limit=5001", "/limit"),
        ("cursor=x", "/cursor"),
    ] {
        let problem =
            api.call("GET", &format!("{path}?{query}"), &token).is_problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["pointer"], pointer);
    }
});

each_backend!(a_usage_summary_has_the_form_of_the_contract, |db| {
    let api = Api::new(db);
    let (id, token) = api.token_of(&api.user("alice"), &["a:read", "tokens:read"]);
    for resource in ["a", "a", "b"] {
        let body = json!({"token": token, "method": "GET", "resource": resource, "ip": "192.0.2.9"});
        api.json("POST", "/api/v1/verify", &api.root, &body);
    }
    api.tokenry.flush().unwrap();
    let path = format!("/api/v1/tokens/{id}/usage/summary");
    let mut usage = api.call("GET", &path, &token).json();
    let counted =
        |list: &Value| list.as_array().unwrap().iter().map(|it| it["count"].as_u64().unwrap()).sum::<u64>();
    for list in ["hours", "routes", "addresses"] {
        assert_eq!(counted(&usage[list]), 3, "{usage}");
    }
    assert!(usage["hours"][0]["hour"].as_str().unwrap().ends_with(":00:00.000Z"));
    assert!(usage["routes"][0]["last_at"].as_str().unwrap() >= usage["from"].as_str().unwrap());
    // The hour may change during the test.
    usage["hours"] = Value::Null;
    for (list, index) in [("routes", 0), ("routes", 1), ("addresses", 0)] {
        usage[list][index]["last_at"] = Value::Null;
    }
    (usage["from"], usage["to"]) = (Value::Null, Value::Null);
    assert!(usage["scopes"][0]["last_used_at"].take().as_str().unwrap().ends_with('Z'), "{usage}");
    insta::assert_json_snapshot!(usage, @r#"
    {
      "addresses": [
        {
          "count": 3,
          "ip": "192.0.2.9",
          "last_at": null,
          "user_agent": null
        }
      ],
      "from": null,
      "hours": null,
      "routes": [
        {
          "count": 2,
          "last_at": null,
          "method": "GET",
          "route": "a"
        },
        {
          "count": 1,
          "last_at": null,
          "method": "GET",
          "route": "b"
        }
      ],
      "scopes": [
        {
          "last_used_at": null,
          "scope": "a:read"
        },
        {
          "last_used_at": null,
          "scope": "tokens:read"
        }
      ],
      "to": null,
      "total_count": 3
    }
    "#);
    assert_eq!(api.call("GET", &format!("{path}?to=2026-01-01T00:00:00Z"), &token).json()["total_count"], 0);
    for (query, pointer) in [
        ("from=yesterday", "/from"),
        ("to=2026-01-01", "/to"),
        ("limit=5", "/limit"),
        ("from=2026-01-01T00:00:00Z&to=2026-04-01T00:00:00.001Z", "/from"),
        ("from=1970-01-01T00:00:00Z", "/from"),
    ] {
        let problem =
            api.call("GET", &format!("{path}?{query}"), &token).is_problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["pointer"], pointer);
    }
});

/// The scopes of a token that were used.
fn used_scopes(api: &Api, id: &str) -> Vec<String> {
    api.tokenry.flush().unwrap();
    let summary =
        api.tokenry.usage_summary(&api.operator(), id.parse().unwrap(), Default::default()).unwrap();
    let used = summary.scopes.into_iter().filter(|(_, at)| at.is_some());
    used.map(|(scope, _)| scope.to_string()).collect()
}

each_backend!(each_endpoint_records_the_least_sufficient_scope, |db| {
    let http = forward::trusting("192.0.2.1");
    let api = Api::with(db, |settings| settings.catalog = forward::routes("demo"), http);
    let new = || api.token_of(&api.user("alice"), &["*", "demo:write", "other:read", "tokens:write"]);
    for dialect in forward::DIALECTS {
        let (id, text) = new();
        api.send(forward::about(dialect, "GET", "/hooks/c", &text));
        assert!(used_scopes(&api, &id).is_empty(), "rejected");
        api.send(forward::about(dialect, "GET", "/demo/a", &text));
        assert_eq!(used_scopes(&api, &id), ["demo:write"], "{dialect}");
    }
    let (id, text) = new();
    api.send(request("GET", "/auth/nginx?scope=other:read,third:read", &text));
    assert_eq!(used_scopes(&api, &id), ["*", "other:read"]);
    let (id, text) = new();
    for body in [
        json!({"token": text, "scopes": ["other:read", "admin:read"]}),
        json!({"token": text, "scopes": ["other:read"]}),
    ] {
        api.json("POST", "/api/v1/verify", &api.root, &body);
    }
    assert_eq!(used_scopes(&api, &id), ["other:read"], "what is not valid is no use of what is");
    let (id, text) = new();
    assert_eq!(api.call("GET", "/api/v1/me", &text).status, 200);
    assert!(used_scopes(&api, &id).is_empty(), "no scope is required");
    assert_eq!(api.call("GET", "/api/v1/tokens", &text).status, 200);
    assert_eq!(
        used_scopes(&api, &id),
        ["tokens:write"],
        "management requires the scope, but does not count as a use of the token"
    );
    assert_eq!(api.tokenry.find_token(&api.operator(), id.parse().unwrap()).unwrap().0.last_used_at, None);
    let (id, text) = new();
    let tokenry = web::Data::new(api.tokenry.clone());
    let app = || App::new().app_data(tokenry.clone()).configure(routes);
    send(app().wrap(from_fn(authenticate)), &text, &[("GET", "/anyone")]);
    assert!(used_scopes(&api, &id).is_empty());
    send(app().wrap(from_fn(authenticate)), &text, &[("GET", "/scoped/1")]);
    assert_eq!(used_scopes(&api, &id), ["demo:write"]);
});
