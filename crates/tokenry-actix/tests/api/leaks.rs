//! The canary: no plaintext anywhere but in the one answer that shows it.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
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

/// Runs a whole scenario and returns all texts that must never be seen again, and all that was answered.
fn scenario(db: &TestDatabase) -> (Vec<String>, Vec<String>) {
    let api = Api::new(db);
    let alice = api.user("alice");
    let mut secrets = vec![api.root.clone()];
    let mut answers = Vec::new();
    let (created, text) = api.create(&api.root, &json!({"name": "canary", "scopes": ["*"]}));
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
    ] {
        answers.push(api.call(method, path, token).body);
    }
    answers.push(api.json("PATCH", &path, &text, &json!({"status": text})).body);
    answers.push(api.json("POST", "/api/v1/tokens", &text, &json!({"name": 5, "metadata": [text]})).body);
    answers.push(api.raw("POST", "/api/v1/tokens", &text, format!("{{\"name\": {text}")).body);
    let doubled =
        request("GET", "/api/v1/me", &text).append_header(("authorization", format!("Bearer {text}")));
    answers.push(api.send(doubled).body);
    secrets.push(api.token_of(&alice, &[]).1);
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
        answers.push(api.with_cookie(method, path, cookie).body);
    }
    let elsewhere =
        from_page(request("GET", "/api/v1/me", "")).insert_header(("origin", "https://evil.test"));
    answers.push(api.send(elsewhere.insert_header(("cookie", named(&cookie)))).body);
    let both = from_page(request("GET", "/api/v1/me", &text)).insert_header(("cookie", named(&cookie)));
    answers.push(api.send(both).body);
    answers.push(api.with_cookie("DELETE", "/session", &cookie).body);
    answers.push(api.with_cookie("GET", "/api/v1/me", &cookie).body);
    // One that is still alive is in the database when that is searched.
    secrets.push(api.sign_in(&api.root));
    answers.push(api.call("DELETE", &path, &text).body);
    answers.push(api.call("GET", "/api/v1/me", &text).body);
    (secrets, answers)
}

/// Every eight characters of the secret part of a token.
fn assert_absent(secrets: &[String], text: &str, place: &str) {
    for secret in secrets {
        for start in 16..secret.len() - 6 - 8 {
            assert!(!text.contains(&secret[start..start + 8]), "a part of a secret is in {place}");
        }
    }
}

each_backend!(no_plaintext_is_in_logs_at_trace_answers_or_database, |db| {
    let log = Captured::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    // Process-wide, so that the threads behind the answers are heard as well; each test is a process of its own.
    let _ = tracing::subscriber::set_global_default(subscriber);
    let (secrets, answers) = scenario(db);
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(secrets.len() >= 7);
    assert_absent(&secrets, &log, "the log");
    for answer in &answers {
        assert_absent(&secrets, answer, "an answer");
    }
    if let Some(folder) = db.folder() {
        for entry in folder.read_dir().unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            assert_absent(&secrets, &String::from_utf8_lossy(&bytes), "the database");
        }
    } else {
        let events = db.store().read(|tx| tokenry_store::audit::list(tx, 0, 1000)).unwrap();
        assert_absent(&secrets, &format!("{events:?}"), "the audit log");
    }
});
