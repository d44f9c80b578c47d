use std::pin::Pin;

use actix_web::{
    App, FromRequest, HttpRequest,
    dev::{Payload, Service},
    http::StatusCode,
    rt::task::yield_now,
    test::{TestRequest, init_service},
    web::Bytes,
};
use serde_json::Value;

use super::{MAX_BODY, OptionalJson, Sequential, StrictJson};
use crate::{error::ApiError, fallback::Endpoint, query::StrictForm};

async fn sent(req: TestRequest) -> StatusCode {
    let app = init_service(
        App::new()
            .service(Endpoint::new("/").post(async |StrictJson(it): StrictJson<Value>| it.to_string()))
            .service(
                Endpoint::new("/optional").post(async |OptionalJson(it): OptionalJson<Value>| it.to_string()),
            )
            .service(Endpoint::new("/form").post(async |StrictForm(()): StrictForm<()>| "read"))
            .service(Endpoint::new("/locked").post(
                async |Sequential(Locked, StrictJson(it)): Sequential<Locked, StrictJson<Value>>| {
                    it.to_string()
                },
            ))
            .service(
                Endpoint::new("/concurrent")
                    .post(async |_: Locked, StrictJson(it): StrictJson<Value>| it.to_string()),
            ),
    )
    .await;
    app.call(req.to_request()).await.unwrap().status()
}

/// A caller that is rejected, but not immediately.
struct Locked;

impl FromRequest for Locked {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(_: &HttpRequest, _: &mut Payload) -> Self::Future {
        Box::pin(async {
            yield_now().await;
            Err(tokenry_service::CredentialError::Required.into())
        })
    }
}

fn json(body: impl Into<Bytes>) -> TestRequest {
    TestRequest::post().insert_header(("content-type", "application/json")).set_payload(body.into())
}

#[actix_web::test]
async fn only_unencoded_json_in_utf_8_is_accepted() {
    for (content_type, status) in [
        ("application/json", 200),
        ("Application/JSON; Charset=UTF-8", 200),
        ("application/json;charset=\"utf-8\"", 200),
        ("application/json; charset=latin1", 415),
        ("application/json; charset=utf-8; boundary=x", 415),
        ("application/jsonx", 415),
        ("application/problem+json", 415),
        ("text/json", 415),
        ("text/plain", 415),
        ("", 415),
    ] {
        let req = TestRequest::post().insert_header(("content-type", content_type)).set_payload("{}");
        assert_eq!(sent(req).await, status, "{content_type}");
    }
    assert_eq!(sent(TestRequest::post().set_payload("{}")).await, 415, "no content type");
    let twice = json("{}").append_header(("content-type", "application/json"));
    assert_eq!(sent(twice).await, 415, "two content types");
    for (encoding, status) in [("identity", 200), ("gzip", 415), ("identity, gzip", 415)] {
        assert_eq!(
            sent(json("{}").insert_header(("content-encoding", encoding))).await,
            status,
            "{encoding}"
        );
    }
}

/// A JSON text of this length.
fn text_of(length: usize) -> String {
    format!("\"{}\"", "x".repeat(length - 2))
}

#[actix_web::test]
async fn a_body_is_limited_to_16_kib_whatever_its_content_length_says() {
    assert_eq!(sent(json(text_of(MAX_BODY))).await, 200);
    assert_eq!(sent(json(text_of(MAX_BODY + 1))).await, 413);
    assert_eq!(sent(json("{}").insert_header(("content-length", MAX_BODY + 1))).await, 413);
    assert_eq!(sent(json(text_of(MAX_BODY + 1)).insert_header(("content-length", 2))).await, 413);
}

#[actix_web::test]
async fn a_body_may_be_omitted_only_where_it_is_optional() {
    assert_eq!(sent(json("")).await, 400);
    for (req, status) in [
        (TestRequest::post(), 200),
        (json(""), 200),
        (json("{}"), 200),
        (json("{"), 400),
        (TestRequest::post().set_payload("{}"), 415),
    ] {
        assert_eq!(sent(req.uri("/optional")).await, status);
    }
}

#[actix_web::test]
async fn a_form_is_parsed_as_strictly_as_a_query() {
    for (body, status) in [("", 200), ("a=1", 422), ("a=%", 400)] {
        let form = TestRequest::post().insert_header(("content-type", "application/x-www-form-urlencoded"));
        assert_eq!(sent(form.uri("/form").set_payload(body)).await, status, "{body}");
    }
    assert_eq!(sent(json("{}").uri("/form")).await, 415);
}

#[actix_web::test]
async fn a_sequential_body_is_not_read_before_the_caller_is_authenticated() {
    assert_eq!(sent(json("{").uri("/locked")).await, 401);
    // The reason for `Sequential`: as separate arguments, the malformed body wins.
    assert_eq!(sent(json("{").uri("/concurrent")).await, 400);
}
