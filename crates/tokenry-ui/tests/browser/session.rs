//! Signing in and out, and what happens when a session ends in between.

use serde_json::{Value, json};

use crate::visit::Visit;

/// The cookie of the session, as the browser keeps it.
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
fn a_wrong_token_is_told_at_its_field_and_can_be_typed_anew() {
    let Some(visit) = Visit::start() else { return };
    visit.open("sign-in");
    visit.click("@sign-in");
    visit.read("@token-error", "Paste a token");
    let (most, last) = visit.site.root.split_at(visit.site.root.len() - 1);
    let wrong = format!("{most}{}", if last == "x" { "y" } else { "x" });
    let narrow = visit.site.token(&visit.site.user("ann"), "narrow", &["projects:read"]).0;
    for (token, told) in [
        ("no token at all", "not a valid token"),
        (&wrong, "not a valid token"),
        (&narrow, "needs the scope tokens:read"),
    ] {
        visit.present(token);
        visit.read("@token-error", told);
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
    visit.see("@token");
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
fn a_page_from_the_memory_of_the_browser_is_loaded_anew() {
    let Some(visit) = Visit::start() else { return };
    visit.sign_in(&visit.site.root);
    visit.see("@token @name");
    let kept = cookie(&visit)["value"].as_str().unwrap().to_owned();
    assert_eq!(visit.site.with_cookie("DELETE", "session", &kept).0, 204);
    visit.eval("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))", &[]);
    visit.wait("location.pathname === '/sign-in'");
}

#[test]
fn what_was_typed_is_kept_for_whoever_typed_it_alone() {
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
        visit.read("@session-ended", "What you typed in the form is kept");
        visit.click("@answer-sign-in");
        visit.see("@token");
        visit.present(token);
        visit.see("@field-name");
        assert_eq!(visit.value("@field-name"), kept);
        visit.cdp("Network.clearBrowserCookies", json!({}));
    }
}

#[test]
fn whoever_is_not_signed_in_is_led_to_the_sign_in_and_back_to_the_same_page() {
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
fn the_way_back_leads_to_no_other_place() {
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
fn a_session_that_was_ended_elsewhere_is_told_and_leads_back_after_the_sign_in() {
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
