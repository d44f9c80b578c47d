//! The page at the root, as in the binary, and under a path, as in the example `embed`.

use thirtyfour::Key;

use crate::{secret, site::Site, visit::Visit};

/// Signs in, creates a working token and signs out.
fn assert_round_trip(site: fn() -> Site) {
    let Some(visit) = Visit::of(site) else { return };
    visit.open("create?name=first");
    visit.present(&visit.site.root);
    visit.fill("@add-resource", "projects:read");
    visit.key(Key::Enter);
    visit.click("@create");
    visit.see("@secret-dialog");
    let secret = visit.value("@secret");
    assert_eq!(visit.site.get("api/v1/token", &secret)["name"], "first");
    visit.click("@secret-done");
    visit.click("@secret-done");
    visit.read("@token @name", "first");
    secret::is_nowhere(&visit, &secret);
    for page in ["users", "inventory", "audit", "policy", "tokens"] {
        visit.click(&format!("@nav-{page}"));
        visit.see(&format!("@nav-{page}[aria-current=page]"));
    }
    visit.read("@token @name", "first");
    visit.click("@account summary");
    visit.click("@sign-out");
    visit.see("@token[type=password]");
    assert!(visit.eval("return location.href", &[]).as_str().unwrap().starts_with(&visit.site.url("")));
    assert_eq!(visit.violations(), Vec::<String>::new());
}

#[test]
fn the_page_works_at_the_root() {
    assert_round_trip(Site::start);
}

#[test]
fn the_page_works_under_the_path_of_the_example() {
    assert_round_trip(Site::embedded);
}

#[test]
fn a_path_without_its_slash_redirects_to_the_page() {
    let Some(visit) = Visit::of(Site::embedded) else { return };
    let address = visit.site.url("");
    visit.browser.run(visit.browser.driver().goto(address.trim_end_matches('/')));
    visit.see("@token[type=password]");
    assert!(visit.holds("location.pathname === '/tokens-app/sign-in'"));
}
