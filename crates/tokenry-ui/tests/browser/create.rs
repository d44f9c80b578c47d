//! Creation of a token: the form, its restrictions, and the secret that is shown once.

use std::time::Duration;

use serde_json::{Value, json};
use thirtyfour::Key;
use tokenry_actix::tokenry::{
    Catalog, Expiry, Lifetime, Limits, NewToken,
    catalog::{Definition, ResourceDefinition},
};

use crate::{secret, site::Site, visit::Visit};

#[test]
fn a_secret_is_shown_once_copied_used_and_then_nowhere() {
    let Some(visit) = Visit::start() else { return };
    visit.allow_clipboard();
    visit.sign_in(&visit.site.root);
    visit.click("@new-token");
    visit.fill("@field-name", "deploy");
    visit.fill("@add-resource", "projects:read");
    visit.key(Key::Enter);
    visit.read("@sum", "projects");
    visit.click("@create");
    visit.see("@secret-dialog");
    visit.see("@secret[type=password][readonly]");
    visit.click("@secret-copy");
    visit.see("@secret-copy[data-copied=true]");
    let secret = visit.clipboard();
    assert_eq!(visit.value("@secret"), secret);
    let me = visit.site.get("api/v1/token", &secret);
    assert_eq!((me["name"].as_str(), me["scopes"][0].as_str()), (Some("deploy"), Some("projects:read")));
    visit.click("@secret-done");
    visit.read("@token.fresh @name", "deploy");
    secret::is_nowhere(&visit, &secret);
    visit.browser.run(visit.browser.driver().back());
    visit.see("@field-name");
    secret::is_nowhere(&visit, &secret);
}

#[test]
fn leaving_an_unsaved_secret_needs_one_confirmation_and_escape_does_not_close_it() {
    let Some(visit) = Visit::start() else { return };
    visit.sign_in(&visit.site.root);
    visit.open("create?name=a&scopes=projects:read");
    visit.click("@create");
    visit.see("@secret-dialog");
    assert!(visit.is_guarded());
    let secret = visit.value("@secret");
    for _ in 0..4 {
        visit.key(Key::Escape);
    }
    visit.see("@secret-dialog[open]");
    visit.see("@secret-unsaved");
    visit.click("@secret-done");
    visit.read("@token @name", "a");
    assert!(!visit.is_guarded());
    secret::is_nowhere(&visit, &secret);
}

#[test]
fn leaving_needs_confirmation_from_the_request_on_and_a_partial_copy_does_not_count() {
    let Some(visit) = Visit::start() else { return };
    visit.sign_in(&visit.site.root);
    visit.open("create?scopes=projects:read");
    visit.fill("@field-name", "a");
    assert!(!visit.is_guarded());
    visit.site.delay(Duration::from_secs(2));
    visit.click("@create");
    visit.until("a guard before there is a dialog", || visit.is_guarded().then_some(()));
    assert_eq!(visit.count("dialog"), 0);
    visit.site.delay(Duration::ZERO);
    visit.click("@secret-show");
    let copy = |length: usize| {
        let select = "const e = document.querySelector('[data-test=secret]'); e.focus(); e.setSelectionRange(0, arguments[0])";
        visit.eval(select, &[json!(length)]);
        visit.control("c");
    };
    copy(4);
    visit.click("@secret-done");
    visit.see("@secret-unsaved");
    assert!(visit.is_guarded());
    copy(visit.value("@secret").len());
    visit.see_no("@secret-unsaved");
    assert!(!visit.is_guarded());
    // A removed address stays removed.
    visit.fill("@snippet-url", "x");
    visit.key(Key::Backspace);
    assert_eq!(visit.value("@snippet-url"), "");
}

#[test]
fn a_module_that_fails_to_load_is_reported_and_can_be_retried() {
    let Some(visit) = Visit::start() else { return };
    visit.sign_in(&visit.site.root);
    visit.open("create?name=a&scopes=projects:read");
    visit.see("@create-form");
    visit.site.fail("/secret.js");
    visit.click("@create");
    visit.read("@summary", "Loading failed");
    visit.site.recover();
    visit.see_no("@offline");
    visit.click("@create");
    visit.see("@secret-dialog");
    assert_eq!(visit.site.get("api/v1/tokens", &visit.site.root)["total"], 2);
}

