//! No plaintext secret is stored, logged or sent, except in the one response that shows it. Each search is verified to find a
//! planted secret.

use std::{
    collections::HashSet,
    io::{self, Write},
    sync::{Arc, LazyLock, Mutex},
};

use serde_json::json;
use tokenry_testkit::{TestDatabase, each_backend};

use crate::api::{Api, from_page, named, request};

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Everything that this process logs at the finest level, in all tests. The subscriber is process-wide, so that background
/// threads are included. Fails if another subscriber is installed.
static LOG: LazyLock<Captured> = LazyLock::new(|| {
    let log = Captured::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .try_init()
        .expect("nobody else listens to this process");
    log
});

/// Runs a complete scenario. Returns all texts that must not occur anywhere, the responses that show a secret, and all other
/// responses.
fn scenario(db: &TestDatabase) -> (Vec<String>, String, Vec<String>) {
    let api = Api::new(db);
    let alice = api.user("alice");
    let mut secrets = vec![api.root.clone()];
    let mut responses = Vec::new();
    let shown =
        api.json("POST", "/api/v1/tokens", &api.root, &json!({"name": "canary", "scopes": ["*"]})).body;
    let created: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let text = created["token"].as_str().unwrap().to_owned();
    secrets.push(text.clone());
    let path = format!("/api/v1/tokens/{}", created["id"].as_str().unwrap());
    let mut wrong = text.clone();
    wrong.replace_range(30..31, if &text[30..31] == "A" { "B" } else { "A" });
    secrets.push(wrong.clone());
    for (method, path, token) in [
        ("GET", "/api/v1/token", text.as_str()),
        ("GET", "/api/v1/me", &text),
        ("GET", "/api/v1/tokens", &text),
        ("GET", &path, &text),
        ("GET", "/api/v1/me", &wrong),
        ("GET", &format!("/api/v1/tokens?search={text}"), &text),
        ("GET", &format!("/api/v1/tokens?limit={text}"), &text),
        ("GET", &format!("/{text}"), &text),
        ("GET", &format!("{path}/usage"), &text),
        ("GET", &format!("{path}/usage/summary"), &text),
        ("GET", "/api/v1/audit", &text),
        ("GET", "/api/v1/users", &text),
        ("GET", "/api/v1/admin/tokens", &text),
        ("GET", "/api/v1/scopes", &text),
        ("GET", "/openapi.json", &text),
        ("GET", "/readyz", &text),
    ] {
        responses.push(api.call(method, path, token).body);
    }
    responses.push(api.json("PATCH", &path, &text, &json!({"status": text})).body);
    // A secret instead of a name: a response repeats at most the beginning of an unknown name.
    responses.push(api.json("PATCH", &path, &text, &json!({text.as_str(): 1})).body);
    responses.push(
        api.json("POST", "/api/v1/tokens", &text, &json!({"name": "a", "metadata": {text.as_str(): "\0"}}))
            .body,
    );
    responses.push(api.call("GET", &format!("/api/v1/tokens?{text}=1"), &text).body);
    responses.push(api.json("POST", "/api/v1/tokens", &text, &json!({"name": 5, "metadata": [text]})).body);
    responses.push(api.raw("POST", "/api/v1/tokens", &text, format!("{{\"name\": {text}")).body);
    let repeated =
        request("GET", "/api/v1/me", &text).append_header(("authorization", format!("Bearer {text}")));
    responses.push(api.send(repeated).body);
    secrets.push(api.token_of(&alice, &[]).1);
    // Both secrets of a token within its grace period, and secrets sent for verification.
    let (rotated, old) = api.create(&api.root, &json!({"name": "rotated"}));
    let rotate = format!("/api/v1/tokens/{}/rotate", rotated["id"].as_str().unwrap());
    let rotated = api.json("POST", &rotate, &api.root, &json!({"grace_seconds": 600})).json();
    secrets.push(rotated["token"].as_str().unwrap().to_owned());
    secrets.push(old);
    let sent =
        api.json("POST", "/api/v1/verify", &text, &json!({"token": wrong, "method": "GET", "resource": "a"}));
    responses.push(sent.body);
    for path in ["/oauth/introspect", "/oauth/revoke"] {
        let form = request("POST", path, &text)
            .insert_header(("content-type", "application/x-www-form-urlencoded"))
            .set_payload(format!("token={wrong}"));
        responses.push(api.send(form).body);
    }
    let cookie = api.sign_in(&text);
    secrets.push(cookie.clone());
    let mut unknown = cookie.clone();
    unknown.replace_range(20..21, if &cookie[20..21] == "A" { "B" } else { "A" });
    secrets.push(unknown.clone());
    for (method, path, cookie) in [
        ("GET", "/session", &cookie),
        ("GET", "/api/v1/me", &cookie),
        ("GET", "/api/v1/tokens", &cookie),
        ("GET", "/api/v1/audit", &cookie),
        ("GET", "/api/v1/me", &unknown),
        ("GET", "/session", &unknown),
    ] {
        responses.push(api.with_cookie(method, path, cookie).body);
    }
    let elsewhere =
        from_page(request("GET", "/api/v1/me", "")).insert_header(("origin", "https://evil.test"));
    responses.push(api.send(elsewhere.insert_header(("cookie", named(&cookie)))).body);
    let both = from_page(request("GET", "/api/v1/me", &text)).insert_header(("cookie", named(&cookie)));
    responses.push(api.send(both).body);
    responses.push(api.with_cookie("DELETE", "/session", &cookie).body);
    responses.push(api.with_cookie("GET", "/api/v1/me", &cookie).body);
    // A live token is in the database during the search.
    secrets.push(api.sign_in(&api.root));
    responses.push(api.call("DELETE", &path, &text).body);
    responses.push(api.call("GET", "/api/v1/me", &text).body);
    api.tokenry.flush().unwrap();
    (secrets, shown, responses)
}

