//! The first load of a page.

use serde_json::json;

use crate::{screens::populate, visit::Visit};

/// The maximum number of requests of the first load, including the page and its icon.
const MAX_REQUESTS: usize = 12;

#[test]
fn every_page_loads_with_at_most_12_requests_to_its_own_origin() {
    let Some(visit) = Visit::start() else { return };
    let id = populate(&visit, "nightly build");
    for (page, complete) in [
        ("", "@token"),
        ("create", "@create-form"),
        (&*format!("token?id={id}"), "@chart"),
        ("users", "@user"),
        ("inventory", "@list @token"),
        ("audit", "@event"),
        ("policy", "@policy-roles"),
        ("sign-in", "@token"),
    ] {
        if page == "sign-in" {
            visit.cdp("Network.clearBrowserCookies", json!({}));
        }
        visit.open("openapi.json");
        visit.cdp("Network.clearBrowserCache", json!({}));
        visit.site.take_requests();
        visit.open(page);
        visit.see(complete);
        visit.settle();
        let requests = visit.site.take_requests();
        assert!(requests.len() <= MAX_REQUESTS, "{page}: {requests:#?}");
        assert!(requests.len() > 3, "{page}: {requests:#?}");
        let elsewhere = "performance.getEntries().filter(e => e.name.includes('://') && !e.name.startsWith(location.origin + '/'))";
        assert_eq!(visit.eval(&format!("return {elsewhere}.map(e => e.name)"), &[]), json!([]), "{page}");
    }
}

#[test]
fn a_second_load_uses_cached_files() {
    let Some(visit) = Visit::start() else { return };
    visit.sign_in(&visit.site.root);
    visit.open("");
    visit.see("@token");
    visit.settle();
    visit.site.take_requests();
    visit.open("");
    visit.see("@token");
    visit.settle();
    let files: Vec<_> =
        visit.site.take_requests().into_iter().filter(|request| request.contains("/assets/")).collect();
    assert_eq!(files, Vec::<String>::new());
}
