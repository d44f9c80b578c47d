//! Guarding a route of an embedding app, with the middleware and the extractor.

use actix_web::{
    App, HttpResponse,
    http::StatusCode,
    middleware::from_fn,
    rt::System,
    test::{TestRequest, call_service, init_service},
    web,
};
use tokenry_actix::{Authorized, authenticate, tokenry::Status};
use tokenry_testkit::each_backend;

use crate::api::Api;

tokenry_actix::scope! {
    /// For this test.
    DemoRead = "demo:read";
}

async fn guarded(caller: Authorized<DemoRead>) -> String {
    caller.owner().subject.to_string()
}

async fn forgetful() -> HttpResponse {
    HttpResponse::Ok().body("anyone with a token")
}

each_backend!(an_embedded_guard_accepts_only_live_tokens_with_the_scope, |db| {
    let api = Api::new(db);
    let alice = api.user("alice");
    let (id, good) = api.token_of(&alice, &["demo:write"]);
    let (_, unscoped) = api.token_of(&alice, &["other:read"]);
    let tokenry = web::Data::new(api.tokenry.clone());
    let ask = |path: &'static str, token: &str| {
        let tokenry = tokenry.clone();
        let header = format!("Bearer {token}");
        System::new().block_on(async move {
            let guard = web::scope("/guard")
                .wrap(from_fn(authenticate))
                .route("/scoped", web::get().to(guarded))
                .route("/forgetful", web::get().to(forgetful));
            let app = App::new().app_data(tokenry).service(guard).route("/bare", web::get().to(guarded));
            let mut request = TestRequest::with_uri(path);
            if header.len() > 7 {
                request = request.insert_header(("authorization", header));
            }
            call_service(&init_service(app).await, request.to_request()).await.status()
        })
    };
    for path in ["/guard/scoped", "/bare"] {
        assert_eq!(ask(path, &good), StatusCode::OK, "{path}");
        assert_eq!(ask(path, &unscoped), StatusCode::FORBIDDEN, "{path}");
        assert_eq!(ask(path, "pat_x"), StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(ask(path, ""), StatusCode::UNAUTHORIZED, "{path}");
    }
    assert_eq!(ask("/guard/forgetful", &unscoped), StatusCode::OK);
    assert_eq!(ask("/guard/forgetful", ""), StatusCode::UNAUTHORIZED);

    let id = id.parse().unwrap();
    api.tokenry.revoke_token(&api.operator(), id, None).unwrap();
    assert_eq!(ask("/bare", &good), StatusCode::UNAUTHORIZED);
    assert_eq!(
        api.tokenry
            .find_token(&api.operator(), id)
            .unwrap()
            .0
            .status(&api.tokenry.policy().cutoffs(tokenry_actix::clock::now())),
        Status::Revoked
    );
});