/// All substrings of eight characters of the secret parts of some tokens, as text and in hexadecimal.
struct Needles(HashSet<Vec<u8>>);

impl Needles {
    fn new(secrets: &[String]) -> Self {
        let mut needles = HashSet::new();
        for secret in secrets {
            for start in 16..secret.len() - 6 - 8 {
                let part = &secret.as_bytes()[start..start + 8];
                needles.insert(part.to_vec());
                let hex = format!("{:016x}", u64::from_be_bytes(part.try_into().unwrap()));
                needles.insert(hex.to_uppercase().into_bytes());
                needles.insert(hex.into_bytes());
            }
        }
        assert!(needles.len() > 30);
        Self(needles)
    }

    fn are_in(&self, text: &[u8]) -> bool {
        [8, 16].iter().any(|length| text.windows(*length).any(|part| self.0.contains(part)))
    }
}

/// The columns of all tables, and the files of a file database, that contain one of these secrets.
fn locations(db: &TestDatabase, needles: &Needles) -> Vec<String> {
    let columns = db.contents().into_iter();
    let mut locations: Vec<String> = columns
        .filter(|column| column.values.iter().any(|value| needles.are_in(value)))
        .map(|column| column.name)
        .collect();
    for entry in db.folder().iter().flat_map(|folder| folder.read_dir().unwrap()) {
        let path = entry.unwrap().path();
        if needles.are_in(&std::fs::read(&path).unwrap()) {
            locations.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    locations
}

/// Plants a secret in each searched location and asserts that the search finds it.
fn assert_that_the_searches_find(db: &TestDatabase, planted: &str) {
    let needles = Needles::new(&[planted.to_owned()]);
    let hex: String = planted.bytes().map(|byte| format!("{byte:02x}")).collect();
    db.execute("CREATE TABLE planted (words TEXT, hex TEXT)");
    let inserted = db.execute(&format!("INSERT INTO planted VALUES ('x{planted}x', '{hex}')"));
    assert_eq!(inserted, 1);
    let found = locations(db, &needles);
    for location in ["planted.words", "planted.hex"] {
        assert!(found.iter().any(|found| found == location), "{location}: {found:?}");
    }
    // The secret is in the write-ahead log or in the file itself.
    assert_eq!(
        db.folder().is_some(),
        found.iter().any(|location| location.starts_with("tokenry.db")),
        "{found:?}"
    );
    let name = db.contents().into_iter().find(|column| column.name == "personal_access_tokens.name").unwrap();
    assert!(name.values.contains(&b"canary".to_vec()), "the rows of the scenario are among what is searched");
    let columns = db.contents().len();
    assert!(columns > 60, "{columns} columns");

    tracing::trace!(planted, "on this thread");
    let elsewhere = planted.to_owned();
    std::thread::spawn(move || tracing::trace!(planted = elsewhere, "on another")).join().unwrap();
    let log = LOG.0.lock().unwrap().clone();
    for location in ["on this thread", "on another"] {
        let log = String::from_utf8_lossy(&log);
        let line = log.lines().find(|line| line.contains(location) && line.contains(planted));
        assert!(line.is_some_and(|line| needles.are_in(line.as_bytes())), "{location}");
    }
}

each_backend!(no_secret_is_in_trace_logs_responses_or_the_database, |db| {
    LazyLock::force(&LOG);
    let (secrets, shown, responses) = scenario(db);
    let needles = Needles::new(&secrets);
    assert!(secrets.len() >= 9 && responses.len() >= 30);
    assert!(!needles.are_in(&LOG.0.lock().unwrap()), "a part of a secret is in the log");
    for response in &responses {
        assert!(!needles.are_in(response.as_bytes()), "a part of a secret is in an response");
    }
    assert_eq!(locations(db, &needles), Vec::<String>::new());

    assert!(needles.are_in(shown.as_bytes()), "the one response that shows a secret");
    let planted = tokenry_actix::tokenry::PlainToken::generate(
        &tokenry_actix::tokenry::Prefix::parse("pat_").unwrap(),
        &mut tokenry_actix::tokenry::SecretRng::os(),
    );
    assert_that_the_searches_find(db, &planted.unwrap().reveal_once());
});
