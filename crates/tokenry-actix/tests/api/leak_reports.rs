//! Reports of leaked tokens by anyone: what they revoke, and what their responses do not say.

use std::{
    num::NonZero,
    time::{Duration, Instant},
};

use actix_web::test::TestRequest;
use serde_json::{Value, json};
use tokenry_actix::{
    FailureLimit, HttpSettings, TrustedProxies,
    tokenry::{IpList, Lifetime, ReusePolicy, Rotation, TokenChanges, UserChanges},
};
use tokenry_testkit::each_backend;

use crate::api::{Api, Response, from_page, named, request};

const PATH: &str = "/api/v1/leaks";

fn report(api: &Api, tokens: &[&str]) -> Response {
    let reports: Vec<Value> = tokens.iter().map(|token| json!({ "token": token })).collect();
    api.json("POST", PATH, "", &Value::from(reports))
}

/// The status and the code of a request with this credential.
fn own(api: &Api, token: &str) -> (u16, Value) {
    let response = api.call("GET", "/api/v1/token", token);
    (response.status, response.json()["code"].clone())
}

fn is_revoked(api: &Api, token: &str) -> bool {
    own(api, token) == (401, "revoked_token".into())
}

/// The token with another secret and a valid checksum.
fn wrong_secret(token: &str, donor: &str) -> String {
    let front = format!("{}{}", &token[..16], &donor[16..59]);
    let digits = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut sum = crc32(front.as_bytes());
    let mut checksum = [0; 6];
    for digit in checksum.iter_mut().rev() {
        *digit = digits[(sum % 62) as usize];
        sum /= 62;
    }
    format!("{front}{}", String::from_utf8(checksum.to_vec()).unwrap())
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xEDB8_8320 * (sum & 1)))
    })
}

each_backend!(a_reported_token_is_revoked_with_the_reason_and_the_url, |db| {
    let api = Api::new(db);
    let (id, text) = api.token_of(&api.user("alice"), &["tokens:read"]);
    let (_, other) = api.token_of(&api.user("alice"), &["tokens:read"]);
    let url = "https://github.com/o/r/blob/0a1b/.env#L7";
    let body = json!([{ "token": text, "url": format!("https://me:pw@github.com/o/r/blob/0a1b/.env?k={text}#L7"), "type": "t" }]);
    let response = api.json("POST", PATH, "", &body);
    assert_eq!((response.status, response.body.as_str()), (202, "[]"));
    assert!(is_revoked(&api, &text));
    let token = api.call("GET", &format!("/api/v1/tokens/{id}"), &other).json();
    assert_eq!(
        (&token["revoked_reason"], &token["revoked_by"]),
        (&"leaked".into(), &format!("token:{id}").into())
    );
    let events = api.call("GET", &format!("/api/v1/tokens/{id}/events"), &other).json();
    let event = &events["data"][0];
    assert_eq!(event["kind"], "auth.token.revoked");
    assert_eq!(event["detail"], json!({ "reason": "leaked", "url": url }));
    assert_eq!(event["ip"], "192.0.2.1", "the owner learns who reported it");
    assert!(!events.to_string().contains(&text[16..]));
    // A second report changes nothing.
    report(&api, &[&text]);
    let again = api.call("GET", &format!("/api/v1/tokens/{id}/events"), &other).json();
    assert_eq!(again, events);
});

each_backend!(the_response_says_nothing_about_the_texts, |db| {
    let api = Api::new(db);
    let alice = api.user("alice");
    let (_, live) = api.token_of(&alice, &[]);
    let (_, donor) = api.token_of(&alice, &[]);
    let (dead_id, dead) = api.token_of(&alice, &[]);
    api.tokenry.revoke_token(&api.operator(), dead_id.parse().unwrap(), None).unwrap();
    let wrong = wrong_secret(&donor, &live);
    assert!(api.tokenry.has_token_form(wrong.as_bytes()), "only the secret is wrong");
    let mut answers = Vec::new();
    for text in [&wrong, "pat_x", "", "eyJhbGciOiJub25lIn0.e30.", &"x".repeat(100_000), &dead, &live] {
        let body = json!([{ "token": text }]);
        let asked = request("POST", PATH, "").insert_header(("x-request-id", "same")).set_json(body);
        let begun = Instant::now();
        let response = api.send(asked);
        let took = begun.elapsed();
        assert!(took >= Duration::from_millis(200), "{took:?}");
        let mut headers: Vec<_> = response
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        headers.sort();
        answers.push((response.status, response.body.clone(), headers));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0] && answer.0 == 202), "{answers:?}");
    assert!(is_revoked(&api, &live));
    assert_eq!(own(&api, &donor).0, 200, "a wrong secret revokes nothing");
});

