//! Other ways to present a token than `Authorization: Bearer`.

use actix_web::{
    App,
    middleware::from_fn,
    rt::System,
    test::{TestRequest, call_service, init_service},
    web,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use tokenry_actix::{
    AnyToken, Authorized, Credentials, HttpSettings, authenticate, configure,
    tokenry::{BasicForm, CredentialForms},
};
use tokenry_testkit::{TestDatabase, each_backend};

use crate::{
    api::{Api, from_page, named, request},
    forward, jwt,
};

type Headers = [(&'static str, String)];

fn forms() -> CredentialForms {
    CredentialForms::default()
        .with_basic(BasicForm::Either)
        .with_token_scheme(true)
        .with_headers(["X-API-Key", "PRIVATE-TOKEN"])
        .unwrap()
}

fn http(credentials: Credentials) -> HttpSettings {
    forward::trusting("192.0.2.1").with_credentials(credentials)
}

fn api(db: &TestDatabase, credentials: Credentials) -> Api {
    Api::with(db, |settings| settings.catalog = forward::routes("demo"), http(credentials))
}

fn basic_header(name: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
}

/// The headers that present this token in each of the ways.
pub(crate) fn presentations(token: &str) -> Vec<(&'static str, String)> {
    vec![
        ("authorization", format!("Bearer {token}")),
        ("authorization", basic_header("anybody", token)),
        ("authorization", basic_header(token, "")),
        ("authorization", basic_header(token, "x-oauth-basic")),
        ("authorization", format!("token {token}")),
        ("x-api-key", token.to_owned()),
        ("private-token", token.to_owned()),
    ]
}

fn status(api: &Api, path: &str, headers: &Headers) -> (u16, String) {
    let mut ask = request("GET", path, "");
    for (name, value) in headers {
        ask = ask.append_header((*name, value.as_str()));
    }
    let response = api.send(ask);
    let code = if response.status == 200 {
        String::new()
    } else {
        response.json()["code"].as_str().unwrap().to_owned()
    };
    (response.status, code)
}

each_backend!(each_way_has_the_verdicts_of_bearer_where_it_is_accepted, |db| {
    let off = api(db, Credentials::default());
    let guarded = off.with_http(http(Credentials::new(forms())));
    let everywhere = off.with_http(http(Credentials::new(forms()).with_api()));
    let alice = guarded.user("alice");
    let (_, good) = guarded.token_of(&alice, &["demo:read"]);
    let (revoked_id, revoked) = guarded.token_of(&alice, &["demo:read"]);
    guarded.tokenry.revoke_token(&guarded.operator(), revoked_id.parse().unwrap(), None).unwrap();
    let (_, poor) = guarded.token_of(&alice, &["other:read"]);
    let last = if good.ends_with('x') { 'y' } else { 'x' };
    let unknown = format!("{}{last}", &good[..good.len() - 1]);
    let jwt = jwt::of("alice", "user");
    let forward = "/auth/traefik?scope=demo:read";
    for (token, by_forward, by_api) in [
        (&good, (200, ""), (200, "")),
        (&poor, (403, "insufficient_scope"), (200, "")),
        (&revoked, (401, "revoked_token"), (401, "revoked_token")),
        (&unknown, (401, "invalid_token"), (401, "invalid_token")),
    ] {
        for (number, way) in presentations(token).into_iter().enumerate() {
            let headers = vec![way];
            let expected = |(status, code): (u16, &str)| (status, code.to_owned());
            let none = (401, "authentication_required".to_owned());
            assert_eq!(status(&guarded, forward, &headers), expected(by_forward), "{headers:?}");
            assert_eq!(status(&everywhere, "/api/v1/me", &headers), expected(by_api), "{headers:?}");
            if number > 0 {
                assert_eq!(status(&off, forward, &headers), none, "{headers:?}");
                assert_eq!(status(&guarded, "/api/v1/me", &headers), none, "{headers:?}");
            }
        }
    }
    for way in presentations(&jwt).into_iter().skip(1) {
        let headers = vec![way];
        assert_eq!(
            status(&everywhere, "/api/v1/me", &headers).1,
            "invalid_token",
            "never a JWT: {headers:?}"
        );
    }
});

each_backend!(two_credentials_are_rejected_in_every_combination, |db| {
    let api = api(db, Credentials::new(forms()).with_api());
    let (_, text) = api.token_of(&api.user("alice"), &["demo:read"]);
    let presented = presentations(&text);
    for one in &presented {
        for other in &presented {
            let headers = vec![one.clone(), other.clone()];
            for path in ["/auth/traefik?scope=demo:read", "/api/v1/me"] {
                assert_eq!(status(&api, path, &headers), (400, "invalid_request".to_owned()), "{headers:?}");
            }
        }
    }
    let session = api.sign_in(&api.root);
    for (name, value) in &presented {
        let ask = from_page(request("GET", "/api/v1/me", "")).insert_header(("cookie", named(&session)));
        api.send(ask.insert_header((*name, value.as_str()))).is_problem(400, "invalid_request");
    }
});

each_backend!(basic_is_offered_where_it_is_accepted_but_not_to_a_page, |db| {
    let api = api(db, Credentials::new(forms()).with_api());
    let [basic, bearer] = ["Basic realm=\"tokenry\"", "Bearer realm=\"tokenry\""];
    // Docker and Maven read the first challenge of a line, and Docker prefers Bearer if another line has it.
    let line = format!("{basic}, {bearer}");
    for (path, challenges) in [
        ("/auth/traefik?scope=demo:read", &[&*line][..]),
        ("/auth/nginx?scope=demo:read", &[&line]),
        ("/api/v1/me", &[bearer, basic]),
    ] {
        let response = api.call("GET", path, "");
        assert_eq!(response.status, 401);
        assert_eq!(response.values("www-authenticate"), challenges, "{path}");
    }
    let page = api.send(from_page(request("GET", "/api/v1/me", "")));
    assert_eq!(page.values("www-authenticate"), ["Bearer realm=\"tokenry\""]);
    let (_, text) = api.token_of(&api.user("alice"), &[]);
    let header = ("authorization", basic_header("x", &text));
    let foreign = request("GET", "/api/v1/me", "")
        .insert_header(header)
        .insert_header(("sec-fetch-site", "cross-site"));
    api.send(foreign).is_problem(403, "forbidden");
});

each_backend!(a_form_that_a_middleware_accepts_does_not_become_one_of_the_api, |db| {
    let api = Api::new(db);
    let (root, api) = (api.root.clone(), &api.tokenry);
    let status = |credentials: Credentials, ask: TestRequest| {
        System::new().block_on(async {
            let guarded = web::scope("")
                .wrap(from_fn(authenticate))
                .configure(configure(
                    api.clone(),
                    HttpSettings::default().with_credentials(credentials.clone()),
                ))
                .route("/guarded", web::get().to(async |_: Authorized<AnyToken>| "ok"));
            let app = App::new().app_data(web::Data::new(api.clone())).app_data(credentials).service(guarded);
            call_service(&init_service(app).await, ask.to_request()).await.status().as_u16()
        })
    };
    let form = |name: &'static str, value: &str, body: &str| {
        let ask = request("POST", "/oauth/introspect", "").insert_header((name, value.to_owned()));
        ask.insert_header(("content-type", "application/x-www-form-urlencoded")).set_payload(body.to_owned())
    };
    for (name, value) in presentations(&root) {
        let is_bearer = value.starts_with("Bearer");
        let get = |path| request("GET", path, "").insert_header((name, value.as_str()));
        assert_eq!(status(Credentials::new(forms()), get("/guarded")), 200, "{value}");
        let by_api = if is_bearer { 200 } else { 401 };
        assert_eq!(status(Credentials::new(forms()), get("/api/v1/me")), by_api, "{value}");
        let secret = format!("token=x&client_secret={root}");
        let both = status(Credentials::new(forms()), form(name, &value, &secret));
        assert!([400, 401].contains(&both), "{both} {value}");
    }
});
