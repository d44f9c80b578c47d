use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use actix_web::{
    App, HttpRequest,
    dev::Service,
    http::Method,
    middleware::from_fn,
    test::{TestRequest, init_service},
};
use serde_json::{Map, Value};
use tokenry_service::{TokenId, UnixMillis, UserId};

use super::{LogFields, TARGET};
use crate::{
    error::ApiError,
    fallback::{Endpoint, not_found},
    outer_middleware::outer_middleware,
};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn user() -> UserId {
    UserId::new(UnixMillis::MIN, [1; 10])
}

fn token() -> TokenId {
    TokenId::new(UnixMillis::MIN, [2; 10])
}

/// Everything logged, at the finest level, while `req` was answered.
async fn logged(req: TestRequest) -> (Vec<Map<String, Value>>, String) {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let app = init_service(
        App::new()
            .service(Endpoint::new("/tokens/{id}").get(async |req: HttpRequest| {
                LogFields::set(&req, user(), Some(token()));
                "one"
            }))
            .service(
                Endpoint::new("/broken").get(async || Err::<&str, _>(ApiError::internal("disk on fire"))),
            )
            .service(Endpoint::new("/slow").get(async || std::future::pending::<&str>().await))
            .default_service(not_found())
            .wrap(from_fn(outer_middleware)),
    )
    .await;
    let answer = app.call(req.append_header(("x-request-id", "test-1")).to_request());
    let _ = actix_web::rt::time::timeout(std::time::Duration::from_millis(20), answer).await;
    drop(guard);
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let events = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (events, text)
}

/// The fields of the one line that the request log wrote.
async fn line(req: TestRequest) -> Map<String, Value> {
    let (events, text) = logged(req).await;
    let mut lines = events.into_iter().filter(|event| event["target"] == TARGET);
    let (Some(line), None) = (lines.next(), lines.next()) else { panic!("not one line: {text}") };
    line["fields"].as_object().unwrap().clone()
}

#[actix_web::test]
async fn a_log_line_has_the_route_pattern_the_status_and_the_caller() {
    let mut line = line(TestRequest::get().uri("/tokens/7?x=1")).await;
    assert!(line.remove("duration_us").unwrap().is_u64());
    let expected = serde_json::json!({
        "message": "request",
        "method": "GET",
        "route": "/tokens/{id}",
        "status": 200,
        "request_id": "test-1",
        "user_id": user().to_string(),
        "token_id": token().to_string(),
    });
    assert_eq!(Value::from(line), expected);
}

#[actix_web::test]
async fn an_unauthenticated_request_to_an_unknown_path_logs_neither_caller_nor_path() {
    let invented = Method::from_bytes(b"PAT_S3CRET").unwrap();
    let line = line(TestRequest::default().method(invented).uri("/pat_s3cret")).await;
    assert_eq!(
        (&line["method"], &line["route"], &line["status"]),
        (&"OTHER".into(), &"unmatched".into(), &404.into())
    );
    assert!(!line.contains_key("user_id") && !line.contains_key("token_id"));
}

#[actix_web::test]
async fn nothing_that_a_client_sends_is_logged() {
    let req = TestRequest::get()
        .uri("/tokens/pat_s3cret?q=pat_s3cret")
        .insert_header(("authorization", "Bearer pat_s3cret"))
        .insert_header(("cookie", "session=pat_s3cret"))
        .insert_header(("user-agent", "pat_s3cret"))
        .set_payload("pat_s3cret");
    let (events, text) = logged(req).await;
    assert!(events.iter().any(|event| event["target"] == TARGET) && !text.contains("s3cret"), "{text}");
    // The same search finds what a handler does log.
    assert!(logged(TestRequest::get().uri("/broken")).await.1.contains("disk on fire"));
}

#[actix_web::test]
async fn the_cause_of_an_internal_error_is_logged_once_with_the_request_id() {
    let (events, text) = logged(TestRequest::get().uri("/broken")).await;
    assert_eq!(text.matches("disk on fire").count(), 1, "{text}");
    let fault = events.iter().find(|event| event["target"] == "tokenry::fault").unwrap();
    assert_eq!((&fault["level"], &fault["fields"]["cause"]), (&"ERROR".into(), &"disk on fire".into()));
    assert_eq!(fault["span"]["request_id"], "test-1");
}

#[actix_web::test]
async fn a_disconnected_client_is_logged_with_status_499() {
    assert_eq!(line(TestRequest::get().uri("/slow")).await["status"], 499);
}
