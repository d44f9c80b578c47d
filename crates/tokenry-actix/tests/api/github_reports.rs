//! Reports that GitHub's secret scanning signs.

use std::{
    num::NonZero,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use aws_lc_rs::{
    encoding::{AsDer as _, PublicKeyX509Der},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;
use tokenry_actix::{
    FailureLimit, HttpSettings,
    tokenry::{GithubReports, KeyRefresh, KeyRefreshStatus, PlainToken, Prefix, ReportKeys, SecretRng},
};
use tokenry_testkit::{TestDatabase, each_backend};

use crate::api::{Api, Response, request};

const PATH: &str = "/api/v1/leaks";

/// A key whose public half is listed as `key-1`.
struct Signer(EcdsaKeyPair);

impl Signer {
    fn new() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap())
    }

    fn document(&self) -> String {
        let der: PublicKeyX509Der<'_> = self.0.public_key().as_der().unwrap();
        let pem = format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            STANDARD.encode(der.as_ref())
        );
        json!({"public_keys": [{"key_identifier": "key-1", "key": pem, "is_current": true}]}).to_string()
    }

    fn sign(&self, body: &str) -> String {
        STANDARD.encode(self.0.sign(&SystemRandom::new(), body.as_bytes()).unwrap())
    }
}

fn api(db: &TestDatabase, reports: GithubReports) -> Api {
    Api::with(db, |_| {}, HttpSettings::default().with_github_reports(Arc::new(reports)))
}

