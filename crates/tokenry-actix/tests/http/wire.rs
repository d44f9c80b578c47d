//! Raw bytes over a real socket, for behaviour that in-process tests cannot observe.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{LazyLock, mpsc},
    thread,
    time::Duration,
};

use actix_web::{App, HttpServer, middleware::from_fn, rt::System};
use serde_json::Value;
use tokenry_actix::{
    BodyTimeout, StrictJson,
    fallback::{Endpoint, not_found},
    outer_middleware, server,
};

/// One server for all tests of this file; it has no state between requests.
static SERVER: LazyLock<SocketAddr> = LazyLock::new(|| {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        System::new().block_on(async {
            let server = HttpServer::new(|| {
                App::new()
                    .app_data(BodyTimeout(Duration::from_millis(100)))
                    .service(Endpoint::new("/hello").get(async || "hello"))
                    .service(Endpoint::new("/panic").get(async || -> &'static str { panic!("on purpose") }))
                    .service(
                        Endpoint::new("/json").post(async |StrictJson(it): StrictJson<Value>| it.to_string()),
                    )
                    .default_service(not_found())
                    .wrap(from_fn(outer_middleware))
            })
            .client_request_timeout(server::HEAD_TIMEOUT)
            .keep_alive(server::KEEP_ALIVE)
            .client_disconnect_timeout(server::DISCONNECT_TIMEOUT)
            .shutdown_timeout(server::SHUTDOWN_SECONDS)
            .workers(1)
            .disable_signals()
            .bind("127.0.0.1:0")
            .unwrap();
            send.send(server.addrs()[0]).unwrap();
            server.run().await.unwrap();
        });
    });
    receive.recv().unwrap()
});

/// The response to `bytes`, until the server closes the connection or sends nothing for a while.
fn exchange(bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(*SERVER).unwrap();
    // The trace of a panic takes long to print on a busy machine.
    stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    // A server that rejects early may close the connection before everything is written.
    let _ = stream.write_all(bytes);
    let mut response = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => response.extend_from_slice(&buffer[..length]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionReset) => break,
            Err(error) => panic!("{error}"),
        }
    }
    String::from_utf8(response).unwrap()
}

fn status(response: &str) -> &str {
    response.get("HTTP/1.1 ".len()..).and_then(|rest| rest.get(..3)).unwrap_or("no response")
}

/// Closes the connection after the response, so that a test does not wait for the read timeout.
const CLOSE: &str = "Connection: close\r\n";

fn get(extra: &str) -> String {
    format!("GET /hello HTTP/1.1\r\nHost: x\r\n{extra}\r\n")
}

fn post(extra: &str, body: &str) -> String {
    format!("POST /json HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{extra}\r\n{body}")
}

#[test]
fn a_large_head_is_rejected_with_431() {
    let large =
        |length: usize| exchange(get(&format!("{CLOSE}Cookie: {}\r\n", "x".repeat(length))).as_bytes());
    assert_eq!(status(&large(8 * 1024)), "200");
    for length in [8 * 1024 + 1, 16 * 1024, 100 * 1024] {
        let response = large(length);
        assert_eq!(status(&response), "431");
        assert!(response.contains(r#""code":"headers_too_large""#), "{response}");
    }
    // Over 128 KiB or 96 headers actix-http responds by itself, without a body.
    let many = exchange(get(&"a: b\r\n".repeat(96)).as_bytes());
    assert_eq!(status(&many), "431");
    assert!(many.contains("content-length: 0"), "{many}");
}

#[test]
fn malformed_http_is_rejected_by_actix_with_an_empty_400() {
    for bytes in [
        "nonsense\r\n\r\n",
        "GET /hello HTTP/1.1\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        &get("A: b\0c\r\n"),
        &get("A: b\r\n c\r\n"),
        &get("A : b\r\n"),
        &get("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
        &post("Content-Length: 2\r\nContent-Length: 2\r\n", "{}"),
        &post("Content-Length: +2\r\n", "{}"),
        &post("Transfer-Encoding: gzip, chunked\r\n", "2\r\n{}\r\n0\r\n\r\n"),
        &format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(70_000)),
    ] {
        let response = exchange(bytes.as_bytes());
        assert_eq!(status(&response), "400", "{bytes}");
        assert!(
            response.contains("connection: close") && response.ends_with("\r\n\r\n"),
            "{bytes} gave {response}"
        );
    }
}

#[test]
fn a_too_long_path_is_rejected_with_a_problem() {
    let response = exchange(format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(9_000)).as_bytes());
    assert_eq!(status(&response), "400");
    assert!(response.contains(r#""code":"invalid_request""#), "{response}");
}

#[test]
fn head_is_answered_like_get_without_the_body() {
    let head = exchange(get(CLOSE).replace("GET", "HEAD").as_bytes());
    assert!(head.contains("content-length: 5") && head.ends_with("\r\n\r\n"), "{head}");
    let rejected = exchange(get(CLOSE).replace("GET /hello", "HEAD /nothing").as_bytes());
    assert!(status(&rejected) == "404" && rejected.ends_with("\r\n\r\n"), "{rejected}");
}

#[test]
fn a_panic_is_answered_and_the_connection_stays_open() {
    let responses = exchange(format!("GET /panic HTTP/1.1\r\nHost: x\r\n\r\n{}", get(CLOSE)).as_bytes());
    assert!(responses.starts_with("HTTP/1.1 500") && responses.contains("internal_error"), "{responses}");
    assert!(responses.ends_with("\r\n\r\nhello"), "{responses}");
}

#[test]
fn pipelined_requests_are_answered_each_with_its_own_id() {
    let responses =
        exchange((get("X-Request-Id: one\r\n") + &get(&format!("{CLOSE}X-Request-Id: two\r\n"))).as_bytes());
    let at = |id: &str| responses.find(&format!("x-request-id: {id}\r\n")).unwrap();
    assert!(at("one") < at("two"), "{responses}");
}

#[test]
fn a_body_is_accepted_with_a_length_or_in_chunks() {
    assert!(
        exchange(post(&format!("{CLOSE}Content-Length: 2\r\n"), "{}").as_bytes()).ends_with("\r\n\r\n{}")
    );
    let chunked = post(&format!("{CLOSE}Transfer-Encoding: chunked\r\n"), "1\r\n{\r\n1\r\n}\r\n0\r\n\r\n");
    assert!(exchange(chunked.as_bytes()).ends_with("\r\n\r\n{}"));
    let broken = exchange(post("Transfer-Encoding: chunked\r\n", "zz\r\n").as_bytes());
    assert!(status(&broken) == "400" && broken.contains(r#""code":"invalid_request""#), "{broken}");
}

#[test]
fn a_large_body_is_rejected_before_it_is_sent() {
    let response = exchange(post("Content-Length: 16385\r\n", "").as_bytes());
    assert!(status(&response) == "413" && response.contains("connection: close"), "{response}");
    let chunks = format!("1000\r\n{}\r\n", " ".repeat(0x1000)).repeat(5);
    let response = exchange(post("Transfer-Encoding: chunked\r\n", &chunks).as_bytes());
    assert!(status(&response) == "413" && response.contains("payload_too_large"), "{response}");
}

#[test]
fn an_incomplete_body_times_out() {
    let response = exchange(post("Content-Length: 10\r\n", "{").as_bytes());
    assert!(status(&response) == "408" && response.contains("request_timeout"), "{response}");
    assert!(response.contains("connection: close"), "{response}");
}
