//! The request to a provider, and whose answers are accepted.

use std::num::NonZero;

use serde_json::json;
use tokenry_actix::{FailureLimit, HttpSettings};
use tokenry_testkit::each_backend;

use super::{
    SIGN_IN_COOKIE, alice, answer, api, begin, failed,
    fake::{FakeProvider, parameters},
    over_tls, session, sign_in, subjects, with,
};
use crate::api::from_page;

each_backend!(a_sign_in_asks_the_provider_with_pkce_state_nonce_and_the_configured_redirect_uri, |db| {
    let provider = FakeProvider::new();
    let api = api(db, &[("corp", &provider)]);
    // The redirect URI follows the settings, whatever the request says.
    let forwarded =
        from_page(over_tls("POST", "/session/oidc/corp")).insert_header(("forwarded", "host=evil.test"));
    let response = api.send(forwarded);
    let url = response.json()["authorization_url"].as_str().unwrap().to_owned();
    let asked = parameters(url.split_once('?').unwrap().1);
    let expected = [
        ("response_type", "code"),
        ("client_id", "tokenry:1"),
        ("redirect_uri", "https://tokens.test/session/oidc/corp/callback"),
        ("scope", "openid profile"),
        ("code_challenge_method", "S256"),
    ];
    for (name, value) in expected {
        assert_eq!(asked[name], value, "{name}");
    }
    for name in ["state", "nonce", "code_challenge"] {
        assert_eq!(asked[name].len(), 43, "{name}");
    }
    assert_eq!(asked.len(), 8);
    let set = response.header("set-cookie");
    let value = set.strip_prefix(&format!("{SIGN_IN_COOKIE}=")).unwrap();
    let (value, attributes) = value.split_once(';').unwrap();
    assert_eq!(attributes, " Path=/; Max-Age=600; HttpOnly; SameSite=Lax; Secure");
    // The secret of the browser is not among what the provider sees.
    assert!(value.len() == 43 && !url.contains(value));
    assert_eq!(response.header("cache-control"), "no-store");
    let other = begin(&api, "corp");
    assert!(
        asked.iter().filter(|(name, value)| other.parameters()[*name] == **value).count() == expected.len()
    );

    // Only a page of the public URL's origin begins a sign-in, so that no other site signs a browser in.
    for wrong in [
        from_page(over_tls("POST", "/session/oidc/corp")).insert_header(("host", "evil.test")),
        from_page(over_tls("POST", "/session/oidc/corp")).insert_header(("host", "tokens.test:8080")),
        from_page(over_tls("POST", "/session/oidc/corp")).insert_header(("sec-fetch-site", "cross-site")),
        from_page(over_tls("POST", "/session/oidc/corp")).insert_header(("origin", "http://evil.test")),
        over_tls("POST", "/session/oidc/corp"),
    ] {
        let response = api.send(wrong);
        response.is_problem(403, "forbidden");
        assert_eq!(response.header("set-cookie"), "");
    }
    let abroad = over_tls("GET", "/session/oidc/corp/callback?code=x").insert_header(("host", "evil.test"));
    api.send(abroad).is_problem(403, "forbidden");
    for (method, path) in [
        ("POST", "/session/oidc/other"),
        ("POST", "/session/oidc/%2e%2e"),
        ("GET", "/session/oidc/other/callback"),
    ] {
        api.send(from_page(over_tls(method, path))).is_problem(404, "not_found");
    }
});

each_backend!(an_answer_is_accepted_only_in_the_browser_and_for_the_provider_of_the_sign_in, |db| {
    let (corp, other) = (FakeProvider::new(), FakeProvider::named("https://id.other.test"));
    let api = api(db, &[("corp", &corp), ("other", &other)]);
    let (mine, attackers) = (begin(&api, "corp"), begin(&api, "corp"));
    let code = corp.authorize(&attackers.url, &json!({ "sub": "mallory" }));
    let (state, theirs) = (mine.state(), attackers.state());
    // The attacker's answer in the victim's browser, with either state, and without any.
    for parameters in [
        &[("code", code.as_str()), ("state", theirs.as_str())][..],
        &[("code", &code), ("state", "")],
        &[("code", &code)],
        &[("code", &code), ("state", &state[..42])],
        &[("code", &code), ("state", &mine.parameters()["nonce"])],
        &[("error", "access_denied")],
        &[("error", "access_denied"), ("state", &theirs)],
        &[],
    ] {
        let response = answer(&api, "corp", parameters, &mine.cookie);
        failed(&response, "not_begun");
        // It does not end the sign-in of the victim.
        assert_eq!(response.header("set-cookie"), "");
    }
    // A browser without the cookie, or with another one.
    for cookie in ["", "x", &mine.cookie[..42], &mine.cookie] {
        failed(&answer(&api, "corp", &[("code", &code), ("state", &theirs)], cookie), "not_begun");
    }
    // The victim's own state with the attacker's code: its challenge and nonce are another's.
    failed(&answer(&api, "corp", &[("code", &code), ("state", &state)], &mine.cookie), "bad_answer");

    // The answer of one provider at the redirect URI of another.
    let begun = begin(&api, "corp");
    let code = corp.authorize(&begun.url, &alice());
    let parameters = [("code", code.as_str()), ("state", &begun.state())];
    failed(&answer(&api, "other", &parameters, &begun.cookie), "not_begun");
    assert!(
        other.state().requests.iter().all(|url| !url.ends_with("/token")),
        "no code is sent to another provider"
    );

    let two = over_tls("GET", &format!("/session/oidc/corp/callback?code={code}&state={}", begun.state()))
        .insert_header(("cookie", format!("{SIGN_IN_COOKIE}={0}; {SIGN_IN_COOKIE}={0}", begun.cookie)));
    api.send(two).is_problem(400, "invalid_request");
    assert_eq!(subjects(&api), ["admin"]);
    // The control: the same answer, in the right place.
    session(&answer(&api, "corp", &parameters, &begun.cookie));
    assert_eq!(subjects(&api), ["admin", "corp:a1"]);
});