fn send(api: &Api, headers: &[(&'static str, &str)], body: &str) -> Response {
    let mut asked = request("POST", PATH, "").insert_header(("content-type", "application/json"));
    for (name, value) in headers {
        asked = asked.append_header((*name, *value));
    }
    api.send(asked.set_payload(body.to_owned()))
}

fn signed(api: &Api, signer: &Signer, body: &str) -> Response {
    let signature = signer.sign(body);
    send(api, &[("Github-Public-Key-Identifier", "key-1"), ("Github-Public-Key-Signature", &signature)], body)
}

fn is_live(api: &Api, token: &str) -> bool {
    api.call("GET", "/api/v1/token", token).status == 200
}

each_backend!(a_signed_report_revokes_and_gets_feedback, |db| {
    let signer = Signer::new();
    let api = api(db, GithubReports::new(ReportKeys::parse(&signer.document()).unwrap()));
    let (id, text) = api.token_of(&api.user("alice"), &["tokens:read"]);
    let (_, other) = api.token_of(&api.user("alice"), &["tokens:read"]);
    let unknown = PlainToken::generate(&Prefix::default(), &mut SecretRng::os()).unwrap().reveal_once();
    let body = json!([
        {"token": text, "type": "tokenry_pat", "url": "https://github.com/o/r/blob/0a/x", "source": "content"},
        {"token": "pat_x", "type": "tokenry_pat", "url": "", "source": "commit", "later": {"field": 1}},
        {"token": *unknown, "type": "tokenry_pat"},
    ]);
    let response = signed(&api, &signer, &body.to_string());
    assert_eq!(response.status, 202, "{}", response.body);
    let feedback = response.json();
    let labels: Vec<_> =
        feedback.as_array().unwrap().iter().map(|entry| entry["label"].as_str().unwrap()).collect();
    assert_eq!(labels, ["true_positive", "false_positive"]);
    assert_eq!(feedback[0]["token_type"], "tokenry_pat");
    assert_eq!(feedback[0]["token_hash"].as_str().unwrap().len(), 64);
    assert!(!response.body.contains(&text[16..]), "no secret is sent back");
    assert!(!is_live(&api, &text));
    let events = api.call("GET", &format!("/api/v1/tokens/{id}/events"), &other).json();
    let detail = json!({"reason": "leaked", "reporter": "github", "url": "https://github.com/o/r/blob/0a/x"});
    assert_eq!(events["data"][0]["detail"], detail);
    // What was a token remains one.
    let again = signed(&api, &signer, &body.to_string()).json();
    assert_eq!(again, feedback);
});

each_backend!(a_report_without_a_valid_signature_does_nothing, |db| {
    let signer = Signer::new();
    let api = api(db, GithubReports::new(ReportKeys::parse(&signer.document()).unwrap()));
    let (_, text) = api.token_of(&api.user("alice"), &[]);
    let body = json!([{ "token": text, "type": "t" }]).to_string();
    let signature = signer.sign(&body);
    let foreign = Signer::new().sign(&body);
    let (key, name) = ("Github-Public-Key-Identifier", "Github-Public-Key-Signature");
    for headers in [
        &[(key, "key-1")][..],
        &[(name, &*signature)],
        &[(key, "key-2"), (name, &signature)],
        &[(key, ""), (name, &signature)],
        &[(key, "key-1"), (name, "")],
        &[(key, "key-1"), (name, "AAAA")],
        &[(key, "key-1"), (name, &foreign)],
        &[(key, "key-1"), (key, "key-1"), (name, &signature)],
        &[(key, "key-1"), (name, &signature), (name, &signature)],
    ] {
        send(&api, headers, &body).is_problem(403, "forbidden");
    }
    let good = [(key, "key-1"), (name, &*signature)];
    for other in [format!("{body}\n"), body.replace("\"t\"", "\"u\""), format!(" {body}"), "[]".to_owned()] {
        send(&api, &good, &other).is_problem(403, "forbidden");
    }
    assert!(is_live(&api, &text));
    send(&api, &[], &"[".repeat(40)).is_problem(400, "malformed_json");
    assert_eq!(send(&api, &good, &body).status, 202);
    assert!(!is_live(&api, &text));
});

each_backend!(a_signed_report_is_rejected_where_no_keys_are_configured, |db| {
    let (signer, api) = (Signer::new(), Api::new(db));
    let (_, text) = api.token_of(&api.user("alice"), &[]);
    signed(&api, &signer, &json!([{ "token": text }]).to_string()).is_problem(403, "forbidden");
    assert!(is_live(&api, &text));
});

each_backend!(the_example_of_githubs_documentation_is_accepted, |db| {
    let keys = json!({"public_keys": [{
        "key_identifier": "bcb53661c06b4728e59d897fb6165d5c9cda0fd9cdf9d09ead458168deb7518c",
        "key": "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYAGMWO8XgCamYKMJS6jc/qgvSlAd\nAjPuDPRcXU22YxgBrz+zoN19MzuRyW87qEt9/AmtoNP5GrobzUvQSyJFVw==\n-----END PUBLIC KEY-----\n",
        "is_current": true,
    }]});
    let api = api(db, GithubReports::new(ReportKeys::parse(&keys.to_string()).unwrap()));
    let headers = [
        ("Github-Public-Key-Identifier", "bcb53661c06b4728e59d897fb6165d5c9cda0fd9cdf9d09ead458168deb7518c"),
        (
            "Github-Public-Key-Signature",
            "MEQCIQDaMKqrGnE27S0kgMrEK0eYBmyG0LeZismAEz/BgZyt7AIfXt9fErtRS4XaeSt/AO1RtBY66YcAdjxji410VQV4xg==",
        ),
    ];
    let body = r#"[{"source":"commit","token":"some_token","type":"some_type","url":"https://example.com/base-repo-url/"}]"#;
    let response = send(&api, &headers, body);
    assert_eq!((response.status, response.json()[0]["label"].as_str()), (202, Some("false_positive")));
    send(&api, &headers, &body.replace("some_token", "some_tokem")).is_problem(403, "forbidden");
});

/// Fetches this document, once it is told for whom.
struct Fetcher {
    reports: Mutex<Option<Arc<GithubReports>>>,
    document: String,
    /// Whether the last fetch is recent.
    is_current: AtomicBool,
}

impl KeyRefresh for Fetcher {
    fn refresh(&self, _: &str) -> KeyRefreshStatus {
        let (reports, document) = (self.reports.lock().unwrap().clone(), self.document.clone());
        match reports {
            Some(_) if self.is_current.load(Relaxed) => KeyRefreshStatus::Current,
            Some(reports) => KeyRefreshStatus::Pending(Box::pin(async move {
                reports.replace_keys(&document).unwrap();
            })),
            None => KeyRefreshStatus::Unavailable,
        }
    }
}

each_backend!(an_unknown_key_is_fetched_and_a_report_before_the_first_fetch_is_503, |db| {
    let signer = Signer::new();
    let fetcher = Arc::new(Fetcher {
        reports: Mutex::new(None),
        document: signer.document(),
        is_current: AtomicBool::new(false),
    });
    let reports = Arc::new(GithubReports::fetched(fetcher.clone()));
    let api = Api::with(db, |_| {}, HttpSettings::default().with_github_reports(reports.clone()));
    let (_, text) = api.token_of(&api.user("alice"), &[]);
    let body = json!([{ "token": text, "type": "t" }]).to_string();
    signed(&api, &signer, &body).is_problem(503, "service_unavailable");
    assert!(is_live(&api, &text));
    *fetcher.reports.lock().unwrap() = Some(reports);
    assert_eq!(signed(&api, &signer, &body).status, 202);
    assert!(!is_live(&api, &text));
    let unknown = [("Github-Public-Key-Identifier", "key-9"), ("Github-Public-Key-Signature", "AAAA")];
    // Without a recent fetch, GitHub may have this key.
    send(&api, &unknown, &body).is_problem(503, "service_unavailable");
    fetcher.is_current.store(true, Relaxed);
    send(&api, &unknown, &body).is_problem(403, "forbidden");
});

each_backend!(unsigned_and_repeated_reports_are_counted_by_their_source, |db| {
    let signer = Signer::new();
    let reports = GithubReports::new(ReportKeys::parse(&signer.document()).unwrap());
    let http = HttpSettings::default()
        .with_failure_limit(FailureLimit::new(NonZero::new(1).unwrap()))
        .with_github_reports(Arc::new(reports));
    let api = Api::with(db, |_| {}, http);
    let entry = |number: u32| json!([{ "token": number.to_string() }]).to_string();
    for number in 0..4 {
        assert_eq!(signed(&api, &signer, &entry(number)).status, 202);
    }
    let wrong = [("Github-Public-Key-Identifier", "key-1"), ("Github-Public-Key-Signature", "AAAA")];
    for _ in 0..2 {
        send(&api, &wrong, "[]").is_problem(403, "forbidden");
    }
    send(&api, &wrong, "[]").is_problem(429, "rate_limited");
    assert_eq!(signed(&api, &signer, &entry(4)).status, 202);
    // With another signature of the same body too.
    signed(&api, &signer, &entry(0)).is_problem(429, "rate_limited");
});

each_backend!(a_signed_report_is_repeated_only_within_the_limit_of_its_source, |db| {
    let signer = Signer::new();
    let reports = GithubReports::new(ReportKeys::parse(&signer.document()).unwrap());
    let http = HttpSettings::default()
        .with_failure_limit(FailureLimit::new(NonZero::new(1).unwrap()))
        .with_github_reports(Arc::new(reports));
    let api = Api::with(db, |_| {}, http);
    let statuses: Vec<u16> = (0..4).map(|_| signed(&api, &signer, "[]").status).collect();
    assert_eq!(statuses, [202, 202, 202, 429], "the first, and a burst of two");
});

each_backend!(a_report_with_githubs_headers_that_cannot_be_read_is_counted, |db| {
    let signer = Signer::new();
    let reports = GithubReports::new(ReportKeys::parse(&signer.document()).unwrap());
    let http = HttpSettings::default()
        .with_failure_limit(FailureLimit::new(NonZero::new(1).unwrap()))
        .with_github_reports(Arc::new(reports));
    let api = Api::with(db, |_| {}, http);
    let unread = || {
        let asked = request("POST", PATH, "").insert_header(("content-type", "text/plain"));
        let asked = asked.insert_header(("Github-Public-Key-Identifier", "key-1"));
        api.send(asked.insert_header(("Github-Public-Key-Signature", "AAAA")).set_payload("[]"))
    };
    for _ in 0..2 {
        unread().is_problem(415, "unsupported_media_type");
    }
    unread().is_problem(429, "rate_limited");
});
