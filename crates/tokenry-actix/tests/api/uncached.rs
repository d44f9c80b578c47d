//! What an app that embeds the routes without the outer middleware answers.

use actix_web::{
    App,
    dev::Service,
    rt::System,
    test::{TestRequest, init_service},
};
use tokenry_actix::{HttpSettings, ROUTES, configure, tokenry::Settings};
use tokenry_testkit::each_backend;

use crate::api::{Api, from_page, request};

each_backend!(no_answer_may_be_cached_also_without_the_outer_middleware, |db| {
    let api = Api::with(db, |_: &mut Settings| {}, HttpSettings::default());
    let system = System::new();
    let app = App::new().configure(configure(api.tokenry.clone(), HttpSettings::default()));
    let app = system.block_on(init_service(app));
    let send = |request: TestRequest| {
        let answered = system.block_on(app.call(request.to_request()));
        let response = match answered {
            Ok(response) => response.into_parts().1.map_into_boxed_body(),
            Err(error) => error.error_response(),
        };
        let cache = response.headers().get("cache-control").map(|value| value.to_str().unwrap().to_owned());
        (response.status().as_u16(), cache)
    };
    let mut accepted = 0;
    let admin = api.user("admin");
    // A new one for each: a route revokes the token of its caller.
    let credential = || api.token_of(&admin, &["*"]).1;
    for route in ROUTES {
        let method = if route.method == "ANY" { "GET" } else { route.method };
        let path = route.path.replace("{id}", "01900000-0000-7000-8000-0000deadbeef").replace("{path}", "x");
        for credential in [&credential(), ""] {
            let (status, cache) = send(from_page(request(method, &path, credential)));
            assert_eq!(cache.as_deref(), Some("no-store"), "{method} {path}: {status}");
            accepted += usize::from(status == 200);
        }
        // Another method of the same path.
        let (status, cache) = send(request("TRACE", &path, &credential()));
        assert_eq!(cache.as_deref(), Some("no-store"), "TRACE {path}: {status}");
    }
    assert!(accepted > 10, "only {accepted} answers were not errors");
    let root = credential();
    // The answers that have a body of their own kind.
    for (path, kind, body, status) in [
        ("/api/v1/verify", "application/json", format!("{{\"token\":\"{}\"}}", root), 200),
        ("/api/v1/verify", "application/json", "{\"token\":\"x\"}".to_owned(), 200),
        ("/access/v1/evaluation", "application/json", question(&root), 200),
        ("/access/v1/evaluations", "application/json", question("x"), 200),
        ("/oauth/introspect", "application/x-www-form-urlencoded", format!("token={}", root), 200),
        ("/oauth/introspect", "application/x-www-form-urlencoded", "token=x".to_owned(), 200),
        ("/oauth/revoke", "application/x-www-form-urlencoded", "token=x".to_owned(), 200),
        ("/api/v1/tokens", "application/json", "{\"name\":\"x\"}".to_owned(), 201),
        ("/session", "application/json", String::new(), 201),
    ] {
        let mut asked = from_page(request("POST", path, &root));
        if !body.is_empty() {
            asked = asked.insert_header(("content-type", kind)).set_payload(body);
        }
        assert_eq!(send(asked), (status, Some("no-store".to_owned())), "{path}");
    }
});

fn question(token: &str) -> String {
    format!(
        r#"{{"subject":{{"type":"token","id":"{token}"}},"action":{{"name":"read"}},"resource":{{"type":"a","id":"1"}}}}"#
    )
}