each_backend!(an_answer_names_the_provider_where_it_says_that_it_does, |db| {
    let provider = FakeProvider::new();
    provider.state().metadata = json!({ "authorization_response_iss_parameter_supported": true });
    let api = api(db, &[("corp", &provider)]);
    for (issuer, is_accepted) in [
        (Some("https://id.corp.test"), true),
        (None, false),
        (Some(""), false),
        (Some("https://id.corp.test/"), false),
        (Some("https://id.other.test"), false),
    ] {
        let begun = begin(&api, "corp");
        let code = provider.authorize(&begun.url, &alice());
        let state = begun.state();
        let mut parameters = vec![("code", code.as_str()), ("state", &state)];
        parameters.extend(issuer.map(|issuer| ("iss", issuer)));
        provider.state().requests.clear();
        let response = answer(&api, "corp", &parameters, &begun.cookie);
        if is_accepted {
            session(&response);
        } else {
            failed(&response, "bad_answer");
            assert!(provider.state().requests.is_empty(), "the code is not used");
        }
    }
    // A wrong one is rejected also from a provider that does not say that it sends one.
    let silent = FakeProvider::named("https://id.silent.test");
    let api = crate::oidc::api(db, &[("silent", &silent)]);
    for (issuer, is_accepted) in [("https://id.silent.test", true), ("https://id.corp.test", false)] {
        let begun = begin(&api, "silent");
        let code = silent.authorize(&begun.url, &alice());
        let parameters = [("code", code.as_str()), ("state", &begun.state()), ("iss", issuer)];
        let response = answer(&api, "silent", &parameters, &begun.cookie);
        if is_accepted { drop(session(&response)) } else { failed(&response, "bad_answer") }
    }
});

each_backend!(a_sign_in_succeeds_once_even_if_the_provider_accepts_a_code_twice, |db| {
    let provider = FakeProvider::new();
    provider.state().reuses_codes = true;
    let api = api(db, &[("corp", &provider)]);
    let begun = begin(&api, "corp");
    let (code, state) = (provider.authorize(&begun.url, &alice()), begun.state());
    let parameters = [("code", code.as_str()), ("state", state.as_str())];
    let first = answer(&api, "corp", &parameters, &begun.cookie);
    let cookie = session(&first);
    let cleared = format!("{SIGN_IN_COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure");
    assert!(first.values("set-cookie").contains(&cleared.as_str()));
    // On another node too, with the same code and with another one for the same sign-in, and after the session ended.
    let again = provider.authorize(&begun.url, &alice());
    let node = crate::oidc::api(db, &[("corp", &provider)]);
    failed(&answer(&node, "corp", &parameters, &begun.cookie), "not_begun");
    failed(&answer(&api, "corp", &[("code", &again), ("state", &state)], &begun.cookie), "not_begun");
    assert_eq!(api.with_cookie("DELETE", "/session", &cookie).status, 204);
    failed(&answer(&api, "corp", &parameters, &begun.cookie), "not_begun");
    // A provider that accepts a code once rejects the second use itself.
    provider.state().reuses_codes = false;
    let begun = begin(&api, "corp");
    let code = provider.authorize(&begun.url, &alice());
    let parameters = [("code", code.as_str()), ("state", &begun.state())];
    session(&answer(&api, "corp", &parameters, &begun.cookie));
    failed(&answer(&api, "corp", &parameters, &begun.cookie), "bad_answer");
});

