//! Loss and return of the connection to the server.

use serde_json::json;

use crate::visit::Visit;

#[test]
fn a_lost_connection_is_shown_and_the_form_keeps_its_input() {
    let Some(mut visit) = Visit::start() else { return };
    visit.sign_in(&visit.site.root);
    visit.open("create?scopes=projects:read");
    visit.fill("@field-name", "typed before");
    visit.site.stop();
    visit.click("@create");
    visit.see("@offline");
    visit.see("@summary");
    assert_eq!(visit.value("@field-name"), "typed before");
    visit.fill("@field-name", "typed while it was gone");
    visit.site.restart();
    visit.see_no("@offline");
    assert_eq!(visit.value("@field-name"), "typed while it was gone");
    visit.click("@create");
    visit.see("@secret-dialog");
    let secret = visit.value("@secret");
    assert_eq!(visit.site.get("api/v1/token", &secret)["name"], "typed while it was gone");
    // A request without an answer was not repeated automatically.
    let made = visit.site.get("api/v1/tokens?search=typed", &visit.site.root);
    assert_eq!(made["total"], 1, "{made}");
}

#[test]
fn an_unavailable_server_is_shown_with_a_retry_button() {
    let Some(visit) = Visit::start() else { return };
    visit.site.fail("GET /session");
    visit.open("sign-in");
    visit.see("@sign-in-form");
    visit.read("@failed", "temporarily unavailable");
    visit.site.recover();
    visit.click("@retry");
    visit.see_no("@failed");
    visit.sign_in(&visit.site.root);
    visit.site.fail("GET /session");
    visit.open("?status=active");
    visit.read("@failed", "temporarily unavailable");
    visit.site.recover();
    visit.click("@retry");
    visit.read("@name", "bootstrap");
    visit.cdp("Network.clearBrowserCache", json!({}));
    visit.site.fail("i18n/en.json");
    visit.open("");
    visit.read("body", "could not be loaded");
    visit.site.recover();
    visit.click("button");
    visit.read("@name", "bootstrap");
}

#[test]
fn an_ended_session_is_shown_even_if_its_dialog_cannot_be_loaded() {
    let Some(visit) = Visit::start() else { return };
    visit.sign_in(&visit.site.root);
    visit.see("@token @name");
    visit.cdp("Network.clearBrowserCookies", json!({}));
    visit.site.fail("/dialog.js");
    visit.click("@tab-active");
    visit.see("@ended-sign-in");
    visit.site.recover();
    visit.see_no("@offline");
    visit.click("@tab-all");
    visit.see("@session-ended");
}

#[test]
fn a_list_loads_automatically_when_the_connection_returns() {
    let Some(mut visit) = Visit::start() else { return };
    visit.sign_in(&visit.site.root);
    visit.see("@token");
    visit.site.stop();
    visit.click("@tab-active");
    visit.see("@offline");
    visit.site.restart();
    visit.see_no("@offline");
    visit.read("@name", "bootstrap");
}