#[test]
fn a_dialog_whose_module_failed_to_load_opens_after_the_connection_returns() {
    let Some(visit) = Visit::start() else { return };
    let new = NewToken::new("a").with_scopes(vec!["projects:read".to_owned()]);
    let (_, id) = visit.site.issue(&visit.site.admin(), new);
    visit.sign_in(&visit.site.root);
    for (button, modules) in [
        ("@edit", ["/edit.js", "/dialog.js", "/form.js"].as_slice()),
        ("@rotate", &["/rotate.js", "/dialog.js", "/secret.js"]),
        ("@revoke", &["/revoke.js", "/dialog.js"]),
    ] {
        for module in modules {
            visit.open(&format!("token?id={id}"));
            visit.see(button);
            visit.cdp("Network.clearBrowserCache", json!({}));
            visit.site.fail(module);
            visit.click(button);
            visit.read("@toast", "Loading failed");
            visit.site.recover();
            visit.see_no("@offline");
            visit.click(button);
            visit.see("dialog[open]");
        }
    }
}

#[test]
fn the_days_of_a_link_or_a_duplicate_are_among_the_choices() {
    let Some(visit) = Visit::start() else { return };
    let issue = |days| {
        visit.site.issue(
            &visit.site.admin(),
            NewToken::new("lasting")
                .with_scopes(vec!["*".to_owned()])
                .with_expiry(Expiry::In(Lifetime::days(days))),
        )
    };
    let (_, source) = issue(45);
    visit.sign_in(&issue(300).0);
    visit.open("create?name=a&scopes=projects:read&expires_in_days=14");
    visit.see("label:has(@expiry-14:checked)");
    visit.open(&format!("create?from={source}"));
    visit.see("label:has(@expiry-45:checked)");
}

#[test]
fn an_unsaved_secret_is_hidden_until_shown() {
    let Some(visit) = Visit::start() else { return };
    visit.sign_in(&visit.site.root);
    visit.open("create?name=a&scopes=projects:read");
    visit.click("@create");
    visit.see("@secret[type=password]");
    let secret = visit.value("@secret");
    let is_seen =
        || visit.eval("return document.body.innerText", &[]).as_str().unwrap().contains(&secret[20..40]);
    visit.click("@snippet-env");
    assert!(!is_seen());
    visit.click("@secret-show");
    visit.see("@secret[type=text]");
    visit.read("@snippet", &secret);
    visit.click("@secret-show");
    visit.see("@secret[type=password]");
    assert!(!is_seen());
}

#[test]
fn each_snippet_is_valid_for_its_client() {
    let Some(visit) = Visit::start() else { return };
    visit.allow_clipboard();
    visit.sign_in(&visit.site.root);
    visit.open("create?name=Build%20bot&scopes=projects:read");
    visit.click("@create");
    visit.see("@secret-dialog");
    let secret = visit.value("@secret");
    let copied = |kind: &str| {
        visit.click(&format!("@snippet-{kind}"));
        visit.see_no("@snippet-copy[data-copied]");
        visit.click("@snippet-copy");
        visit.see("@snippet-copy[data-copied=true]");
        visit.clipboard()
    };
    assert!(copied("curl").contains("Authorization: Bearer $TOKENRY_TOKEN"));
    assert_eq!(copied("env"), format!("export TOKENRY_TOKEN='{secret}'"));
    let mcp: Value = serde_json::from_str(&copied("mcp")).unwrap();
    let server = &mcp["mcpServers"]["build-bot"];
    assert_eq!(
        (server["type"].as_str(), &server["headers"]["Authorization"]),
        (Some("http"), &json!("Bearer ${TOKENRY_TOKEN}"))
    );
    let code: Value = serde_json::from_str(&copied("vscode")).unwrap();
    assert_eq!(code["inputs"][0]["password"], true);
    let input = code["inputs"][0]["id"].as_str().unwrap();
    assert_eq!(
        code["servers"]["build-bot"]["headers"]["Authorization"],
        format!("Bearer ${{input:{input}}}")
    );
    let codex = copied("codex");
    assert!(codex.contains("[mcp_servers.build-bot]") && codex.contains("http_headers"), "{codex}");
    visit.fill("@snippet-url", "https://api.example.org/mcp");
    assert!(copied("mcp").contains("https://api.example.org/mcp"));
}

#[test]
fn without_clipboard_access_the_visible_field_is_copied() {
    let Some(visit) = Visit::start() else { return };
    let none = "Object.defineProperty(navigator, 'clipboard', { value: undefined })";
    visit.cdp("Page.addScriptToEvaluateOnNewDocument", json!({ "source": none }));
    visit.sign_in(&visit.site.root);
    visit.open("create?name=a&scopes=projects:read");
    visit.click("@create");
    visit.click("@secret-copy");
    visit.see("@secret-copy[data-copied=true]");
    let secret = visit.value("@secret");
    visit.click("@snippet-url");
    visit.control("a");
    visit.control("v");
    assert_eq!(visit.value("@snippet-url"), secret);
}

