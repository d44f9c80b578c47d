//! The handling of unreadable addresses that a trusted proxy forwards.

use std::num::NonZero;

use serde_json::json;
use tokenry_actix::{FailureLimit, HttpSettings, TrustedProxies, tokenry::IpList};
use tokenry_testkit::each_backend;

use crate::api::{Api, Response, request};

const UNREADABLE: [&str; 6] = ["unknown", "_hidden", "", "203.0.113.7, ", "fe80::1%eth0", "203.0.113.7:x"];

/// The test acts as a trusted proxy.
fn behind_proxy(failures: Option<u32>) -> HttpSettings {
    HttpSettings::default()
        .with_trusted_proxies(TrustedProxies::new(IpList::parse(&["192.0.2.1"]).unwrap()))
        .with_failure_limit(failures.and_then(NonZero::new).map(FailureLimit::new))
}

fn from(api: &Api, source: &str, credential: &str) -> Response {
    api.send(request("GET", "/api/v1/me", credential).insert_header(("x-forwarded-for", source)))
}

each_backend!(no_ip_list_allows_an_unknown_source_even_if_it_lists_the_proxy, |db| {
    let api = Api::with(db, |_| {}, behind_proxy(None));
    for listed in ["192.0.2.1", "192.0.2.0/24", "0.0.0.0/0", "::/0", "203.0.113.7"] {
        let (_, text) = api.create(
            &api.root,
            &json!({"name": "listed", "scopes": ["tokens:read"], "allowed_ips": [listed]}),
        );
        for source in UNREADABLE {
            from(&api, source, &text).is_problem(403, "ip_not_allowed");
        }
    }
    let (_, text) = api.create(
        &api.root,
        &json!({"name": "listed", "scopes": ["tokens:read"], "allowed_ips": ["203.0.113.7", "2001:db8::/64"]}),
    );
    for source in ["203.0.113.7:5123", "[2001:db8::9]:443", "[2001:db8::9]", "[::ffff:203.0.113.7]:1"] {
        assert_eq!(from(&api, source, &text).status, 200, "{source}");
    }
});

each_backend!(an_unknown_source_has_its_own_limit_and_is_audited_without_an_address, |db| {
    let api = Api::with(db, |_| {}, behind_proxy(Some(1)));
    from(&api, "unknown", "pat_wrong").is_problem(401, "invalid_token");
    from(&api, "_hidden", "pat_wrong").is_problem(401, "invalid_token");
    from(&api, "203.0.113.7:x", "pat_wrong").is_problem(429, "rate_limited");
    assert_eq!(from(&api, "unknown", &api.root).status, 200, "a good token is never rejected for others");
    // The proxy itself, and readable addresses, have their own counts.
    api.call("GET", "/api/v1/me", "pat_wrong").is_problem(401, "invalid_token");
    from(&api, "203.0.113.7", "pat_wrong").is_problem(401, "invalid_token");
    let body = json!({"name": "audited"}).to_string();
    let made = request("POST", "/api/v1/tokens", &api.root)
        .insert_header(("x-forwarded-for", "unknown"))
        .insert_header(("content-type", "application/json"))
        .set_payload(body);
    let id = api.send(made).json()["id"].as_str().unwrap().to_owned();
    let events = api.call("GET", &format!("/api/v1/audit?token_id={id}"), &api.root).json();
    let [event] = events["data"].as_array().unwrap().as_slice() else { panic!("{events}") };
    assert_eq!((event["kind"].as_str(), &event["ip"]), (Some("auth.token.created"), &json!(null)));
});
