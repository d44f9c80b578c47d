//! The server goes away and comes back.

use crate::visit::Visit;

#[test]
fn a_lost_connection_is_told_and_the_form_is_kept_until_it_is_back() {
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
    visit.site.start_again();
    visit.see_no("@offline");
    assert_eq!(visit.value("@field-name"), "typed while it was gone");
    visit.click("@create");
    visit.see("@secret-dialog");
    let secret = visit.value("@secret");
    assert_eq!(visit.site.get("api/v1/token", &secret)["name"], "typed while it was gone");
    // What got no answer was not sent again by itself.
    let made = visit.site.get("api/v1/tokens?search=typed", &visit.site.root);
    assert_eq!(made["total"], 1, "{made}");
}

#[test]
fn a_list_that_waits_for_the_connection_comes_by_itself() {
    let Some(mut visit) = Visit::start() else { return };
    visit.sign_in(&visit.site.root);
    visit.see("@token");
    visit.site.stop();
    visit.click("@tab-active");
    visit.see("@offline");
    visit.site.start_again();
    visit.see_no("@offline");
    visit.read("@name", "bootstrap");
}
