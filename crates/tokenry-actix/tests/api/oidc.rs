//! Sign-in at OpenID providers: what is asked of them, which answers are accepted, and who is signed in.

mod answers;
pub(crate) mod fake;
mod id_tokens;
mod limits;
mod users;

use actix_web::test::TestRequest;
use serde_json::{Value, json};
use tokenry_actix::{HttpSettings, tokenry::Settings};
use tokenry_testkit::TestDatabase;

use self::fake::{FakeProvider, Parameters, parameters};
use crate::api::{Api, COOKIE, Response, from_page, request};

/// The name of the cookie of a sign-in over TLS.
const SIGN_IN_COOKIE: &str = "__Host-tokenry-sign-in";

/// An app with these providers.
pub(crate) fn api(db: &TestDatabase, providers: &[(&str, &FakeProvider)]) -> Api {
    with(db, providers, |_| {}, HttpSettings::default())
}

pub(crate) fn with(
    db: &TestDatabase,
    providers: &[(&str, &FakeProvider)],
    change: impl FnOnce(&mut Settings),
    http: HttpSettings,
) -> Api {
    Api::with(
        db,
        |settings| {
            settings.oidc = Some(fake::settings(providers));
            change(settings);
        },
        http.with_trusted_proxies(fake::proxy()),
    )
}

/// A request over TLS, as the proxy forwards it.
fn over_tls(method: &str, path: &str) -> TestRequest {
    request(method, path, "")
        .insert_header(("host", "tokens.test"))
        .insert_header(("x-forwarded-proto", "https"))
}

/// A sign-in that has begun in one browser.
struct Begun {
    url: String,
    cookie: String,
}

impl Begun {
    fn parameters(&self) -> Parameters {
        parameters(self.url.split_once('?').unwrap().1)
    }

    fn state(&self) -> String {
        self.parameters()["state"].clone()
    }
}

#[track_caller]
fn begin(api: &Api, id: &str) -> Begun {
    let response = api.send(from_page(over_tls("POST", &format!("/session/oidc/{id}"))));
    assert_eq!(response.status, 200, "{}", response.body);
    let set = response.header("set-cookie");
    let value = set.strip_prefix(&format!("{SIGN_IN_COOKIE}=")).unwrap().split(';').next().unwrap();
    let url = response.json()["authorization_url"].as_str().unwrap().to_owned();
    Begun { url, cookie: value.to_owned() }
}

/// The navigation of a browser back from a provider, with these parameters and the cookie of a sign-in.
fn answer(api: &Api, id: &str, parameters: &[(&str, &str)], cookie: &str) -> Response {
    api.send(navigation(id, parameters, cookie))
}

fn navigation(id: &str, parameters: &[(&str, &str)], cookie: &str) -> TestRequest {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    let mut navigation = over_tls("GET", &format!("/session/oidc/{id}/callback?{query}"))
        .insert_header(("sec-fetch-site", "cross-site"))
        .insert_header(("sec-fetch-mode", "navigate"));
    if !cookie.is_empty() {
        navigation = navigation.insert_header(("cookie", format!("{SIGN_IN_COOKIE}={cookie}")));
    }
    navigation
}

/// A whole sign-in of the user with these claims.
fn sign_in(api: &Api, id: &str, provider: &FakeProvider, claims: &Value) -> Response {
    let begun = begin(api, id);
    let code = provider.authorize(&begun.url, claims);
    answer(api, id, &[("code", &code), ("state", &begun.state())], &begun.cookie)
}

/// The cookie of the session that a sign-in started.
#[track_caller]
fn session(response: &Response) -> String {
    assert_eq!(response.status, 303, "{}", response.body);
    assert_eq!(response.header("location"), "https://tokens.test/sign-in");
    let set =
        response.values("set-cookie").into_iter().find_map(|set| set.strip_prefix(&format!("{COOKIE}=")));
    set.unwrap().split(';').next().unwrap().to_owned()
}

/// Asserts that a sign-in failed with this code and started no session.
#[track_caller]
fn failed(response: &Response, code: &str) {
    assert_eq!(response.status, 303, "{}", response.body);
    assert_eq!(response.header("location"), format!("https://tokens.test/sign-in#failed={code}"));
    let is_session = |set: &&str| set.starts_with(&format!("{COOKIE}="));
    assert_eq!(response.values("set-cookie").iter().find(|set| is_session(set)), None);
}

/// The subjects of all users, sorted.
fn subjects(api: &Api) -> Vec<String> {
    let users = api.call("GET", "/api/v1/users", &api.root).json();
    let mut all: Vec<String> = users["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|user| user["subject"].as_str().unwrap().to_owned())
        .collect();
    all.sort();
    all
}

fn me(api: &Api, cookie: &str) -> Value {
    let response = api.with_cookie("GET", "/api/v1/me", cookie);
    assert_eq!(response.status, 200, "{}", response.body);
    response.json()
}

fn alice() -> Value {
    json!({ "sub": "a1", "name": "Alice" })
}