each_backend!(an_error_of_the_provider_is_a_fixed_code_and_never_markup_or_a_target, |db| {
    let provider = FakeProvider::new();
    let api = api(db, &[("corp", &provider)]);
    let hostile = "<script>alert(1)</script>\r\nLocation: https://evil.test\u{1b}[31m";
    for (error, code) in
        [("access_denied", "denied"), ("server_error", "bad_answer"), (hostile, "bad_answer")]
    {
        let begun = begin(&api, "corp");
        let parameters = [("error", error), ("error_description", hostile), ("state", &begun.state())];
        let response = answer(&api, "corp", &parameters, &begun.cookie);
        failed(&response, code);
        assert!(
            response.header("set-cookie").starts_with(&format!("{SIGN_IN_COOKIE}=; ")),
            "the sign-in is over"
        );
        assert_eq!(response.body, "");
    }
    // Neither has a code any say in where the browser goes.
    let begun = begin(&api, "corp");
    let code = provider.authorize(&begun.url, &alice());
    let parameters = [
        ("code", code.as_str()),
        ("state", &begun.state()),
        ("next", "https://evil.test"),
        ("redirect_uri", "//evil.test"),
        ("session_state", "x"),
    ];
    session(&answer(&api, "corp", &parameters, &begun.cookie));
});

each_backend!(an_unavailable_provider_fails_with_a_reason_and_other_sign_ins_work, |db| {
    let (corp, other) = (FakeProvider::new(), FakeProvider::named("https://id.other.test"));
    corp.state().is_down = true;
    // The start of the server needs no provider.
    let api = api(db, &[("corp", &corp), ("other", &other)]);
    let response = api.send(from_page(over_tls("POST", "/session/oidc/corp")));
    response.is_problem(503, "service_unavailable");
    assert_eq!((response.header("retry-after"), response.header("set-cookie")), ("5", ""));
    let state = api.call("GET", "/session", "").json();
    assert_eq!(state["ways"], json!(["pat", "jwt", "oidc"]));
    let listed = json!([{"id": "corp", "name": "The corp"}, {"id": "other", "name": "The other"}]);
    assert_eq!(state["providers"], listed);
    session(&sign_in(&api, "other", &other, &alice()));
    api.sign_in(&api.root);

    // Between the two steps.
    let begun = begin(&api, "other");
    let code = other.authorize(&begun.url, &alice());
    other.state().is_down = true;
    let parameters = [("code", code.as_str()), ("state", &begun.state())];
    failed(&answer(&api, "other", &parameters, &begun.cookie), "unavailable");
    other.state().is_down = false;
    session(&sign_in(&api, "other", &other, &alice()));
});

each_backend!(failed_answers_count_as_failed_credentials, |db| {
    let provider = FakeProvider::new();
    let http = HttpSettings::default().with_failure_limit(FailureLimit::new(NonZero::new(2).unwrap()));
    let api = with(db, &[("corp", &provider)], |_| {}, http);
    let begun = begin(&api, "corp");
    for _ in 0..4 {
        failed(&answer(&api, "corp", &[("code", "x"), ("state", "guess")], &begun.cookie), "not_begun");
    }
    answer(&api, "corp", &[("code", "x"), ("state", "guess")], &begun.cookie).is_problem(429, "rate_limited");
    // A right answer is never rejected for the failures of others at the same address.
    let code = provider.authorize(&begun.url, &alice());
    session(&answer(&api, "corp", &[("code", &code), ("state", &begun.state())], &begun.cookie));
});

each_backend!(a_check_names_what_does_not_match_the_provider, |db| {
    let provider = FakeProvider::new();
    let api = api(db, &[("corp", &provider)]);
    let check = || api.tokenry.check_providers().remove(0);
    let good = check();
    assert_eq!((good.id.as_str(), good.is_reachable, good.faults.as_slice()), ("corp", true, &[][..]));
    assert_eq!(good.redirect_uri, "https://tokens.test/session/oidc/corp/callback");
    for (metadata, expected) in [
        (json!({ "response_types_supported": ["id_token"] }), "the response type code is not among"),
        (json!({ "code_challenge_methods_supported": ["plain"] }), "the PKCE method S256 is not among"),
        (json!({ "id_token_signing_alg_values_supported": ["RS256"] }), "algorithm ES256 is not among"),
        (
            json!({ "token_endpoint_auth_methods_supported": ["private_key_jwt"] }),
            "client_auth client_secret_basic is not among",
        ),
        (json!({ "issuer": "https://id.other.test" }), "set issuer to exactly that"),
        (json!({ "authorization_endpoint": "javascript:alert(1)" }), "is not an https URL"),
        (json!({ "jwks_uri": "https://id.corp.test/nothing" }), "its keys cannot be used"),
    ] {
        provider.state().metadata = metadata;
        let found = check();
        assert!(found.is_reachable && found.faults.len() == 1, "{:?}", found.faults);
        assert!(found.faults[0].contains(expected), "{:?}", found.faults);
    }
    provider.state().is_down = true;
    let found = check();
    assert!(!found.is_reachable && found.faults[0].contains("cannot be fetched"), "{:?}", found.faults);
});
