//! The properties of every response, whether Tokenry or another handler creates it.

use actix_web::{
    App, Error, HttpResponse,
    body::MessageBody,
    dev::{Service, ServiceRequest, ServiceResponse},
    error::{ErrorImATeapot, ErrorInternalServerError, ErrorNotFound},
    http::{Method, StatusCode, header::HeaderMap},
    middleware::{Next, from_fn},
    test::{TestRequest, init_service},
    web,
};
use serde_json::Value;
use tokenry_actix::{
    ApiError, FieldProblem,
    fallback::{Endpoint, not_found},
    outer_middleware,
};

/// Sends `req` with a fixed request id to an app with one handler of each kind.
async fn response(req: TestRequest) -> (StatusCode, HeaderMap, String) {
    let app = init_service(
        App::new()
            .service(Endpoint::new("/tokens").get(async || "all").post(async || "one more"))
            .service(Endpoint::new("/page").get(page))
            .service(Endpoint::new("/missing-page").get(missing_page))
            .service(Endpoint::new("/invalid").get(invalid))
            .service(Endpoint::new("/limited").get(limited))
            .service(Endpoint::new("/panic").get(panics))
            .service(Endpoint::new("/foreign-404").get(async || Err::<&str, _>(ErrorNotFound("pat_s3cret"))))
            .service(Endpoint::new("/foreign-418").get(async || Err::<&str, _>(ErrorImATeapot("pat_s3cret"))))
            .service(
                Endpoint::new("/foreign-500")
                    .get(async || Err::<&str, _>(ErrorInternalServerError("pat_s3cret"))),
            )
            .service(Endpoint::new("/no-data").get(async |_: web::Data<u8>| "never"))
            .service(Endpoint::new("/number/{number}").get(async |_: web::Path<u8>| "never"))
            .service(web::scope("/closed").wrap(from_fn(closed)).default_service(not_found()))
            .service(web::resource("/plain").route(web::get().to(async || "all")))
            .default_service(not_found())
            .wrap(from_fn(outer_middleware)),
    )
    .await;
    let req = req.append_header(("x-request-id", "test-1")).to_request();
    let response: HttpResponse = match app.call(req).await {
        Ok(response) => response.into_parts().1.map_into_boxed_body(),
        Err(error) => error.error_response(),
    };
    let (status, headers) = (response.status(), response.headers().clone());
    let body = response.into_body().try_into_bytes().unwrap();
    (status, headers, String::from_utf8(body.to_vec()).unwrap())
}

async fn page() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(("cache-control", "max-age=60"))
        .insert_header(("content-security-policy", "default-src 'self'"))
        .content_type("text/html")
        .body("<p>")
}

async fn missing_page() -> HttpResponse {
    HttpResponse::NotFound().content_type("text/html; charset=utf-8").body("<p>")
}

async fn invalid() -> Result<&'static str, ApiError> {
    Err(ApiError::ValidationFailed(vec![
        FieldProblem::new("/name", "too_long", "Must be at most 100 characters."),
        FieldProblem::new("/scopes/1", "unknown_scope", "This scope does not exist."),
    ]))
}

async fn limited() -> Result<&'static str, ApiError> {
    Err(ApiError::RateLimited {
        policy: "creations",
        quota: 5,
        window_seconds: 3600,
        retry_after_seconds: 120,
        detail: "At most 5 tokens an hour.".into(),
    })
}

async fn panics() -> &'static str {
    panic!("pat_s3cret")
}

async fn closed(_: ServiceRequest, _: Next<impl MessageBody>) -> Result<ServiceResponse, Error> {
    Err(ApiError::from(tokenry_actix::tokenry::CredentialError::Required).into())
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    let mut values = headers.get_all(name);
    let value = values.next().map_or("", |value| value.to_str().unwrap());
    assert_eq!(values.next(), None, "{name} was sent twice");
    value
}