each_backend!(the_secret_of_a_token_in_any_state_revokes_it, |db| {
    let api = Api::new(db);
    let operator = api.operator();
    let (paused_id, paused) = api.token_of(&api.user("alice"), &[]);
    let (bound_id, bound) = api.token_of(&api.user("alice"), &[]);
    let gone = api.user("gone");
    let (gone_id, disabled) = api.token_of(&gone, &[]);
    let changes = TokenChanges::default().with_switch(tokenry_actix::tokenry::Activation::Inactive);
    api.tokenry.update_token(&operator, paused_id.parse().unwrap(), changes).unwrap();
    let changes = TokenChanges::default().with_allowed_ips(vec!["203.0.113.0/24".to_owned()]);
    api.tokenry.update_token(&operator, bound_id.parse().unwrap(), changes).unwrap();
    api.tokenry.update_user(&operator, gone.id, UserChanges::default().with_disabled(true)).unwrap();
    // Also the seeded token, and the same text twice.
    report(&api, &[&paused, &bound, &disabled, &api.root, &api.root]);
    assert!([&paused, &bound, &disabled, &api.root].into_iter().all(|text| is_revoked(&api, text)));
    for id in [paused_id, bound_id, gone_id] {
        let (token, _) = api.tokenry.find_token(&operator, id.parse().unwrap()).unwrap();
        assert_eq!(token.revoked.unwrap().reason.unwrap().as_str(), "leaked");
    }
});

each_backend!(a_retired_secret_revokes_its_token_only_while_it_works, |db| {
    let api = Api::with(
        db,
        |settings| settings.policy = settings.policy.clone().with_on_reuse(ReusePolicy::Revoke),
        HttpSettings::default(),
    );
    let rotated = |grace: u32| {
        let (id, old) = api.token_of(&api.user("alice"), &[]);
        let rotation = Rotation::default().with_grace(Lifetime::seconds(grace));
        let new = api.tokenry.rotate_token(&api.operator(), id.parse().unwrap(), rotation).unwrap();
        (old, new.secret.reveal_once().to_string())
    };
    let (graced, new) = rotated(600);
    let (ended, kept) = rotated(0);
    report(&api, &[&graced, &ended]);
    assert!(is_revoked(&api, &new) && is_revoked(&api, &graced));
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(own(&api, &kept).0, 200, "whoever finds an old secret cannot stop the new one");
});

each_backend!(sessions_end_with_a_reported_token, |db| {
    let api = Api::new(db);
    let (_, text) = api.token_of(&api.user("alice"), &["tokens:read"]);
    let cookie = api.sign_in(&text);
    assert_eq!(api.with_cookie("GET", "/api/v1/me", &cookie).status, 200);
    // The credential and the cookie of the request itself are not looked at.
    let asked: TestRequest =
        from_page(request("POST", PATH, "pat_x")).insert_header(("cookie", named(&cookie)));
    assert_eq!(api.send(asked.set_json(json!([]))).status, 202);
    assert_eq!(api.with_cookie("GET", "/api/v1/me", &cookie).status, 200);
    report(&api, &[&text]);
    assert_eq!(api.with_cookie("GET", "/api/v1/me", &cookie).status, 401);
});

