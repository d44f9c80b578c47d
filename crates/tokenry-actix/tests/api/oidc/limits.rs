//! What clients can cause at a provider, and what they cannot take from others.

use std::{net::IpAddr, num::NonZero, thread, time::Duration};

use tokenry_actix::{
    FailureLimit, HttpSettings, clock,
    tokenry::{
        AuditFilter, AuthorizationResponse, ClientInfo, EventKind, OidcError, PageSize, RequestContext,
        Settings, Tokenry, unrestricted,
    },
};
use tokenry_testkit::each_backend;

use super::{
    Begun, alice, answer, api, begin, failed, fake::FakeProvider, navigation, session, sign_in, with,
};
use crate::api::{Api, Response};

/// Two failures a minute, four at once.
fn two_per_minute() -> HttpSettings {
    HttpSettings::default().with_failure_limit(FailureLimit::new(NonZero::new(2).unwrap()))
}

fn answer_from(api: &Api, source: &str, begun: &Begun, code: &str) -> Response {
    let parameters = [("code", code), ("state", &begun.state())];
    api.send(navigation("corp", &parameters, &begun.cookie).insert_header(("x-forwarded-for", source)))
}

/// The number of requests to the token endpoint.
fn exchanges(provider: &FakeProvider) -> usize {
    provider.state().requests.iter().filter(|url| url.ends_with("/token")).count()
}

each_backend!(one_source_causes_a_limited_number_of_requests_to_a_provider, |db| {
    let provider = FakeProvider::new();
    let api = with(db, &[("corp", &provider)], |_| {}, two_per_minute());
    let begun = begin(&api, "corp");
    // A failure of the provider is no failed credential, but it was asked.
    provider.state().token_status = Some(503);
    for _ in 0..4 {
        failed(&answer_from(&api, "203.0.113.7", &begun, "x"), "unavailable");
    }
    for _ in 0..3 {
        let response = answer_from(&api, "203.0.113.7", &begun, "x");
        response.is_problem(429, "rate_limited");
        assert!(response.header("ratelimit-policy").starts_with("\"provider-sign-ins\";q=2"));
        assert_eq!(response.header("set-cookie"), "", "the sign-in is not over");
    }
    assert_eq!(exchanges(&provider), 4);
    // It has no influence on other sources, nor on the limit on failed credentials.
    provider.state().token_status = None;
    let code = provider.authorize(&begun.url, &alice());
    session(&answer_from(&api, "203.0.113.8", &begun, &code));
    for _ in 0..4 {
        let wrong = navigation("corp", &[("code", "x"), ("state", "guess")], &begun.cookie);
        failed(&api.send(wrong.insert_header(("x-forwarded-for", "203.0.113.7"))), "not_begun");
    }
});

each_backend!(one_source_occupies_a_quarter_of_the_requests_to_providers, |db| {
    let provider = FakeProvider::new();
    let api = api(db, &[("corp", &provider)]);
    let begun = begin(&api, "corp");
    let gate = provider.state().gate.clone();
    let closed = gate.write().unwrap();
    let mut waiting = Vec::new();
    // An IPv6 network is one source.
    for network in ["2001:db8:0:1::", "2001:db8:0:2::", "2001:db8:0:3::", "2001:db8:0:4::"] {
        for host in 1..=4 {
            let ip = format!("{network}{host}").parse().unwrap();
            let (tokenry, cookie, state) = (api.tokenry.clone(), begun.cookie.clone(), begun.state());
            waiting.push(thread::spawn(move || is_bad_answer(&tokenry, &cookie, state, ip)));
        }
        while exchanges(&provider) < waiting.len() {
            assert!(waiting.iter().all(|thread| !thread.is_finished()));
            thread::sleep(Duration::from_millis(5));
        }
        let response = answer_from(&api, &format!("{network}ffff"), &begun, "x");
        failed(&response, "unavailable");
        assert_eq!(response.header("set-cookie"), "", "the sign-in is not over");
    }
    // All are occupied now.
    failed(&answer_from(&api, "203.0.113.7", &begun, "x"), "unavailable");
    assert_eq!(exchanges(&provider), 16);
    drop(closed);
    assert!(waiting.into_iter().all(|thread| thread.join().unwrap()));
    let code = provider.authorize(&begun.url, &alice());
    session(&answer_from(&api, "2001:db8:0:1::ffff", &begun, &code));
});

/// Whether the provider rejects the code of an answer from this address.
fn is_bad_answer(tokenry: &Tokenry, cookie: &str, state: String, ip: IpAddr) -> bool {
    let response = AuthorizationResponse {
        code: Some("x".to_owned()),
        state: Some(state),
        ..AuthorizationResponse::default()
    };
    let client = ClientInfo::new(Some(ip), None, None);
    let finished =
        tokenry.finish_provider_sign_in("corp", &response, cookie.as_bytes(), None, clock::now, &client);
    matches!(finished, Err(OidcError::Provider(_)))
}

each_backend!(an_answer_without_the_cookie_of_a_sign_in_is_not_counted, |db| {
    let provider = FakeProvider::new();
    let api = with(db, &[("corp", &provider)], |_| {}, two_per_minute());
    // As any page makes the browsers of its visitors send it.
    for _ in 0..9 {
        failed(&answer(&api, "corp", &[("state", "x")], ""), "not_begun");
    }
    // The control: an answer to another sign-in.
    let begun = begin(&api, "corp");
    for _ in 0..4 {
        failed(&answer(&api, "corp", &[("state", "x")], &begun.cookie), "not_begun");
    }
    answer(&api, "corp", &[("state", "x")], &begun.cookie).is_problem(429, "rate_limited");
    // Dropping it writes pending records.
    drop(api);
    let tokenry = Tokenry::new(db.store().clone(), Settings::default()).unwrap();
    let operator = RequestContext::new(unrestricted::operator(), clock::now());
    let filter = AuditFilter::default().kind(EventKind::RequestFailed);
    let page = tokenry.audit_log(&operator, &filter, PageSize::default(), None).unwrap();
    let counts = page.items.iter().map(|entry| entry.event.detail["count"].as_u64().unwrap());
    assert_eq!(counts.sum::<u64>(), 5);
});

each_backend!(an_id_token_that_is_issued_while_the_provider_is_asked_is_not_of_the_future, |db| {
    let provider = FakeProvider::new();
    let strict = |settings: &mut Settings| {
        settings.oidc.as_mut().unwrap().providers[0].leeway = Duration::ZERO;
    };
    let api = with(db, &[("corp", &provider)], strict, HttpSettings::default());
    provider.state().token_takes = Duration::from_millis(1_100);
    session(&sign_in(&api, "corp", &provider, &alice()));
});
