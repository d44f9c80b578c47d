//! Every endpoint parses a presented token identically; the OAuth endpoints accept invalid tokens without an error.

use std::num::NonZero;

use serde_json::json;
use tokenry_actix::{
    FailureLimit, HttpSettings, clock,
    tokenry::{ImportRow, ImportSettings, PlainToken, SecretRng},
};
use tokenry_testkit::each_backend;

use crate::{
    api::{Api, Response, request},
    forward,
};

/// Bytes around a token, and whether the token is still valid with them.
const CASES: [(&str, &str, bool); 17] = [
    ("", "", true),
    ("", "\r\n", true),
    ("", "\n", false),
    ("", "\r", false),
    ("", "\n\r", false),
    ("", "\r\n\r\n", false),
    ("", "\n\r\n", false),
    ("", " \r\n", false),
    ("", "\r\n ", false),
    ("", " ", false),
    ("", "\t", false),
    ("", "\0", false),
    ("", "\u{a0}", false),
    (" ", "", false),
    ("\r\n", "", false),
    ("\u{feff}", "", false),
    ("Bearer ", "", false),
];

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn form(api: &Api, path: &str, token: &str, body: &str) -> Response {
    let request = request("POST", path, token)
        .insert_header(("content-type", "application/x-www-form-urlencoded"))
        .set_payload(body.to_owned());
    api.send(request)
}

each_backend!(every_endpoint_parses_a_presented_token_identically, |db| {
    let api = Api::new(db);
    let alice = api.user("alice");
    for (before, behind, is_it) in CASES {
        let (_, text) = api.token_of(&alice, &[]);
        let presented = format!("{before}{text}{behind}");
        let case = format!("{before:?} {behind:?}");
        let by_crate = api.tokenry.verify_blocking(presented.as_bytes(), clock::now(), None);
        assert_eq!(by_crate.is_ok(), is_it, "crate {case}");
        let verdict = api.json("POST", "/api/v1/verify", &api.root, &json!({"token": presented}));
        assert_eq!((verdict.status, verdict.json()["valid"].as_bool()), (200, Some(is_it)), "verify {case}");
        let subject = json!({"type": "token", "id": presented});
        let question =
            json!({"subject": subject, "action": {"name": "read"}, "resource": {"type": "a", "id": "1"}});
        let decision = api.json("POST", "/access/v1/evaluation", &api.root, &question).json();
        // The token has no scopes.
        let code = if is_it { "insufficient_scope" } else { "invalid_token" };
        assert_eq!(decision["context"]["code"], code, "evaluation {case}");
        let body = format!("token={}", encoded(&presented));
        let introspected = form(&api, "/oauth/introspect", &api.root, &body);
        assert_eq!(introspected.status, 200, "introspect {case}");
        assert_eq!(introspected.json()["active"].as_bool(), Some(is_it), "introspect {case}");
        if !is_it {
            assert_eq!(introspected.body, "{\"active\":false}", "introspect {case}");
        }
        let revoked = form(&api, "/oauth/revoke", "", &body);
        assert_eq!((revoked.status, revoked.body.as_str()), (200, ""), "revoke {case}");
        let status = api.call("GET", "/api/v1/token", &text).status;
        assert_eq!(status, if is_it { 401 } else { 200 }, "revoke {case}");
    }
});