#[test]
fn a_validation_error_is_shown_at_its_field() {
    let Some(visit) = Visit::start() else { return };
    visit.sign_in(&visit.site.root);
    visit.open("create");
    visit.click("@create");
    visit.read("@error-name", "name");
    visit.focused("@field-name[aria-invalid=true]");
    visit.see("@error-scopes:not(:empty)");
    visit.fill("@field-name", &"n".repeat(101));
    visit.fill("@add-resource", "projects:read");
    visit.key(Key::Enter);
    visit.click("@more-options summary");
    visit.fill("@field-allowed_ips", "10.0.0.0/8 300.1.1.1");
    visit.fill("@field-description", "kept");
    visit.click("@create");
    visit.read("@error-name", "100");
    visit.read("@error-allowed_ips", "300.1.1.1");
    visit.focused("@field-name[aria-invalid=true]");
    assert_eq!(visit.value("@field-description"), "kept");
    visit.fill("@field-name", "right");
    visit.fill("@field-allowed_ips", "127.0.0.1");
    visit.click("@create");
    visit.see("@secret-dialog");
}

#[test]
fn an_error_without_a_field_is_shown_above_the_form() {
    let limits = Limits::default().with_max_live_tokens(Some(1)).with_creations_per_hour(None);
    let Some(visit) = Visit::of(|| Site::with("", |settings| settings.policy.limits = limits)) else {
        return;
    };
    visit.sign_in(&visit.site.root);
    visit.open("create?name=one%20more&scopes=projects:read");
    visit.click("@create");
    visit.read("@summary", "tokens");
    visit.focused("@summary");
    assert_eq!(visit.value("@field-name"), "one more");
}

/// A catalog of two resources.
fn catalog() -> Catalog {
    let resource = |name: &str| ResourceDefinition::new(name.to_owned());
    let resources = vec![resource("projects"), resource("builds")];
    Catalog::define(&Definition::default().with_resources(resources)).unwrap()
}

#[test]
fn access_that_the_user_cannot_grant_is_disabled_with_the_reason() {
    let Some(visit) = Visit::of(|| Site::with("", |settings| settings.catalog = catalog())) else { return };
    let ann = visit.site.user("ann");
    let (own, _) = visit.site.token(&ann, "own", &["tokens:write", "projects:read"]);
    visit.sign_in(&own);
    visit.open("create?name=a&scopes=projects:write,projects:read");
    visit.see("@resource-projects");
    for (scope, is_disabled) in
        [("projects:read", false), ("projects:write", true), ("builds:read", true), ("builds:write", true)]
    {
        let disabled =
            format!("document.querySelector('[data-test=\"access-{scope}\"]').disabled === {is_disabled}");
        assert!(visit.holds(&disabled), "{scope}");
    }
    visit.see("@resource-builds .why");
    visit.read("@rejected", "projects:write");
    assert!(visit.count("a[data-test=nav-users]") == 0, "no administration for others");
}

#[test]
fn a_duplicate_and_a_link_fill_the_form() {
    let Some(visit) = Visit::start() else { return };
    let (site, admin) = (&visit.site, visit.site.admin());
    let (_, id) = site.issue(
        &admin,
        NewToken::new("nightly")
            .with_description("builds at night".to_owned())
            .with_scopes(vec!["projects:read".to_owned(), "builds:write".to_owned()])
            .with_allowed_ips(vec!["10.0.0.0/8".to_owned()]),
    );
    visit.sign_in(&site.root);
    visit.open(&format!("create?from={id}"));
    visit.see("@field-name");
    assert!(visit.value("@field-name").contains("nightly"));
    assert_eq!(visit.value("@field-description"), "builds at night");
    assert_eq!(visit.value("@field-allowed_ips"), "10.0.0.0/8");
    visit.read("@sum", "builds");
    visit.open("create?name=ci&scopes=a:read,b:write");
    visit.see("@field-name");
    assert_eq!(visit.value("@field-name"), "ci");
    visit.click("@create");
    visit.see("@secret-dialog");
    let created = visit.site.get("api/v1/token", &visit.value("@secret"));
    assert_eq!(created["scopes"], json!(["a:read", "b:write"]));
}

#[test]
fn no_expiry_beyond_that_of_the_sessions_token_can_be_chosen() {
    let Some(visit) = Visit::start() else { return };
    visit.sign_in(&visit.site.root);
    visit.open("create?name=a&scopes=projects:read");
    visit.see("@expiry-why");
    for days in [7, 30, 60, 90, 365] {
        assert!(
            visit.holds(&format!("document.querySelector('[data-test=expiry-{days}]').disabled")),
            "{days}"
        );
    }
    assert!(visit.holds("document.querySelector('[data-test=expiry-own]').checked"));
    visit.click("@create");
    visit.see("@secret-dialog");
    let end = |token: &str| visit.site.get("api/v1/token", token)["expires_at"].clone();
    let (made, own) = (end(&visit.value("@secret")), end(&visit.site.root));
    assert!(made.as_str() <= own.as_str() && made.is_string(), "{made} {own}");
}