each_backend!(a_report_is_an_array_of_at_most_1000_entries, |db| {
    let api = Api::new(db);
    let (_, text) = api.token_of(&api.user("alice"), &[]);
    let raw = |body: &str| api.raw("POST", PATH, "", body);
    assert_eq!(raw("[]").status, 202);
    for (body, pointer) in [
        (r#"[{"token":"x"},{"token":"x","user_id":"y"}]"#.to_owned(), "/1/user_id"),
        (r#"[{"url":"x"}]"#.to_owned(), "/0/token"),
        (r#"[{"token":1}]"#.to_owned(), "/0/token"),
        (format!(r#"[{{"token":"{text}","url":"{}"}}]"#, "x".repeat(2049)), "/0/url"),
        (format!(r#"[{{"token":"{text}","type":"{}"}}]"#, "x".repeat(256)), "/0/type"),
        (r#"{"token":"x"}"#.to_owned(), ""),
        (format!("[{}]", vec![format!(r#"{{"token":"{text}"}}"#); 1001].join(",")), ""),
    ] {
        let problem = raw(&body).is_problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
        assert!(!problem.to_string().contains(&text));
    }
    raw("[{}").is_problem(400, "malformed_json");
    // Counted before anything is built: the end is malformed, and is not reached.
    let nested = "[{},".repeat(20) + &r#"{"":0},"#.repeat(70_000);
    for body in [r#"[{"":0},"#.to_owned() + &r#"{"":0},"#.repeat(70_000), nested] {
        let problem = raw(&body).is_problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["code"], "too_many", "{problem}");
    }
    raw(r#"[{"token":"x","token":"y"}]"#).is_problem(400, "malformed_json");
    let largest = format!("[{}]", " ".repeat(512 * 1024 - 2));
    assert_eq!(raw(&largest).status, 202);
    raw(&format!("{largest} ")).is_problem(413, "payload_too_large");
    let form = request("POST", PATH, "").insert_header(("content-type", "application/x-www-form-urlencoded"));
    api.send(form.set_payload("token=x")).is_problem(415, "unsupported_media_type");
    api.raw("POST", "/api/v1/leaks?token=x", "", "[]").is_problem(422, "validation_failed");
    assert_eq!(own(&api, &text).0, 200, "a report that is not accepted revokes nothing");
    let thousand = vec![format!(r#"{{"token":"{text}","url":"not a url"}}"#); 1000].join(",");
    assert_eq!(raw(&format!("[{thousand}]")).status, 202);
    assert!(is_revoked(&api, &text));
});

each_backend!(one_address_leaves_room_for_the_reports_of_others, |db| {
    let proxies = TrustedProxies::new(IpList::parse(&["192.0.2.1"]).unwrap());
    let api = Api::with(db, |_| {}, HttpSettings::default().with_trusted_proxies(proxies));
    let from = |source: &str| {
        request("POST", PATH, "").insert_header(("x-forwarded-for", source)).set_json(json!([]))
    };
    // Each takes 200 ms.
    let mut asked: Vec<TestRequest> = (0..20).map(|_| from("203.0.113.7")).collect();
    asked.push(from("203.0.113.8"));
    let statuses: Vec<u16> = api.send_at_once(asked).iter().map(|response| response.status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 202).count(), 9, "{statuses:?}");
    assert_eq!((statuses[19], statuses[20]), (503, 202));
    assert_eq!(api.send(from("203.0.113.7")).status, 202, "they have ended");
});

each_backend!(a_source_that_reports_too_often_gets_429_before_its_report_is_read, |db| {
    let proxies = TrustedProxies::new(IpList::parse(&["192.0.2.1"]).unwrap());
    let limit = FailureLimit::new(NonZero::new(2).unwrap());
    let http = HttpSettings::default().with_trusted_proxies(proxies).with_failure_limit(limit);
    let api = Api::with(db, |_| {}, http);
    let (_, text) = api.token_of(&api.user("alice"), &[]);
    let from = |source: &str, body: Value| {
        api.send(request("POST", PATH, "").insert_header(("x-forwarded-for", source)).set_json(body))
    };
    for _ in 0..4 {
        assert_eq!(from("203.0.113.7", json!([{ "token": "pat_x" }])).status, 202);
    }
    let limited = from("203.0.113.7", json!([{ "token": text }]));
    limited.is_problem(429, "rate_limited");
    assert!(limited.header("ratelimit-policy").starts_with("\"leaks\";"));
    let me = request("GET", "/api/v1/token", &text).insert_header(("x-forwarded-for", "203.0.113.7"));
    assert_eq!(api.send(me).status, 200, "it was not read, and reports do not count as failed credentials");
    assert_eq!(from("203.0.113.8", json!([{ "token": text }])).status, 202);
    assert!(is_revoked(&api, &text));
});
