//! Limits that are counted in the process: failed credentials per source, management requests per user.

use std::num::NonZero;

use tokenry_actix::{FailureLimit, HttpSettings, TrustedProxies, tokenry::IpList};
use tokenry_testkit::each_backend;

use crate::api::{Api, Response, request};

fn number(number: u32) -> NonZero<u32> {
    NonZero::new(number).unwrap()
}

fn limiting_failures(failures: u32, proxies: &[&str]) -> HttpSettings {
    HttpSettings::default()
        .with_trusted_proxies(TrustedProxies::new(IpList::parse(proxies).unwrap()))
        .with_failure_limit(FailureLimit::new(number(failures)))
}

/// The test acts as a trusted proxy.
fn behind_proxy(failures: u32) -> HttpSettings {
    limiting_failures(failures, &["192.0.2.1"])
}

fn from(api: &Api, source: &str, credential: &str) -> Response {
    api.send(request("GET", "/api/v1/me", credential).insert_header(("x-forwarded-for", source)))
}

each_backend!(a_source_over_the_limit_gets_429_and_its_valid_credentials_are_accepted, |db| {
    let api = Api::with(db, |_| {}, behind_proxy(3));
    let good = api.root.clone();
    for _ in 0..6 {
        from(&api, "203.0.113.7", "pat_wrong").is_problem(401, "invalid_token");
        assert_eq!(from(&api, "203.0.113.7", &good).status, 200, "a good token is not counted");
        from(&api, "203.0.113.7", "").is_problem(401, "authentication_required");
    }
    for credential in ["pat_wrong", "eyJ.e30.AA", &format!("{}x", &good)] {
        let response = from(&api, "203.0.113.7", credential);
        response.is_problem(429, "rate_limited");
        assert!(response.header("retry-after").parse::<u32>().unwrap() >= 1);
        assert_eq!(response.header("ratelimit-policy"), "\"failures\";q=3;w=60");
        assert!(response.header("ratelimit").starts_with("\"failures\";r=0;t="));
    }
    assert_eq!(from(&api, "203.0.113.7", &good).status, 200, "failures of others never reject a valid token");
    from(&api, "203.0.113.8", "pat_wrong").is_problem(401, "invalid_token");
});

each_backend!(an_ipv6_network_is_one_source, |db| {
    let api = Api::with(db, |_| {}, behind_proxy(2));
    for host in 0..4 {
        from(&api, &format!("2001:db8::{host}"), "pat_wrong").is_problem(401, "invalid_token");
    }
    from(&api, "2001:db8::ffff:1", "pat_wrong").is_problem(429, "rate_limited");
    from(&api, "2001:db8:0:1::1", "pat_wrong").is_problem(401, "invalid_token");
});

each_backend!(a_forwarded_address_of_an_untrusted_peer_does_not_bypass_the_limit, |db| {
    let api = Api::with(db, |_| {}, limiting_failures(2, &[]));
    for host in 0..4 {
        from(&api, &format!("203.0.113.{host}"), "pat_wrong").is_problem(401, "invalid_token");
    }
    from(&api, "203.0.113.99", "pat_wrong").is_problem(429, "rate_limited");
});

each_backend!(valid_secrets_of_dead_tokens_count_as_failures_too, |db| {
    let api = Api::with(db, |_| {}, behind_proxy(1));
    let (id, text) = api.token_of(&api.user("alice"), &[]);
    api.tokenry.revoke_token(&api.operator(), id.parse().unwrap(), None).unwrap();
    for _ in 0..2 {
        from(&api, "203.0.113.7", &text).is_problem(401, "revoked_token");
    }
    from(&api, "203.0.113.7", &text).is_problem(429, "rate_limited");
});

#[cfg(feature = "route-quotas")]
each_backend!(all_credentials_of_a_user_share_one_management_quota, |db| {
    use serde_json::json;
    use tokenry_actix::ManagementQuota;

    use crate::jwt;

    let http = HttpSettings::default().with_management_quota(ManagementQuota::new(number(6)));
    let api = Api::with(db, |_| {}, http);
    let alice = api.user("alice");
    let (_, token) = api.token_of(&alice, &["tokens:write"]);
    let by_jwt = jwt::of("alice", "user");
    let response = api.call("GET", "/api/v1/me", &token);
    assert_eq!((response.status, response.header("ratelimit-policy")), (200, "\"management\";q=6;w=60"));
    assert_eq!(response.header("ratelimit"), "\"management\";r=5;t=10");
    assert!(response.headers.iter().all(|(name, _)| !name.as_str().starts_with("x-ratelimit")));
    assert_eq!(api.call("GET", "/api/v1/me", &by_jwt).status, 200);
    assert_eq!(api.call("GET", "/api/v1/tokens", &token).status, 200);
    api.json("POST", "/api/v1/users", &token, &json!({})).is_problem(403, "insufficient_scope");
    api.json("POST", "/api/v1/tokens", &token, &json!({})).is_problem(422, "validation_failed");
    assert_eq!(api.call("PUT", "/api/v1/tokens", &token).status, 405, "no route, no count");
    assert_eq!(api.call("GET", "/api/v1/scopes", &by_jwt).status, 200);
    for credential in [&token, &by_jwt] {
        let response = api.raw("POST", "/api/v1/tokens", credential, "{");
        response.is_problem(429, "rate_limited");
        assert_eq!(response.header("ratelimit-policy"), "\"management\";q=6;w=60");
        assert!(response.header("retry-after").parse::<u32>().unwrap() >= 1);
    }
    for path in ["//api/v1/me", "/API/V1/me", "/api/v1/me/"] {
        assert_eq!(api.call("GET", path, &token).status, 404, "{path}");
    }
    assert_eq!(api.call("GET", "/api/v1/me", &api.root).status, 200, "others have their own");
    api.call("GET", "/api/v1/me", "pat_wrong").is_problem(401, "invalid_token");
});
