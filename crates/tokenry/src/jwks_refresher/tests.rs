use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokenry_service::{
    JwtAlgorithm, JwtError, JwtIssuer, JwtKeys, JwtVerifier, KeyRefreshStatus, OidcTransport as _,
    UnixMillis, supervisor::Workers,
};

use super::{JwksRefresher, KeySource, ReplaceKeys, now};
use crate::http_client::HttpClient;

/// Two Ed25519 keys whose private halves were discarded, and a token of each that is valid until 2100.
const KEYS: [(&str, &str); 2] = [
    ("one", "own07M5XkLSGnrNJIE185eROCzk6sU4fUnLOkE90iRg"),
    ("two", "72XQlcDbacdWk83a4_W--erkx8axZGmyhPDKem703HU"),
];
const TOKENS: [&str; 2] = [
    "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCIsImtpZCI6Im9uZSJ9.eyJpc3MiOiJpc3N1ZXIiLCJhdWQiOiJ0b2tlbnJ5Iiwic3ViIjoidSIsImV4cCI6NDEwMjQ0NDgwMH0.ML4qthvOP0Kd3D_9eatWH4ix480yYaqy_K2RJ9OthSjh14F6XMULcNJqzMKwnSKzX4Zu07AoIAC1Z90M9DmeBg",
    "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCIsImtpZCI6InR3byJ9.eyJpc3MiOiJpc3N1ZXIiLCJhdWQiOiJ0b2tlbnJ5Iiwic3ViIjoidSIsImV4cCI6NDEwMjQ0NDgwMH0.bcRzrzMipAQUNTKrWObjbhWRzauwlvnRrir0UKeE5LyxBIu9fIcWUQRSRddtyzoCmaaLB5mUgVh9Sq2ydC9DCA",
];

const ISSUER: &str = "issuer";

fn jwks((id, x): (&str, &str)) -> String {
    format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"{id}","x":"{x}"}}]}}"#)
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

fn moved(to: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n")
}

const BROKEN: &str = "HTTP/1.1 500 Oh\r\ncontent-length: 4\r\n\r\nbody";

/// A local server that gives the same answer to every request until it is changed.
struct Server {
    url: String,
    answer: Arc<Mutex<String>>,
    pause: Arc<Mutex<Duration>>,
    requests: Arc<Mutex<usize>>,
}

impl Server {
    fn start(answer: impl Into<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let answer = Arc::new(Mutex::new(answer.into()));
        let server = Self { url, answer, pause: Arc::default(), requests: Arc::default() };
        let (answer, requests, pause) =
            (server.answer.clone(), server.requests.clone(), server.pause.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 4096]);
                *requests.lock().unwrap() += 1;
                let pause = *pause.lock().unwrap();
                std::thread::sleep(pause);
                let _ = stream.write_all(answer.lock().unwrap().as_bytes());
            }
        });
        server
    }

    fn answer(&self, answer: impl Into<String>) {
        *self.answer.lock().unwrap() = answer.into();
    }

    /// Waits so long before each answer.
    fn pause(&self, pause: Duration) {
        *self.pause.lock().unwrap() = pause;
    }

    fn requests(&self) -> usize {
        *self.requests.lock().unwrap()
    }
}

fn replacing(verifier: &Arc<JwtVerifier>) -> ReplaceKeys {
    let verifier = verifier.clone();
    Arc::new(move |issuer, jwks| verifier.replace_keys(issuer, jwks).map_err(|error| error.to_string()))
}

fn refresher(url: &str) -> (Arc<JwtVerifier>, JwksRefresher) {
    let rules = JwtIssuer::new(ISSUER.to_owned(), vec!["tokenry".to_owned()], JwtAlgorithm::EdDsa);
    let verifier = Arc::new(JwtVerifier::new(vec![(rules, JwtKeys::Pending)]).unwrap());
    let refresh = Duration::from_secs(3600);
    let source = KeySource {
        issuer: ISSUER.to_owned(),
        url: url.to_owned(),
        refresh,
        min_forced: KeySource::MIN_FORCED,
    };
    let refresher = JwksRefresher::new(vec![source]);
    refresher.begin(&replacing(&verifier), &Workers::default()).unwrap();
    (verifier, refresher)
}

