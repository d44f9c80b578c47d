//! Browser sessions: how they start, what they permit, when they are rejected, how they end.

use std::num::NonZero;

use serde_json::{Value, json};
use tokenry_actix::{
    FailureLimit, HttpSettings, ProxySignIn, TrustedProxies,
    tokenry::{IpList, UserChanges},
};
use tokenry_testkit::each_backend;

use crate::{
    api::{Api, COOKIE, Response, from_page, named, request},
    jwt,
};

/// All headers of a request of a page that state its origin, and its cookie.
fn asked(method: &str, path: &str, headers: &[(&'static str, &str)]) -> actix_web::test::TestRequest {
    headers.iter().fold(request(method, path, ""), |request, header| request.append_header(*header))
}

fn signed_in(response: &Response) -> Value {
    assert_eq!(response.status, 200, "{}", response.body);
    response.json()["session"].clone()
}

each_backend!(a_token_is_exchanged_for_a_session_with_its_permissions_that_ends_with_it, |db| {
    let api = Api::new(db);
    let alice = api.user("alice");
    let (id, text) = api.token_of(&alice, &["tokens:write", "x:read"]);
    let response = api.send(from_page(request("POST", "/session", &text)));
    assert_eq!(response.status, 201, "{}", response.body);
    let session = response.json();
    assert_eq!(session["user"]["subject"], "alice");
    assert_eq!((&session["credential"], &session["token_id"]), (&json!("pat"), &json!(id)));
    assert_eq!((response.header("cache-control"), response.header("vary")), ("no-store", "Cookie"));
    let cookie = response.cookie();
    assert!(!response.body.contains(&cookie) && cookie.len() == 43);

    let state = api.with_cookie("GET", "/session", &cookie);
    assert_eq!(signed_in(&state), session);
    assert_eq!(state.json()["ways"], json!(["pat", "jwt"]));
    assert_eq!((state.header("cache-control"), state.header("vary")), ("no-store", "Cookie"));
    let me = api.with_cookie("GET", "/api/v1/me", &cookie).json();
    assert_eq!((&me["credential"], &me["subject"]), (&json!("session"), &json!("alice")));
    assert_eq!(me["scopes"], json!(["tokens:write", "x:read"]));
    assert_eq!(api.with_cookie("GET", "/api/v1/tokens", &cookie).json()["total"], 1);
    let wide = json!({"name": "wide", "scopes": ["x:write"]}).to_string();
    let ask = from_page(request("POST", "/api/v1/tokens", "")).insert_header(("cookie", named(&cookie)));
    let ask = ask.insert_header(("content-type", "application/json")).set_payload(wide);
    api.send(ask).is_problem(403, "insufficient_scope");

    assert_eq!(api.with_cookie("DELETE", &format!("/api/v1/tokens/{id}"), &cookie).status, 204);
    for _ in 0..2 {
        api.with_cookie("GET", "/api/v1/me", &cookie).is_problem(401, "invalid_token");
    }
    let over = api.with_cookie("GET", "/session", &cookie);
    assert_eq!(signed_in(&over), Value::Null);
    assert!(over.header("set-cookie").starts_with(&format!("{COOKIE}=; ")));
});

each_backend!(a_jwt_is_exchanged_for_a_session_with_the_permissions_of_both_roles, |db| {
    let api = Api::new(db);
    let cookie = api.sign_in(&jwt::of("chief", "admin"));
    assert_eq!(api.with_cookie("GET", "/api/v1/users", &cookie).status, 200);
    let state = signed_in(&api.with_cookie("GET", "/session", &cookie));
    assert_eq!((&state["credential"], &state["token_id"]), (&json!("jwt"), &Value::Null));
    let chief = state["user"]["id"].as_str().unwrap().parse().unwrap();
    // The session has no permission that the JWT lacked, and none that was removed since.
    let weak = api.sign_in(&jwt::of("chief", "user"));
    api.with_cookie("GET", "/api/v1/users", &weak).is_problem(403, "insufficient_scope");
    let demoted = UserChanges::default().with_role("user".parse::<tokenry_actix::tokenry::Role>().unwrap());
    api.tokenry.update_user(&api.operator(), chief, demoted).unwrap();
    api.with_cookie("GET", "/api/v1/users", &cookie).is_problem(403, "insufficient_scope");
    api.tokenry.update_user(&api.operator(), chief, UserChanges::default().with_disabled(true)).unwrap();
    api.with_cookie("GET", "/api/v1/me", &cookie).is_problem(401, "invalid_token");
    api.tokenry.update_user(&api.operator(), chief, UserChanges::default().with_disabled(false)).unwrap();
    api.with_cookie("GET", "/api/v1/me", &cookie).is_problem(401, "invalid_token");
});

each_backend!(signing_out_ends_the_session_on_the_server, |db| {
    let api = Api::new(db);
    let cookie = api.sign_in(&api.root);
    for _ in 0..2 {
        let out = api.with_cookie("DELETE", "/session", &cookie);
        assert_eq!((out.status, out.body.as_str()), (204, ""));
        let cleared = format!("{COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict; Secure");
        assert_eq!(out.header("set-cookie"), cleared);
    }
    api.with_cookie("GET", "/api/v1/me", &cookie).is_problem(401, "invalid_token");
    // Without a cookie none is removed: the request could come from another site.
    let out = api.send(from_page(request("DELETE", "/session", "")));
    assert_eq!((out.status, out.header("set-cookie")), (204, ""));
});

each_backend!(signing_in_again_ends_the_previous_session, |db| {
    let api = Api::new(db);
    let (_, text) = api.token_of(&api.user("alice"), &["tokens:read"]);
    let first = api.sign_in(&api.root);
    let again = from_page(request("POST", "/session", &text)).insert_header(("cookie", named(&first)));
    let second = api.send(again).cookie();
    assert_ne!(first, second);
    api.with_cookie("GET", "/api/v1/me", &first).is_problem(401, "invalid_token");
    assert_eq!(api.with_cookie("GET", "/api/v1/me", &second).json()["subject"], "alice");
    // A failed sign-in ends no session.
    let wrong = from_page(request("POST", "/session", "pat_x")).insert_header(("cookie", named(&second)));
    api.send(wrong).is_problem(401, "invalid_token");
    assert_eq!(api.with_cookie("GET", "/api/v1/me", &second).status, 200);
});

each_backend!(the_cookie_is_secure_and_for_this_host_except_on_this_machine, |db| {
    let trusted_proxies = TrustedProxies::new(IpList::parse(&["127.0.0.9", "10.0.0.1"]).unwrap());
    let api = Api::with(db, |_| {}, HttpSettings::default().with_trusted_proxies(trusted_proxies));
    let secure = "; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict; Secure";
    let plain = "; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict";
    for (peer, host, forwarded, name, attributes) in [
        ("192.0.2.1:1", "tokens.test", None, "__Host-tokenry", secure),
        ("192.0.2.1:1", "localhost", None, "__Host-tokenry", secure),
        ("127.0.0.1:1", "tokens.test", None, "__Host-tokenry", secure),
        ("127.0.0.1:1", "localhost:8080", None, "tokenry", plain),
        ("127.0.0.1:1", "localhost:8080", Some("https"), "tokenry", plain),
        ("127.0.0.9:1", "localhost:8080", Some("https"), "__Host-tokenry", secure),
        ("127.0.0.9:1", "localhost:8080", Some("http"), "tokenry", plain),
        ("10.0.0.1:1", "localhost:8080", Some("http"), "__Host-tokenry", secure),
        ("[::1]:1", "[::1]:8080", None, "tokenry", plain),
    ] {
        let page = |request| {
            let request = from_page(request).insert_header(("host", host));
            forwarded.into_iter().fold(request, |request: actix_web::test::TestRequest, scheme| {
                request.insert_header(("x-forwarded-proto", scheme))
            })
        };
        let response = api.send_from(peer, page(request("POST", "/session", &api.root)));
        assert_eq!(response.status, 201, "{}", response.body);
        let set = response.header("set-cookie");
        let value = set.strip_prefix(&format!("{name}=")).unwrap().strip_suffix(attributes).unwrap();
        // Only the cookie name that this origin sets is accepted.
        for (sent, status) in [(name, 200), (if name == "tokenry" { COOKIE } else { "tokenry" }, 401)] {
            let ask = page(request("GET", "/api/v1/me", ""));
            let response = api.send_from(peer, ask.insert_header(("cookie", format!("{sent}={value}"))));
            assert_eq!(response.status, status, "{peer} {host} {sent}");
        }
    }
});

each_backend!(only_a_page_of_the_same_origin_can_use_or_start_a_session, |db| {
    let api = Api::new(db);
    let cookie = api.sign_in(&api.root);
    let cookie = format!("{COOKIE}={cookie}");
    let bearer = format!("Bearer {}", api.root);
    let (mark, host) = (("x-tokenry-request", "1"), ("host", "tokens.test"));
    let own = ("origin", "http://tokens.test");
    for (method, path, credential) in [
        ("GET", "/session", ("cookie", cookie.as_str())),
        ("DELETE", "/session", ("cookie", &cookie)),
        ("POST", "/session", ("authorization", &bearer)),
        ("GET", "/api/v1/me", ("cookie", &cookie)),
        ("GET", "/api/v1/tokens", ("cookie", &cookie)),
        ("POST", "/api/v1/tokens", ("cookie", &cookie)),
        ("POST", "/api/v1/admin/cleanup", ("cookie", &cookie)),
        ("GET", "/api/v1/audit", ("cookie", &cookie)),
    ] {
        for wrong in [
            &[host, own][..],
            &[host, own, ("x-tokenry-request", "yes")],
            &[host, mark, ("origin", "null")],
            &[host, mark, ("origin", "https://tokens.test")],
            &[host, mark, ("origin", "http://evil.test")],
            &[host, mark, ("origin", "http://tokens.test:8080")],
            &[host, mark, own, ("sec-fetch-site", "cross-site")],
            &[host, mark, own, ("sec-fetch-site", "same-site")],
            &[host, mark, ("sec-fetch-site", "none")],
            &[host, mark, own, own],
            &[mark, own],
            &[("host", "tokens.test@evil.test"), mark, own],
            // Forwarded scheme and host of an untrusted peer are ignored.
            &[
                host,
                mark,
                ("origin", "https://evil.test"),
                ("x-forwarded-proto", "https"),
                ("x-forwarded-host", "evil.test"),
            ],
        ] {
            let response = api.send(asked(method, path, wrong).append_header(credential));
            response.is_problem(403, "forbidden");
            assert_eq!(response.header("set-cookie"), "", "{method} {path} {wrong:?}");
        }
        if method != "GET" {
            api.send(asked(method, path, &[host, mark]).append_header(credential))
                .is_problem(403, "forbidden");
        }
    }
    let still = asked("GET", "/api/v1/me", &[host, mark]).append_header(("cookie", cookie));
    assert_eq!(api.send(still).status, 200);
});

each_backend!(two_credentials_and_two_cookies_are_a_bad_request, |db| {
    let api = Api::new(db);
    let (one, two) = (api.sign_in(&api.root), api.sign_in(&api.root));
    for credential in [format!("Bearer {}", api.root), "Basic cm9vdA==".to_owned(), String::new()] {
        let both = from_page(request("GET", "/api/v1/me", "")).insert_header(("cookie", named(&one)));
        let rejected = api.send(both.insert_header(("authorization", credential)));
        rejected.is_problem(400, "invalid_request");
    }
    let repeated = [
        vec![format!("{COOKIE}={one}; {COOKIE}={two}")],
        vec![format!("{COOKIE}={one}"), format!("{COOKIE}={one}")],
        vec![format!("{COOKIE}={one};{COOKIE}=")],
    ];
    for cookies in repeated {
        for (method, path, token) in [
            ("GET", "/api/v1/me", ""),
            ("GET", "/session", ""),
            ("DELETE", "/session", ""),
            ("POST", "/session", &api.root),
        ] {
            let ask = from_page(request(method, path, token));
            let ask = cookies.iter().fold(ask, |ask, cookie| ask.append_header(("cookie", cookie.as_str())));
            api.send(ask).is_problem(400, "invalid_request");
        }
    }
    assert_eq!(api.with_cookie("GET", "/api/v1/me", &one).status, 200);
});

each_backend!(every_invalid_cookie_gets_an_identical_response, |db| {
    let api = Api::new(db);
    let over = api.sign_in(&api.root);
    assert_eq!(api.with_cookie("DELETE", "/session", &over).status, 204);
    let other = format!("{}{}", &over[..42], if over.ends_with('A') { "E" } else { "A" });
    let ask = |value: &str| {
        let ask = from_page(request("GET", "/api/v1/me", "")).insert_header(("x-request-id", "same"));
        let response = api.send(ask.insert_header(("cookie", format!("{COOKIE}={value}"))));
        response.is_problem(401, "invalid_token");
        response.body
    };
    let expected = ask(&over);
    for value in ["", "x", &over[..42], &other, &api.root, &jwt::of("alice", "user"), &format!("\"{over}\"")]
    {
        assert_eq!(ask(value), expected, "{value}");
    }
});

each_backend!(a_cookie_is_ignored_where_only_tokens_are_accepted, |db| {
    let api = Api::new(db);
    let cookie = api.sign_in(&api.root);
    for path in ["/api/v1/verify", "/oauth/introspect", "/auth/nginx?scope=tokens:read"] {
        api.with_cookie("POST", path, &cookie).is_rejection(path, 401, "authentication_required");
    }
    let both = from_page(request("POST", "/auth/nginx?scope=tokens:read", &api.root));
    assert_eq!(api.send(both.insert_header(("cookie", named(&cookie)))).status, 200);
    let as_token = format!("Bearer {cookie}");
    let asked = request("GET", "/api/v1/me", "").insert_header(("authorization", as_token));
    api.send(asked).is_problem(401, "invalid_token");
});

each_backend!(a_token_without_tokens_read_or_with_a_retired_secret_cannot_start_a_session, |db| {
    let api = Api::new(db);
    let (_, none) = api.token_of(&api.user("alice"), &["x:read"]);
    let rejected = api.send(from_page(request("POST", "/session", &none)));
    rejected.is_problem(403, "insufficient_scope");
    assert_eq!(
        rejected.header("www-authenticate"),
        "Bearer error=\"insufficient_scope\", scope=\"tokens:read\", error_description=\"The credential lacks a scope.\""
    );
    let session = api.sign_in(&api.root);
    let chained = from_page(request("POST", "/session", "")).insert_header(("cookie", named(&session)));
    api.send(chained).is_problem(401, "authentication_required");
    for path in ["/session?x=1", "/session?scope=tokens:read"] {
        api.send(from_page(request("POST", path, &api.root))).is_problem(422, "validation_failed");
    }
});

fn behind_proxy(creates_users: bool) -> HttpSettings {
    HttpSettings::default()
        .with_trusted_proxies(TrustedProxies::new(IpList::parse(&["10.0.0.1"]).unwrap()))
        .with_proxy_sign_in(ProxySignIn::new("X-Forwarded-User", "sso:", creates_users).unwrap())
}

each_backend!(only_a_trusted_proxy_can_assert_the_user, |db| {
    let api = Api::with(db, |_| {}, behind_proxy(false));
    let user = api.user("sso:alice");
    let ask = |peer: &str, token: &str, headers: &[(&'static str, &str)]| {
        let ask = from_page(request("POST", "/session", token));
        api.send_from(peer, headers.iter().fold(ask, |ask, header| ask.append_header(*header)))
    };
    let (proxy, alice) = ("10.0.0.1:1", ("x-forwarded-user", "alice"));
    let response = ask(proxy, "", &[alice]);
    assert_eq!(response.status, 201, "{}", response.body);
    assert_eq!(
        (&response.json()["credential"], &response.json()["user"]["id"]),
        (&json!("proxy"), &json!(user.id.to_string()))
    );
    let cookie = response.cookie();
    assert_eq!(api.with_cookie("GET", "/api/v1/tokens", &cookie).status, 200);
    let ways = api.send(request("GET", "/session", "")).json()["ways"].clone();
    assert_eq!(ways, json!(["pat", "jwt", "proxy"]));

    // The proxy asserts another user at the same browser.
    for (header, status) in [("alice", 200), ("bob", 401), ("", 200)] {
        let asked = from_page(request("GET", "/api/v1/me", "")).insert_header(("cookie", named(&cookie)));
        let response = api.send_from(proxy, asked.insert_header(("x-forwarded-user", header)));
        assert_eq!(response.status, status, "{header}");
    }
    ask("192.0.2.1:1", "", &[alice]).is_problem(401, "authentication_required");
    ask(proxy, "", &[]).is_problem(401, "authentication_required");
    ask(proxy, "", &[("x-forwarded-user", "")]).is_problem(401, "authentication_required");
    ask(proxy, "", &[("x-forwarded-user", "bob")]).is_problem(401, "invalid_token");
    ask(proxy, "", &[alice, alice]).is_problem(400, "invalid_request");
    ask(proxy, "", &[alice, ("x_forwarded_user", "root")]).is_problem(400, "invalid_request");
    ask(proxy, "", &[("x-forwarded-user", "alice, bob")]).is_problem(400, "invalid_request");
    // An invalid credential does not fall back to another one.
    ask(proxy, "pat_x", &[alice]).is_problem(401, "invalid_token");
    ask(proxy, "", &[alice, ("authorization", "Basic cm9vdA==")]).is_problem(401, "authentication_required");
    // The assertion of the proxy is accepted for sign-in only.
    let direct = from_page(request("GET", "/api/v1/me", "")).insert_header(alice);
    api.send_from(proxy, direct).is_problem(401, "authentication_required");
    api.tokenry.update_user(&api.operator(), user.id, UserChanges::default().with_disabled(true)).unwrap();
    ask(proxy, "", &[alice]).is_problem(401, "user_disabled");
    api.tokenry.delete_user(&api.operator(), user.id).unwrap();
    ask(proxy, "", &[alice]).is_problem(401, "invalid_token");
});

each_backend!(a_new_user_of_a_proxy_is_created_only_if_configured, |db| {
    let api = Api::with(db, |_| {}, behind_proxy(true));
    let ask = |name: &str| {
        let ask = from_page(request("POST", "/session", "")).insert_header(("x-forwarded-user", name));
        api.send_from("10.0.0.1:1", ask)
    };
    let made = ask("alice");
    assert_eq!((made.status, &made.json()["user"]["role"]), (201, &json!("user")), "{}", made.body);
    assert_eq!(made.json()["user"]["subject"], "sso:alice");
    let id = made.json()["user"]["id"].as_str().unwrap().parse().unwrap();
    // A disabled or deleted user cannot return by signing in.
    api.tokenry.update_user(&api.operator(), id, UserChanges::default().with_disabled(true)).unwrap();
    api.tokenry.delete_user(&api.operator(), id).unwrap();
    ask("alice").is_problem(401, "invalid_token");
    // A proxy cannot assert users without its prefix.
    assert_eq!(ask("admin").json()["user"]["subject"], "sso:admin");
});

each_backend!(failed_sign_ins_count_as_failed_credentials, |db| {
    let failures = FailureLimit::new(NonZero::new(2).unwrap());
    let api = Api::with(db, |_| {}, HttpSettings::default().with_failure_limit(failures));
    let good = api.sign_in(&api.root);
    for wrong in ["pat_x", "pat_y"] {
        api.send(from_page(request("POST", "/session", wrong))).is_problem(401, "invalid_token");
    }
    for _ in 0..2 {
        api.with_cookie("GET", "/api/v1/me", "x").is_problem(401, "invalid_token");
    }
    api.with_cookie("GET", "/api/v1/me", "x").is_problem(429, "rate_limited");
    api.with_cookie("GET", "/session", "x").is_problem(429, "rate_limited");
    api.send(from_page(request("POST", "/session", "pat_x"))).is_problem(429, "rate_limited");
    assert_eq!(api.with_cookie("GET", "/api/v1/me", &good).status, 200);
    assert_eq!(api.send(from_page(request("POST", "/session", &api.root))).status, 201);
});

each_backend!(signing_out_with_an_invalid_cookie_counts_as_a_failure_and_writes_nothing, |db| {
    let failures = FailureLimit::new(NonZero::new(2).unwrap());
    let api = Api::with(db, |_| {}, HttpSettings::default().with_failure_limit(failures));
    let live = api.sign_in(&api.root);
    let made_up = "A".repeat(43);
    api.tokenry.flush().unwrap();
    let writes = db.store().writes();
    for _ in 0..4 {
        assert_eq!(api.with_cookie("DELETE", "/session", &made_up).status, 204);
    }
    api.with_cookie("DELETE", "/session", &made_up).is_problem(429, "rate_limited");
    assert_eq!(db.store().writes(), writes);
    assert_eq!(
        api.with_cookie("DELETE", "/session", &live).status,
        204,
        "failures of others never reject a valid session"
    );
    api.with_cookie("GET", "/api/v1/me", &live).is_problem(429, "rate_limited");
});

#[cfg(feature = "route-quotas")]
each_backend!(management_requests_are_counted_per_user_across_credentials, |db| {
    use tokenry_actix::ManagementQuota;
    let quota = ManagementQuota::new(NonZero::new(4).unwrap());
    let api = Api::with(db, |_| {}, HttpSettings::default().with_management_quota(quota));
    let cookie = api.sign_in(&api.root);
    assert_eq!(api.call("GET", "/api/v1/me", &api.root).status, 200);
    for _ in 0..2 {
        assert_eq!(api.with_cookie("GET", "/api/v1/me", &cookie).status, 200);
    }
    api.with_cookie("GET", "/api/v1/me", &cookie).is_problem(429, "rate_limited");
    api.send(from_page(request("POST", "/session", &api.root))).is_problem(429, "rate_limited");
    // A user without remaining quota can still sign out.
    assert_eq!(api.with_cookie("GET", "/session", &cookie).status, 200);
    assert_eq!(api.with_cookie("DELETE", "/session", &cookie).status, 204);
});

#[test]
fn an_unavailable_database_prevents_sign_in_and_sign_out() {
    let Some(db) = tokenry_testkit::TestDatabase::postgres() else { return };
    let api = Api::new(&db);
    let cookie = api.sign_in(&api.root);
    drop(db);
    for (method, path) in [("GET", "/session"), ("DELETE", "/session"), ("GET", "/api/v1/me")] {
        let response = api.with_cookie(method, path, &cookie);
        response.is_problem(503, "service_unavailable");
        assert_eq!(response.header("set-cookie"), "");
    }
    api.send(from_page(request("POST", "/session", &api.root))).is_problem(503, "service_unavailable");
}
