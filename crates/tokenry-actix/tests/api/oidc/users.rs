//! Who is signed in by a provider, with which permissions, and until when.

use serde_json::{Value, json};
use tokenry_actix::{
    HttpSettings,
    tokenry::{SessionProof, UserChanges},
};
use tokenry_testkit::each_backend;

use super::{
    alice, answer, api, begin, failed,
    fake::{FakeProvider, SECRET},
    me, over_tls, session, sign_in, subjects, with,
};
use crate::api::{COOKIE, from_page, request};

fn user_id(me: &Value) -> tokenry_actix::tokenry::UserId {
    me["user_id"].as_str().unwrap().parse().unwrap()
}

each_backend!(a_user_of_a_provider_signs_in_with_mapped_name_and_role_creates_a_token_and_signs_out, |db| {
    let provider = FakeProvider::new();
    let api = api(db, &[("corp", &provider)]);
    let cookie = session(&sign_in(&api, "corp", &provider, &alice()));
    let known = me(&api, &cookie);
    let seen = ["subject", "name", "role", "credential"].map(|key| known[key].as_str().unwrap());
    assert_eq!(seen, ["corp:a1", "Alice", "user", "session"]);
    let state = api.with_cookie("GET", "/session", &cookie).json();
    assert_eq!(
        (&state["session"]["credential"], &state["session"]["token_id"]),
        (&json!("oidc"), &Value::Null)
    );
    let body = json!({ "name": "ci", "scopes": ["x:read"] }).to_string();
    let creation = from_page(request("POST", "/api/v1/tokens", ""))
        .insert_header(("cookie", format!("{COOKIE}={cookie}")))
        .insert_header(("content-type", "application/json"))
        .set_payload(body);
    let created = api.send(creation).json();
    assert_eq!(api.call("GET", "/api/v1/token", created["token"].as_str().unwrap()).status, 200);

    // The sign-out ends the session here, and names where the provider signs the user out.
    let out = state["session"]["provider_sign_out_url"].as_str().unwrap();
    assert_eq!(
        out,
        "https://id.corp.test/out?client_id=tokenry%3A1&post_logout_redirect_uri=https%3A%2F%2Ftokens.test%2Fsign-in"
    );
    assert_eq!(api.with_cookie("DELETE", "/session", &cookie).status, 204);
    api.with_cookie("GET", "/api/v1/me", &cookie).is_problem(401, "invalid_token");
    let events = api.call("GET", "/api/v1/audit?kind=auth.session.started", &api.root).json();
    let detail = &events["data"][0]["detail"];
    assert_eq!((&detail["credential"], &detail["provider"]), (&json!("oidc"), &json!("corp")));
});

each_backend!(
    the_provider_decides_about_roles_at_each_sign_in_and_the_stored_role_limits_the_session,
    |db| {
        let provider = FakeProvider::new();
        let api = api(db, &[("corp", &provider)]);
        let chief = json!({ "sub": "c1", "groups": ["staff", "operators"] });
        let cookie = session(&sign_in(&api, "corp", &provider, &chief));
        assert_eq!(api.with_cookie("GET", "/api/v1/users", &cookie).status, 200);
        let id = user_id(&me(&api, &cookie));
        let demoted =
            UserChanges::default().with_role("user".parse::<tokenry_actix::tokenry::Role>().unwrap());
        api.tokenry.update_user(&api.operator(), id, demoted).unwrap();
        api.with_cookie("GET", "/api/v1/users", &cookie).is_problem(403, "insufficient_scope");
    }
);

each_backend!(a_disabled_user_is_refused_at_the_next_request_and_at_the_next_sign_in, |db| {
    let provider = FakeProvider::new();
    let api = api(db, &[("corp", &provider)]);
    let cookie = session(&sign_in(&api, "corp", &provider, &alice()));
    let id = user_id(&me(&api, &cookie));
    let user = api.tokenry.find_user(&api.operator(), id).unwrap();
    let (_, token) = api.token_of(&user, &["x:read", "tokens:read"]);
    assert_eq!(api.call("GET", "/api/v1/me", &token).status, 200);
    // As a directory does it: over the API, as an administrator.
    let path = format!("/api/v1/users/{id}");
    assert_eq!(api.json("PATCH", &path, &api.root, &json!({ "disabled": true })).status, 200);
    api.with_cookie("GET", "/api/v1/me", &cookie).is_problem(401, "invalid_token");
    api.call("GET", "/api/v1/me", &token).is_problem(401, "user_disabled");
    failed(&sign_in(&api, "corp", &provider, &alice()), "user_disabled");
    // Enabled again, the old session stays ended.
    assert_eq!(api.json("PATCH", &path, &api.root, &json!({ "disabled": false })).status, 200);
    api.with_cookie("GET", "/api/v1/me", &cookie).is_problem(401, "invalid_token");
    session(&sign_in(&api, "corp", &provider, &alice()));
    // A user who was disabled and deleted does not come back by signing in.
    api.json("PATCH", &path, &api.root, &json!({ "disabled": true }));
    assert_eq!(api.call("DELETE", &path, &api.root).status, 204);
    failed(&sign_in(&api, "corp", &provider, &alice()), "no_account");
});

