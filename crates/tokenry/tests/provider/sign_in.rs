//! The way of a person from the page to the provider and back.

use serde_json::{Value, json};
use tokenry_testkit::each_backend;

use crate::{
    person::Person,
    server::Server,
    site::{Provider, SECRET, address, doctor, serve},
};

/// Presses the button of the page and authenticates at the provider as this user.
fn sign_in(person: &Person, user: &str) {
    person.click("[data-test=sign-in-corp]");
    person.fill("input[name=login]", user);
    person.fill("input[name=password]", "any");
    person.click("button[type=submit]");
    // The consent of the first sign-in.
    person.wait("document.querySelector('form button.login-submit, [data-test=who]')");
    if person.eval("return Boolean(document.querySelector('form button.login-submit'))") == json!(true) {
        person.click("form button.login-submit");
    }
}

fn admin(server: &Server, method: &str, path: &str, body: &str) -> Value {
    let (status, text) = server.ask(method, path, body).unwrap();
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).unwrap()
}

each_backend!(a_person_signs_in_at_a_provider_creates_a_token_and_signs_out_at_both, |db| {
    let Some(person) = Person::start() else { return };
    let at = address();
    let server = serve(db, &at);
    let url = |path: &str| format!("http://{}/{path}", server.address);
    // The server started before its provider, which fails the sign-in with a reason.
    person.open(&url("create?name=nightly&scopes=projects:read"));
    person.read("[data-test=sign-in-corp]", "Sign in with Corp <b>&amp;");
    person.click("[data-test=sign-in-corp]");
    person.read("[data-test=provider-error]", "does not respond");
    let (is_good, detail) = doctor(db, &server.address, &at);
    assert!(!is_good && detail.contains("cannot be fetched"), "{detail}");
    let Some(provider) = Provider::start(&at, &server.address) else { return };
    let (is_good, detail) = doctor(db, &server.address, &at);
    let redirect = format!("http://{}/session/oidc/corp/callback", server.address);
    assert!(is_good && detail.contains(&redirect), "{detail}");

    // After the pause that follows a failure, to the page that was asked for.
    std::thread::sleep(std::time::Duration::from_secs(6));
    sign_in(&person, "ada");
    person.wait("location.pathname === '/create'");
    person.read("[data-test=who]", "The ada");
    person.click("[data-test=create]");
    person.wait("document.querySelector('[data-test=secret-dialog]')");
    let secret = person.eval("return document.querySelector('[data-test=secret]').value");
    let (status, me) = server.ask_as(secret.as_str().unwrap(), "GET", "/api/v1/token", "").unwrap();
    assert_eq!(status, 200, "{me}");
    assert_eq!(person.complaints(), "");
    let names: Vec<_> = person.cookies().into_iter().map(|(name, _)| name).collect();
    assert!(
        names.contains(&"tokenry".to_owned()) && !names.contains(&"tokenry-sign-in".to_owned()),
        "{names:?}"
    );

    // Back in the history, the answer of the provider is of no use.
    let cookie = person.cookies().into_iter().find(|(name, _)| name == "tokenry").unwrap().1;
    person.open(&url(""));
    person.read("[data-test=who]", "The ada");
    person.click("[data-test=account] summary");
    person.read("[data-test=signed-in-as]", "an identity provider");
    person.click("[data-test=sign-out]");
    // The provider asks for a confirmation, and sends the browser back.
    person.wait(&format!("location.host === '{}'", provider.address));
    person.click("button[name=logout]");
    person.wait(&format!("location.host === '{}' && location.pathname === '/sign-in'", server.address));
    assert_ne!(
        person.cookies().into_iter().find(|(name, _)| name == "tokenry").map(|(_, value)| value),
        Some(cookie)
    );
    // Signed out there too: the provider asks for the name again.
    person.click("[data-test=sign-in-corp]");
    person.wait("document.querySelector('input[name=login]')");
    // The person does not sign in after all.
    person.back();
    person.open(&url(""));
    person.wait("location.pathname === '/sign-in'");
    let sources = person.eval(
        "return document.documentElement.outerHTML + JSON.stringify({...sessionStorage, ...localStorage})",
    );
    assert!(!sources.as_str().unwrap().contains(SECRET));
});

each_backend!(the_provider_decides_about_administrators_and_a_disabled_user_is_refused_at_once, |db| {
    let Some(person) = Person::start() else { return };
    let at = address();
    let server = serve(db, &at);
    let Some(_provider) = Provider::start(&at, &server.address) else { return };
    let url = |path: &str| format!("http://{}/{path}", server.address);
    // A refresh in the background may have failed before the provider started.
    std::thread::sleep(std::time::Duration::from_secs(6));
    person.open(&url("sign-in"));
    sign_in(&person, "chief");
    person.read("[data-test=who]", "The chief");
    person.wait("document.querySelector('[data-test=nav-users]')");

    let users = admin(&server, "GET", "/api/v1/users?search=corp:chief", "");
    assert_eq!((&users["data"][0]["role"], &users["total"]), (&json!("admin"), &json!(1)), "{users}");
    let path = format!("/api/v1/users/{}", users["data"][0]["id"].as_str().unwrap());
    admin(&server, "PATCH", &path, r#"{"disabled": true}"#);
    person.open(&url("users"));
    person.wait("location.pathname === '/sign-in'");
    // The provider still knows them, and Tokenry says why they stay out, in their language.
    person.eval("localStorage.setItem('tokenry.language', 'zh')");
    person.open(&url("sign-in"));
    person.read("[data-test=sign-in-corp]", "登录");
    person.click("[data-test=sign-in-corp]");
    person.read("[data-test=provider-error]", "已停用");
    person.wait("location.hash === ''");
    // A code that is not one of the page's own is not shown.
    person.open(&url("sign-in#failed=<b>x"));
    person.eval("location.reload()");
    person.read("[data-test=sign-in-corp]", "登录");
    person.read("[data-test=sign-in]", "");
    assert_eq!(
        person.eval("return document.querySelector('[data-test=provider-error]').textContent"),
        json!("")
    );
});
