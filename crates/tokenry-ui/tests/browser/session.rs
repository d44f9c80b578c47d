//! Sign-in, sign-out and ended sessions.

use serde_json::{Value, json};

use crate::visit::Visit;

/// The session cookie in the browser.
fn cookie(visit: &Visit) -> Value {
    let cookies = visit.cdp("Network.getCookies", json!({}));
    let cookies = cookies["cookies"].as_array().unwrap().clone();
    assert_eq!(cookies.len(), 1, "{cookies:?}");
    cookies[0].clone()
}

#[test]
fn a_token_opens_a_session_whose_cookie_no_script_can_read() {
    let Some(visit) = Visit::start() else { return };
    visit.sign_in(&visit.site.root);
    visit.read("@who", "admin");
    visit.read("@name", "bootstrap");
    let cookie = cookie(&visit);
    assert_eq!((cookie["httpOnly"].as_bool(), cookie["sameSite"].as_str()), (Some(true), Some("Strict")));
    assert_eq!(visit.eval("return document.cookie", &[]), "");
    let value = cookie["value"].as_str().unwrap();
    assert!(!value.contains(&visit.site.root) && !visit.site.root.contains(value));
}

#[test]
fn a_wrong_token_is_reported_at_its_field_and_can_be_corrected() {
    let Some(visit) = Visit::start() else { return };
    visit.open("sign-in");
    visit.click("@sign-in");
    visit.read("@token-error", "Paste a token");
    let (start, last) = visit.site.root.split_at(visit.site.root.len() - 1);
    let wrong = format!("{start}{}", if last == "x" { "y" } else { "x" });
    let narrow = visit.site.token(&visit.site.user("ann"), "narrow", &["projects:read"]).0;
    for (token, message) in [
        ("no token at all", "not a valid token"),
        (&wrong, "not a valid token"),
        (&narrow, "requires the scope tokens:read"),
    ] {
        visit.present(token);
        visit.read("@token-error", message);
        visit.focused("@token[aria-invalid=true]");
    }
    assert!(
        visit.holds("location.pathname === '/sign-in' && location.search === '' && location.hash === ''")
    );
    visit.present(&visit.site.root);
    visit.read("@name", "bootstrap");
}

#[test]
fn signing_out_ends_the_session_on_the_server() {
    let Some(visit) = Visit::start() else { return };
    visit.sign_in(&visit.site.root);
    let kept = cookie(&visit)["value"].as_str().unwrap().to_owned();
    assert_eq!(visit.site.with_cookie("GET", "api/v1/me", &kept).0, 200);
    visit.click("@account summary");
    visit.click("@sign-out");
    // The list of tokens, which is still shown, has elements of this name too.
    visit.see("@token[type=password]");
    assert_eq!(visit.site.with_cookie("GET", "api/v1/me", &kept).0, 401);
    assert_eq!(visit.site.with_cookie("GET", "session", &kept).1["session"], Value::Null);
    visit.open("");
    visit.see("@token");
    for _ in 0..2 {
        visit.browser.run(visit.browser.driver().back());
        visit.wait("location.pathname === '/sign-in'");
        visit.counts("main.tokens", 0);
    }
}

#[test]
fn a_page_from_the_browsers_cache_is_reloaded() {
    let Some(visit) = Visit::start() else { return };
    visit.sign_in(&visit.site.root);
    visit.see("@token @name");
    let kept = cookie(&visit)["value"].as_str().unwrap().to_owned();
    assert_eq!(visit.site.with_cookie("DELETE", "session", &kept).0, 204);
    visit.eval("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))", &[]);
    visit.wait("location.pathname === '/sign-in'");
}

#[test]
fn kept_input_is_restored_only_for_the_same_user() {
    let Some(visit) = Visit::start() else { return };
    let (other, _) = visit.site.token(&visit.site.user("ann"), "own", &["tokens:write"]);
    for (token, kept) in [(&visit.site.root, "typed"), (&other, "")] {
        visit.sign_in(&visit.site.root);
        visit.open("create");
        visit.fill("@field-name", "typed");
        visit.cdp("Network.clearBrowserCookies", json!({}));
        visit.fill("@add-resource", "projects:read");
        visit.click("@add-scope");
        visit.click("@create");
        visit.read("@session-ended", "Your input in the form is kept");
        visit.click("@answer-sign-in");
        visit.see("@token");
        visit.present(token);
        visit.see("@field-name");
        assert_eq!(visit.value("@field-name"), kept);
        visit.cdp("Network.clearBrowserCookies", json!({}));
    }
}

#[test]
fn a_signed_out_user_is_redirected_to_the_sign_in_page_and_back() {
    let Some(visit) = Visit::start() else { return };
    visit.open("create?name=a%2Fb%20(c)!%27%40%3B%26%23d&scopes=projects:read");
    visit.see("@token");
    visit.present(&visit.site.root);
    visit.see("@field-name");
    assert!(visit.holds("location.pathname === '/create'"));
    assert_eq!(visit.value("@field-name"), "a/b (c)!'@;&#d");
    visit.read("@sum", "read projects");
}

#[test]
fn the_redirect_after_sign_in_stays_on_this_site() {
    let Some(visit) = Visit::start() else { return };
    for next in [
        "https://example.org/",
        "//example.org",
        "/\\example.org",
        "javascript:alert(1)",
        "../x",
        "tokens/../../x",
        "create#@x",
        "nothing",
    ] {
        let next: String = next.bytes().map(|byte| format!("%{byte:02x}")).collect();
        visit.open(&format!("sign-in?next={next}"));
        visit.present(&visit.site.root);
        visit.wait("location.pathname === '/' && document.querySelector('main.tokens .head')");
        visit.cdp("Network.clearBrowserCookies", json!({}));
    }
}

#[test]
fn a_session_ended_elsewhere_is_reported_and_the_sign_in_returns_to_the_page() {
    let Some(visit) = Visit::start() else { return };
    visit.sign_in(&visit.site.root);
    visit.open("?status=active");
    visit.read("@name", "bootstrap");
    let kept = cookie(&visit)["value"].as_str().unwrap().to_owned();
    assert_eq!(visit.site.with_cookie("DELETE", "session", &kept).0, 204);
    visit.click("@tab-all");
    visit.read("@session-ended", "Your session has ended");
    assert!(!visit.text("@session-ended").contains("kept"), "nothing was typed here");
    visit.click("@answer-sign-in");
    visit.see("@token");
    visit.present(&visit.site.root);
    visit.wait("location.pathname === '/'");
    visit.read("@name", "bootstrap");
}
