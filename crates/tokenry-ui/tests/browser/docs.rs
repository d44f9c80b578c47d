//! The page of the OpenAPI document.

use serde_json::{Value, json};

use crate::{barriers, site::Site, visit::Visit};

fn assert_shows_the_document(site: fn() -> Site) {
    let Some(visit) = Visit::of(site) else { return };
    visit.open("docs");
    visit.read("h1", "Tokenry API");
    visit.settle();
    let document: Value = visit.site.get("openapi.json", "");
    let paths = document["paths"].as_object().unwrap();
    let operations: usize = paths.values().map(|item| item.as_object().unwrap().len()).sum();
    assert!(operations > 30, "{operations}");
    assert_eq!(visit.count("[id^=operation-]"), operations);

    // Folded operations open with a click, without a script.
    visit.see_no("#operation-create_token");
    visit.eval("document.querySelector('#operation-create_token').closest('details').id = 'opened'", &[]);
    visit.click("#opened summary");
    visit.read("#operation-create_token", "create_token");
    visit.read("#opened", "409");
    // A link leads to a folded schema and unfolds it.
    visit.click("#opened a[href='#schema-CreateToken']");
    visit.read("#schema-CreateToken", "CreateToken");
    assert_eq!(visit.count("script"), 0);

    let elsewhere = "performance.getEntries().filter(e => e.name.includes('://') && !e.name.startsWith(location.origin + '/'))";
    assert_eq!(visit.eval(&format!("return {elsewhere}.map(e => e.name)"), &[]), json!([]));
    assert_eq!(visit.violations(), Vec::<String>::new());
}

#[test]
fn the_document_is_shown_at_the_root_without_scripts_and_other_hosts() {
    assert_shows_the_document(Site::start);
}

#[test]
fn the_document_is_shown_under_a_path_without_scripts_and_other_hosts() {
    assert_shows_the_document(Site::embedded);
}

#[test]
fn the_document_has_no_barriers() {
    let Some(visit) = Visit::start() else { return };
    visit.open("docs");
    visit.eval("document.querySelectorAll('details').forEach(details => { details.open = true })", &[]);
    barriers::assert_none(&visit, "docs");
}