#[actix_web::test]
async fn a_problem_has_its_fields_in_this_order() {
    let (status, headers, body) = response(TestRequest::get().uri("/invalid")).await;
    assert_eq!(status, 422);
    assert_eq!(header(&headers, "content-type"), "application/problem+json");
    insta::assert_snapshot!(pretty(&body), @r#"
    {"type":"urn:tokenry:problem:validation_failed",
    "title":"Validation failed",
    "status":422,
    "detail":"Some fields or parameters are invalid; see errors.",
    "code":"validation_failed",
    "request_id":"test-1",
    "errors":[
    {"pointer":"/name",
    "code":"too_long",
    "detail":"Must be at most 100 characters."},
    {"pointer":"/scopes/1",
    "code":"unknown_scope",
    "detail":"This scope does not exist."}]}
    "#);
}

#[actix_web::test]
async fn an_exceeded_quota_is_described_in_headers() {
    let (status, headers, body) = response(TestRequest::get().uri("/limited")).await;
    assert_eq!(status, 429);
    assert_eq!(header(&headers, "retry-after"), "120");
    assert_eq!(header(&headers, "ratelimit-policy"), r#""creations";q=5;w=3600"#);
    assert_eq!(header(&headers, "ratelimit"), r#""creations";r=0;t=120"#);
    insta::assert_snapshot!(pretty(&body), @r#"
    {"type":"urn:tokenry:problem:rate_limited",
    "title":"Too many requests",
    "status":429,
    "detail":"At most 5 tokens an hour.",
    "code":"rate_limited",
    "request_id":"test-1"}
    "#);
}

#[actix_web::test]
async fn every_response_has_the_request_id_and_the_security_headers() {
    for path in ["/tokens", "/page", "/nothing", "/invalid", "/panic", "/foreign-500", "/closed/x"] {
        let (_, headers, _) = response(TestRequest::get().uri(path)).await;
        assert_eq!(header(&headers, "x-request-id"), "test-1", "{path}");
        assert_eq!(header(&headers, "x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header(&headers, "referrer-policy"), "no-referrer", "{path}");
        assert_eq!(header(&headers, "cross-origin-resource-policy"), "same-origin", "{path}");
        assert_eq!(header(&headers, "cross-origin-opener-policy"), "same-origin", "{path}");
        let (csp, cache) = match path {
            "/page" => ("default-src 'self'", "max-age=60"),
            _ => ("default-src 'none'; frame-ancestors 'none'", "no-store"),
        };
        assert_eq!(header(&headers, "content-security-policy"), csp, "{path}");
        assert_eq!(header(&headers, "cache-control"), cache, "{path}");
    }
}

#[actix_web::test]
async fn every_error_response_is_a_problem_with_the_request_id() {
    let huge = || TestRequest::get().uri("/tokens").insert_header(("cookie", "x".repeat(9000)));
    for (req, status, code) in [
        (TestRequest::get().uri("/nothing"), 404, "not_found"),
        (TestRequest::get().uri("/tokens/"), 404, "not_found"),
        (TestRequest::get().uri("//tokens"), 404, "not_found"),
        (TestRequest::delete().uri("/tokens"), 405, "method_not_allowed"),
        (TestRequest::post().uri("/plain"), 405, "method_not_allowed"),
        (TestRequest::get().uri("/closed/x"), 401, "authentication_required"),
        (TestRequest::get().uri("/panic"), 500, "internal_error"),
        (TestRequest::get().uri("/foreign-404"), 404, "not_found"),
        (TestRequest::get().uri("/foreign-418"), 418, "invalid_request"),
        (TestRequest::get().uri("/foreign-500"), 500, "internal_error"),
        (TestRequest::get().uri("/no-data"), 500, "internal_error"),
        (TestRequest::get().uri("/number/x"), 404, "not_found"),
        (huge(), 431, "headers_too_large"),
    ] {
        let (found, headers, body) = response(req).await;
        let problem: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((found.as_u16(), problem["code"].as_str().unwrap()), (status, code), "{body}");
        assert_eq!(problem["status"], status, "{body}");
        assert_eq!(problem["type"], format!("urn:tokenry:problem:{code}"), "{body}");
        assert_eq!(problem["request_id"], "test-1", "{body}");
        assert_eq!(header(&headers, "content-type"), "application/problem+json", "{body}");
        assert!(!body.contains("s3cret"), "{body}");
    }
}

#[actix_web::test]
async fn an_error_page_of_the_app_keeps_its_body() {
    let (status, headers, body) = response(TestRequest::get().uri("/missing-page")).await;
    assert_eq!((status.as_u16(), body.as_str()), (404, "<p>"));
    assert_eq!(header(&headers, "content-type"), "text/html; charset=utf-8");
}

#[actix_web::test]
async fn a_405_response_lists_the_allowed_methods() {
    for method in [Method::PUT, Method::OPTIONS, Method::TRACE, Method::from_bytes(b"get").unwrap()] {
        let (status, headers, _) = response(TestRequest::default().method(method).uri("/tokens")).await;
        assert_eq!((status.as_u16(), header(&headers, "allow")), (405, "GET, HEAD, POST"));
    }
    let (_, headers, _) = response(TestRequest::post().uri("/plain")).await;
    assert_eq!(header(&headers, "allow"), "GET", "a response of actix-web keeps its header");
}

#[actix_web::test]
async fn head_is_answered_like_get() {
    let (status, headers, _) = response(TestRequest::default().method(Method::HEAD).uri("/tokens")).await;
    assert_eq!((status.as_u16(), header(&headers, "content-type")), (200, "text/plain; charset=utf-8"));
}

#[actix_web::test]
async fn without_the_outer_middleware_an_error_response_only_lacks_the_request_id() {
    let app = init_service(App::new().default_service(not_found())).await;
    let response = app.call(TestRequest::get().to_request()).await.unwrap();
    assert_eq!(header(response.headers(), "content-type"), "application/problem+json");
    assert_eq!(header(response.headers(), "cache-control"), "no-store");
    let body = response.into_body().try_into_bytes().unwrap();
    let problem: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((&problem["code"], problem.get("request_id")), (&Value::from("not_found"), None));
}

/// The body with one field per line, in the order of the response.
fn pretty(body: &str) -> String {
    body.replace("\",\"", "\",\n\"").replace(",\"", ",\n\"").replace(":[{", ":[\n{").replace("},{", "},\n{")
}