fn refusal(verifier: &JwtVerifier, token: usize) -> Option<JwtError> {
    verifier.verify(TOKENS[token].as_bytes(), UnixMillis::new(1_800_000_000_000).unwrap()).err()
}

#[track_caller]
fn wait_until(is_true: impl Fn() -> bool) {
    let start = now();
    while !is_true() {
        assert!(start.elapsed() < Duration::from_secs(10), "the condition was not met in time");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn keys_are_fetched_and_a_refresh_replaces_them() {
    let server = Server::start(ok(&jwks(KEYS[0])));
    let (verifier, refresher) = refresher(&server.url);
    wait_until(|| refusal(&verifier, 0).is_none());
    assert_eq!(refusal(&verifier, 1), Some(JwtError::UnknownKey));

    server.answer(ok(&jwks(KEYS[1])));
    refresher.request_refresh("another");
    refresher.request_refresh(ISSUER);
    wait_until(|| refusal(&verifier, 1).is_none());
    assert_eq!(refusal(&verifier, 0), Some(JwtError::UnknownKey));
}

#[test]
fn unknown_keys_cause_one_forced_fetch() {
    let server = Server::start(ok(&jwks(KEYS[0])));
    let (verifier, refresher) = refresher(&server.url);
    wait_until(|| refusal(&verifier, 0).is_none());
    for _ in 0..1000 {
        refresher.request_refresh(ISSUER);
    }
    wait_until(|| server.requests() == 2);
    refresher.request_refresh(ISSUER);
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(server.requests(), 2);
}

#[test]
fn a_failed_fetch_keeps_the_old_keys_and_is_retried() {
    let large = ok(&format!("{}{}", jwks(KEYS[1]), " ".repeat(256 * 1024)));
    let failures = [BROKEN.to_owned(), ok("<html>"), ok(r#"{"keys":[]}"#), large, "junk".to_owned()];
    std::thread::scope(|scope| {
        for failure in failures {
            scope.spawn(move || recovers_from(failure));
        }
    });
}

fn recovers_from(failure: String) {
    let server = Server::start(ok(&jwks(KEYS[0])));
    let (verifier, refresher) = refresher(&server.url);
    wait_until(|| refusal(&verifier, 0).is_none());

    server.answer(failure);
    refresher.request_refresh(ISSUER);
    wait_until(|| server.requests() >= 2);
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!((refusal(&verifier, 0), refusal(&verifier, 1)), (None, Some(JwtError::UnknownKey)));

    server.answer(ok(&jwks(KEYS[1])));
    wait_until(|| refusal(&verifier, 1).is_none());
}

#[test]
fn before_the_first_fetch_keys_are_unavailable() {
    let server = Server::start(BROKEN);
    let (verifier, _refresher) = refresher(&server.url);
    wait_until(|| server.requests() >= 1);
    assert_eq!(refusal(&verifier, 0), Some(JwtError::KeysUnavailable));
    server.answer(ok(&jwks(KEYS[0])));
    wait_until(|| refusal(&verifier, 0).is_none());
}

#[test]
fn bodies_over_256_kib_are_rejected() {
    let client = HttpClient::new();
    let chunked = |len: usize| {
        let body = "x".repeat(len);
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{len:x}\r\n{body}\r\n0\r\n\r\n")
    };
    let server = Server::start("");
    for (len, is_read) in [(0, true), (256 * 1024, true), (256 * 1024 + 1, false), (10 * 1024 * 1024, false)]
    {
        server.answer(ok(&"x".repeat(len)));
        assert_eq!(client.get(&server.url).is_ok(), is_read, "{len}");
        server.answer(if len == 0 { ok("") } else { chunked(len) });
        assert_eq!(client.get(&server.url).is_ok(), is_read, "{len}, chunked");
    }
}

#[test]
fn at_most_two_redirects_are_followed() {
    let client = HttpClient::new();
    let target = Server::start(ok("keys"));
    let second = Server::start(moved(&target.url));
    let first = Server::start(moved(&second.url));
    let too_far = Server::start(moved(&first.url));
    assert_eq!(client.get(&first.url), Ok("keys".to_owned()));
    assert_eq!(client.get(&too_far.url), Err("more than 2 redirects".to_owned()));
    assert_eq!(target.requests(), 1);
    for location in ["http://issuer.test/keys", "file:///etc/passwd", ""] {
        let server = Server::start(moved(location));
        assert!(client.get(&server.url).unwrap_err().starts_with("redirected"), "{location}");
    }
}

#[test]
fn redirects_do_not_extend_the_time_of_a_request() {
    let (target, first) = (Server::start(ok("keys")), Server::start(""));
    first.answer(moved(&target.url));
    target.pause(Duration::from_secs(3));
    let start = now();
    assert_eq!(HttpClient::new().get(&first.url), Ok("keys".to_owned()), "the control");
    assert!(start.elapsed() >= Duration::from_secs(3));
    first.pause(Duration::from_secs(3));
    let start = now();
    let error = HttpClient::new().get(&first.url).unwrap_err();
    assert!(error.contains("timeout"), "{error}");
    assert!(start.elapsed() < Duration::from_millis(5_900), "{:?}", start.elapsed());
}

#[test]
fn a_form_is_sent_to_its_url_alone_and_every_status_is_an_answer() {
    let client = HttpClient::new();
    let post = |url: &str| {
        let (form, secret) = ("code=CANARY".to_owned().into(), "Basic CANARY".to_owned().into());
        client.post(url, form, Some(secret)).map(|(status, body)| (status, body.to_string()))
    };
    let (server, target) = (Server::start(ok("answer")), Server::start(ok("taken")));
    assert_eq!(post(&server.url), Ok((200, "answer".to_owned())));
    server.answer(BROKEN);
    assert_eq!(post(&server.url), Ok((500, "body".to_owned())));
    server.answer(moved(&target.url));
    assert_eq!(post(&server.url), Ok((302, String::new())));
    assert_eq!((server.requests(), target.requests()), (3, 0));
    server.answer(ok(&"x".repeat(256 * 1024 + 1)));
    let too_long = post(&server.url).unwrap_err();
    assert!(!too_long.contains("CANARY"), "{too_long}");
    let why = "must be https, or http to a loopback address".to_owned();
    assert_eq!(post("http://issuer.test/token"), Err(why));
}

#[test]
fn keys_are_not_fetched_over_plain_http_from_another_host() {
    assert!(KeySource::check("https://issuer.test/keys").is_ok());
    let why = "must be https, or http to a loopback address".to_owned();
    assert_eq!(KeySource::check("http://issuer.test/keys"), Err(why.clone()));
    assert_eq!(HttpClient::new().get("http://issuer.test/keys"), Err(why));
}

#[test]
fn an_error_never_quotes_the_body() {
    let server = Server::start("");
    for answer in [ok("CANARY").replace("200 OK", "404 CANARY"), "CANARY\r\n\r\n".to_owned()] {
        server.answer(answer);
        let error = HttpClient::new().get(&server.url).unwrap_err();
        assert!(!error.contains("CANARY"), "{error}");
    }
}

#[test]
fn a_server_without_tls_is_not_accepted_for_https() {
    let server = Server::start(ok(&jwks(KEYS[0])));
    assert!(HttpClient::new().get(&server.url.replace("http:", "https:")).is_err());
}

#[test]
fn a_refresher_stops_promptly_while_a_server_hangs() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let answering = Server::start(ok(&jwks(KEYS[0])));
    for url in [format!("http://{}/keys", silent.local_addr().unwrap()), answering.url.clone()] {
        let (_, refresher) = refresher(&url);
        std::thread::sleep(Duration::from_millis(50));
        let start = now();
        drop(refresher);
        assert!(start.elapsed() < Duration::from_secs(2), "{url}");
    }
}

#[test]
fn a_refresher_without_sources_is_idle() {
    let refresher = JwksRefresher::new(Vec::new());
    refresher
        .begin(&replacing(&Arc::new(JwtVerifier::new(Vec::new()).unwrap())), &Workers::default())
        .unwrap();
    refresher.request_refresh(ISSUER);
}

/// Waits as a request does and returns the status afterwards.
fn wait_for(refresher: &JwksRefresher) -> KeyRefreshStatus {
    match refresher.request_refresh(ISSUER) {
        KeyRefreshStatus::Pending(arrival) => {
            futures_executor::block_on(arrival);
            refresher.request_refresh(ISSUER)
        }
        status => status,
    }
}

#[test]
fn waiters_are_woken_when_the_fetch_completes_whatever_its_result() {
    let server = Server::start(ok(&jwks(KEYS[0])));
    let (verifier, refresher) = refresher(&server.url);
    wait_until(|| refusal(&verifier, 0).is_none());

    // The issuer has a new key, which one fetch brings.
    server.answer(ok(&jwks(KEYS[1])));
    assert_eq!(refusal(&verifier, 1), Some(JwtError::UnknownKey));
    assert!(matches!(wait_for(&refresher), KeyRefreshStatus::Current));
    assert_eq!(refusal(&verifier, 1), None);

    // A key that is unknown after that does not exist: no request waits and nothing is fetched.
    let requests = server.requests();
    for _ in 0..1000 {
        assert!(matches!(wait_for(&refresher), KeyRefreshStatus::Current));
    }
    assert_eq!(server.requests(), requests);
    assert!(matches!(refresher.request_refresh("another"), KeyRefreshStatus::Current));
}

#[test]
fn a_failed_fetch_does_not_reject_a_key() {
    let server = Server::start(ok(&jwks(KEYS[0])));
    let (verifier, refresher) = refresher(&server.url);
    wait_until(|| refusal(&verifier, 0).is_none());
    server.answer(BROKEN);
    assert!(matches!(wait_for(&refresher), KeyRefreshStatus::Unavailable));
    assert_eq!(refusal(&verifier, 0), None, "the old keys stay");
}

#[test]
fn waiters_for_a_hanging_issuer_are_bounded_and_end_with_the_refresher() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let (_, refresher) = refresher(&format!("http://{}/keys", silent.local_addr().unwrap()));
    let mut waiting = Vec::new();
    while let KeyRefreshStatus::Pending(arrival) = refresher.request_refresh(ISSUER) {
        waiting.push(arrival);
        assert!(waiting.len() <= 100, "the number of waiters is not bounded");
    }
    assert_eq!(waiting.len(), 100);
    assert!(matches!(refresher.request_refresh(ISSUER), KeyRefreshStatus::Unavailable));
    drop(refresher);
    waiting.into_iter().for_each(futures_executor::block_on);
}

#[test]
fn a_hanging_issuer_does_not_delay_other_issuers() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let answering = Server::start(ok(&jwks(KEYS[0])));
    let names = ["hangs", ISSUER];
    let rules = |name: &str| JwtIssuer::new(name.to_owned(), vec!["tokenry".to_owned()], JwtAlgorithm::EdDsa);
    let issuers = names.map(|name| (rules(name), JwtKeys::Pending));
    let verifier = Arc::new(JwtVerifier::new(issuers.into()).unwrap());
    let urls = [format!("http://{}/keys", silent.local_addr().unwrap()), answering.url.clone()];
    let source = |(name, url): (&str, &String)| KeySource {
        issuer: name.to_owned(),
        url: url.clone(),
        refresh: Duration::from_secs(3600),
        min_forced: KeySource::MIN_FORCED,
    };
    let refresher = JwksRefresher::new(names.into_iter().zip(&urls).map(source).collect());
    let start = now();
    refresher.begin(&replacing(&verifier), &Workers::default()).unwrap();
    wait_until(|| refusal(&verifier, 0).is_none());
    assert!(start.elapsed() < Duration::from_secs(4), "it waited for the hanging issuer");
}