each_backend!(a_user_is_the_subject_of_one_provider_and_never_an_email_address, |db| {
    let (corp, other) = (FakeProvider::new(), FakeProvider::named("https://id.other.test"));
    let api = api(db, &[("corp", &corp), ("other", &other)]);
    let claims = |subject: &str| {
        json!({ "sub": subject, "name": "Ann", "email": "ann@corp.test", "email_verified": true,
            "preferred_username": "admin" })
    };
    let ids: Vec<_> =
        [("corp", &corp, "a"), ("corp", &corp, "b"), ("other", &other, "a"), ("corp", &corp, "admin")]
            .map(|(id, provider, subject)| {
                user_id(&me(&api, &session(&sign_in(&api, id, provider, &claims(subject)))))
            })
            .into_iter()
            .collect();
    let distinct: std::collections::BTreeSet<_> = ids.iter().map(ToString::to_string).collect();
    assert_eq!(distinct.len(), 4);
    assert_eq!(subjects(&api), ["admin", "corp:a", "corp:admin", "corp:b", "other:a"]);
    // Another address or name does not make the person another one.
    let moved = json!({ "sub": "a", "email": "other@corp.test" });
    assert_eq!(user_id(&me(&api, &session(&sign_in(&api, "corp", &corp, &moved)))), ids[0]);
});

each_backend!(an_unknown_user_is_created_only_where_the_settings_say_so, |db| {
    let provider = FakeProvider::new();
    let closed = |settings: &mut tokenry_actix::tokenry::Settings| {
        settings.oidc.as_mut().unwrap().providers[0].mapping.creates_users = false;
    };
    let api = with(db, &[("corp", &provider)], closed, HttpSettings::default());
    failed(&sign_in(&api, "corp", &provider, &alice()), "no_account");
    api.user("corp:a1");
    session(&sign_in(&api, "corp", &provider, &alice()));
});

each_backend!(a_sign_in_starts_a_new_session_and_adopts_none, |db| {
    let provider = FakeProvider::new();
    let api = api(db, &[("corp", &provider)]);
    let planted = api.sign_in(&api.root);
    let begun = begin(&api, "corp");
    let code = provider.authorize(&begun.url, &alice());
    let query = format!("code={code}&state={}", begun.state());
    // A browser sends the session cookie back too if it does not know `SameSite`: that session ends.
    let navigation = over_tls("GET", &format!("/session/oidc/corp/callback?{query}"))
        .insert_header(("cookie", format!("{COOKIE}={planted}; __Host-tokenry-sign-in={}", begun.cookie)));
    let cookie = session(&api.send(navigation));
    assert_ne!(cookie, planted);
    assert_eq!(me(&api, &cookie)["subject"], "corp:a1");
    api.with_cookie("GET", "/api/v1/me", &planted).is_problem(401, "invalid_token");
    assert_ne!(session(&sign_in(&api, "corp", &provider, &alice())), cookie);
});

each_backend!(sessions_of_a_provider_end_when_it_is_removed_from_the_settings, |db| {
    let (corp, other) = (FakeProvider::new(), FakeProvider::named("https://id.other.test"));
    let both = api(db, &[("corp", &corp), ("other", &other)]);
    let of = |id: &str, provider| session(&sign_in(&both, id, provider, &alice()));
    let (one, two) = (of("corp", &corp), of("other", &other));
    let only = crate::oidc::api(db, &[("other", &other)]);
    only.with_cookie("GET", "/api/v1/me", &one).is_problem(401, "invalid_token");
    assert_eq!(only.with_cookie("GET", "/api/v1/me", &two).status, 200);
    // It ended for good.
    both.with_cookie("GET", "/api/v1/me", &one).is_problem(401, "invalid_token");
});

each_backend!(no_more_than_twenty_sessions_of_a_user_and_provider_last, |db| {
    let provider = FakeProvider::new();
    let api = api(db, &[("corp", &provider)]);
    let sessions: Vec<_> = (0..21).map(|_| session(&sign_in(&api, "corp", &provider, &alice()))).collect();
    api.with_cookie("GET", "/api/v1/me", &sessions[0]).is_problem(401, "invalid_token");
    for cookie in &sessions[1..] {
        assert_eq!(api.with_cookie("GET", "/api/v1/me", cookie).status, 200);
    }
    let mine = user_id(&me(&api, &sessions[20]));
    let stored = db.store().read(|tx| tokenry_store::session::of_user(tx, mine)).unwrap();
    assert!(stored.iter().all(|session| session.proof == SessionProof::Provider { id: "corp".to_owned() }));
});

each_backend!(the_client_secret_goes_to_the_token_endpoint_alone, |db| {
    let provider = FakeProvider::new();
    let api = api(db, &[("corp", &provider)]);
    let begun = begin(&api, "corp");
    let code = provider.authorize(&begun.url, &alice());
    // The token endpoint of the tests rejects a request without it.
    let response = answer(&api, "corp", &[("code", &code), ("state", &begun.state())], &begun.cookie);
    session(&response);
    let everything = format!("{} {:?} {}", begun.url, response.headers, response.body);
    assert!(!everything.contains(SECRET) && !everything.contains("s3cret"));
    assert!(provider.state().requests.iter().all(|url| !url.contains("s3cret")));
    // A wrong one is a fault of the settings, not of the user.
    let wrong = |settings: &mut tokenry_actix::tokenry::Settings| {
        settings.oidc.as_mut().unwrap().providers[0].client_secret = None;
    };
    let api = with(db, &[("corp", &provider)], wrong, HttpSettings::default());
    failed(&sign_in(&api, "corp", &provider, &alice()), "bad_answer");
});