each_backend!(an_imported_token_has_the_same_verdict_at_every_entrance, |db| {
    let api = Api::with(db, |_| {}, forward::trusting("127.0.0.1"));
    // Its SHA-256 by `sha256sum`.
    let secret = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    let hash = "e33cdf9c7f7120b98e8c78408953e07f2ecd183006b5606df349b4c212acf43e";
    let row = |number: u64| ImportRow {
        line: number,
        id: number.to_string(),
        owner: "ann".to_owned(),
        name: "imported".to_owned(),
        scopes: vec!["a:read".to_owned()],
        hash: hash.to_owned(),
        scheme: Some("sha256".to_owned()),
        ..ImportRow::default()
    };
    let settings = ImportSettings {
        source: "shop".to_owned(),
        shape: Some("sanctum".parse().unwrap()),
        create_users: true,
        ..ImportSettings::default()
    };
    let plan =
        api.tokenry.plan_import(&api.operator(), &settings, (1..=3).map(|number| Ok(row(number)))).unwrap();
    assert_eq!(plan.refused(), []);
    api.tokenry.run_import(&api.operator(), plan, &mut |_| {}).unwrap();
    for (id, is_it) in [(1, true), (2, true), (4, false)] {
        let text = format!("{id}|{secret}");
        let wrong = format!("{id}|b{}", &secret[1..]);
        for (text, is_it) in [(&text, is_it), (&wrong, false)] {
            let by_crate = api.tokenry.verify_blocking(text.as_bytes(), clock::now(), None);
            assert_eq!(by_crate.is_ok(), is_it, "crate {text}");
            let verdict = api.json("POST", "/api/v1/verify", &api.root, &json!({"token": text}));
            assert_eq!(
                (verdict.status, verdict.json()["valid"].as_bool()),
                (200, Some(is_it)),
                "verify {text}"
            );
            let body = format!("token={}", encoded(text));
            let introspected = form(&api, "/oauth/introspect", &api.root, &body);
            assert_eq!(introspected.json()["active"].as_bool(), Some(is_it), "introspect {text}");
            let own = api.call("GET", "/api/v1/token", text);
            assert_eq!(own.status, if is_it { 200 } else { 401 }, "current {text}");
            if is_it {
                assert_eq!(own.json()["token_prefix"], format!("{id}|"), "{text}");
            }
            for dialect in forward::DIALECTS {
                let answer = api.send_from("127.0.0.1:1", forward::about(dialect, "GET", "/a", text));
                assert_eq!(answer.status == 401, !is_it, "{dialect} {text}: {}", answer.status);
            }
        }
        // By possession, with the wrong secret first.
        assert_eq!(form(&api, "/oauth/revoke", "", &format!("token={}", encoded(&wrong))).status, 200);
        assert_eq!(api.call("GET", "/api/v1/token", &text).status, if is_it { 200 } else { 401 });
        if id == 1 {
            assert_eq!(form(&api, "/oauth/revoke", "", &format!("token={}", encoded(&text))).status, 200);
        } else {
            let deleted = api.call("DELETE", "/api/v1/token", &text).status;
            assert_eq!(deleted, if is_it { 204 } else { 401 });
        }
        assert_eq!(api.call("GET", "/api/v1/token", &text).status, 401);
    }
});

each_backend!(an_invalid_token_is_inactive_and_its_revocation_succeeds, |db| {
    let api = Api::new(db);
    let long = "x".repeat(15_000);
    for value in ["", "x", "%00", "%0D%0A", "%FF%FE", "%E2%80%A8", "%F0%9F%98%80", "a+b", "pat_%20", &long] {
        let body = format!("token={value}&token_type_hint=refresh_token");
        let revoked = form(&api, "/oauth/revoke", "", &body);
        assert_eq!((revoked.status, revoked.body.as_str()), (200, ""), "{value}");
        let introspected = form(&api, "/oauth/introspect", &api.root, &body);
        assert_eq!((introspected.status, introspected.body.as_str()), (200, "{\"active\":false}"), "{value}");
    }
    let revoked = form(&api, "/oauth/revoke", "", "token=x&ip=nonsense%0A");
    assert_eq!(revoked.status, 200, "a parameter that revocation does not have is passed over");
});

/// The form with a well-formed token that does not exist.
fn guess(api: &Api) -> String {
    let drawn = PlainToken::generate(api.tokenry.prefix(), &mut SecretRng::os());
    format!("token={}", *drawn.unwrap().reveal_once())
}

each_backend!(guessed_revocations_are_limited_as_rfc_7009_allows_and_valid_tokens_are_not, |db| {
    let failures = FailureLimit::new(NonZero::new(2).unwrap());
    let api = Api::with(db, |_| {}, HttpSettings::default().with_failure_limit(failures));
    // A text that is not well-formed costs nothing and is not counted.
    for _ in 0..50 {
        assert_eq!(form(&api, "/oauth/revoke", "", "token=pat_nonsense").status, 200);
    }
    for _ in 0..4 {
        assert_eq!(form(&api, "/oauth/revoke", "", &guess(&api)).status, 200);
    }
    for _ in 0..4 {
        let rejected = form(&api, "/oauth/revoke", "", &guess(&api));
        rejected.is_oauth_error(503, "temporarily_unavailable");
        assert!(rejected.header("retry-after").parse::<u32>().unwrap() >= 1);
    }
    let (_, text) = api.token_of(&api.user("alice"), &[]);
    assert_eq!(form(&api, "/oauth/revoke", "", &format!("token={text}")).status, 200);
    api.call("GET", "/api/v1/token", &text).is_problem(401, "revoked_token");
    // Guesses at revocation do not use up the limit on failed credentials.
    api.call("GET", "/api/v1/token", "pat_wrong").is_problem(401, "invalid_token");
});
