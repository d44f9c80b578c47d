//! The list of the user's own tokens.

use std::{collections::BTreeSet, time::Duration};

use thirtyfour::Key;
use tokenry_actix::tokenry::{Expiry, Lifetime, NewToken};

use crate::{secret, visit::Visit};

/// The displayed names in order.
fn names(visit: &Visit) -> Vec<String> {
    visit.texts("@token @name")
}

#[test]
fn an_empty_list_explains_what_a_token_is_for() {
    let Some(visit) = Visit::start() else { return };
    visit.sign_in(&visit.site.root);
    visit.fill("@search", "nothing like it");
    visit.read("@empty", "Nothing found");
    visit.fill("@search", " ");
    visit.click("@tab-expired");
    visit.read("@empty", "Nothing");
}

#[test]
fn load_more_shows_each_token_once() {
    let Some(visit) = Visit::start() else { return };
    let admin = visit.site.admin();
    for number in 1..60 {
        visit.site.token(&admin, &format!("token {number:02}"), &["projects:read"]);
    }
    visit.sign_in(&visit.site.root);
    visit.read("@total", "60 tokens");
    visit.counts("@token", 25);
    visit.click("@more");
    visit.counts("@token", 50);
    visit.focused("@token:nth-child(26) a");
    visit.click("@more");
    visit.counts("@token", 60);
    visit.see_no("@more");
    let names = names(&visit);
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), 60);
    assert_eq!((names[0].as_str(), names[59].as_str()), ("token 59", "bootstrap"));
}

#[test]
fn tokens_are_filtered_by_status_name_and_visible_characters_and_sorted() {
    let Some(visit) = Visit::start() else { return };
    let (site, admin) = (&visit.site, visit.site.admin());
    let (secret, _) = site.token(&admin, "deploy", &["projects:read"]);
    let (_, paused) = site.token(&admin, "paused", &["projects:read"]);
    let (_, gone) = site.token(&admin, "gone", &["projects:read"]);
    assert_eq!(
        site.api("PATCH", &format!("api/v1/tokens/{paused}"), &site.root, r#"{"status":"inactive"}"#).0,
        200
    );
    assert_eq!(
        site.api("DELETE", &format!("api/v1/tokens/{gone}?reason=lost%20laptop"), &site.root, "").0,
        204
    );
    visit.sign_in(&site.root);
    for (tab, expected) in [
        ("active", vec!["deploy", "bootstrap"]),
        ("inactive", vec!["paused"]),
        ("revoked", vec!["gone"]),
        ("all", vec!["gone", "paused", "deploy", "bootstrap"]),
    ] {
        visit.click(&format!("@tab-{tab}"));
        visit.until(tab, || (names(&visit) == expected).then_some(()));
        visit.see(&format!("@tab-{tab}[aria-pressed=true]"));
    }
    visit.read("@token @revocation", "lost laptop");
    visit.choose("@sort", "name");
    visit.until("by name", || (names(&visit) == ["bootstrap", "deploy", "gone", "paused"]).then_some(()));
    let shown = visit.texts("@token code.shown");
    for search in [shown[1].as_str(), "DEPL", &secret[..16], &secret] {
        visit.fill("@search", search);
        visit.until(search, || (names(&visit) == ["deploy"]).then_some(()));
    }
    // A pasted secret never leaves this page.
    let asked = visit.eval("return performance.getEntriesByType('resource').map(e => e.name).join(' ')", &[]);
    assert!(!asked.as_str().unwrap().contains(&secret[20..40]), "{asked}");
    visit.until("the secret gone from its field", || {
        (!visit.value("@search").contains(&secret[20..40])).then_some(())
    });
}

#[test]
fn the_reason_of_a_leaked_token_is_in_the_language_of_the_page() {
    let Some(visit) = Visit::start() else { return };
    let (site, admin) = (&visit.site, visit.site.admin());
    let (secret, _) = site.token(&admin, "ci", &["projects:read"]);
    assert_eq!(site.api("POST", "api/v1/leaks", "", &format!(r#"[{{"token":"{secret}"}}]"#)).0, 202);
    visit.sign_in(&site.root);
    visit.click("@tab-revoked");
    visit.read("@token @revocation", "leaked: it was found where others can read it");
    visit.click("@account summary");
    visit.choose("@language", "zh");
    visit.wait("document.documentElement.lang === 'zh-Hans'");
    visit.click("@tab-revoked");
    visit.read("@token @revocation", "已泄露");
}

#[test]
fn a_switch_changes_immediately_and_reverts_with_the_servers_message() {
    let Some(visit) = Visit::start() else { return };
    let (site, admin) = (&visit.site, visit.site.admin());
    let (_, id) = site.token(&admin, "ci", &["projects:read"]);
    visit.sign_in(&site.root);
    let row = format!("@token[data-id=\"{id}\"]");
    visit.read(&format!("{row} @status"), "Active");
    visit.click(&format!("{row} .hit"));
    visit.read("@toast", "ci is inactive");
    visit.read(&format!("{row} @status"), "Inactive");
    assert_eq!(site.get(&format!("api/v1/tokens/{id}"), &site.root)["status"], "inactive");

    // Revoked elsewhere in the meantime: the server rejects it, slowly enough to see the intermediate state.
    assert_eq!(site.api("DELETE", &format!("api/v1/tokens/{id}"), &site.root, "").0, 204);
    site.delay(Duration::from_secs(2));
    visit.click(&format!("{row} .hit"));
    visit.wait("document.querySelector('input[aria-busy=true]')");
    visit.read(&format!("{row} @status"), "Active");
    site.delay(Duration::ZERO);
    visit.see("#alerts @toast.bad");
    visit.read(&format!("{row} @status"), "Inactive");
    let words = site.api("PATCH", &format!("api/v1/tokens/{id}"), &site.root, r#"{"status":"active"}"#).1;
    let words = words["detail"].as_str().unwrap().trim_end_matches('.').to_owned();
    visit.until(&words, || {
        visit.text("#alerts @toast").to_lowercase().contains(&words.to_lowercase()).then_some(())
    });
    assert!(visit.holds("!document.querySelector('[data-test=switch]').checked"));
}

#[test]
fn a_switch_is_disabled_until_its_request_completes() {
    let Some(visit) = Visit::start() else { return };
    let (site, admin) = (&visit.site, visit.site.admin());
    let (_, id) = site.token(&admin, "ci", &["projects:read"]);
    visit.sign_in(&site.root);
    let row = format!("@token[data-id=\"{id}\"]");
    visit.read(&format!("{row} @status"), "Active");
    site.delay(Duration::from_secs(1));
    visit.click(&format!("{row} .hit"));
    visit.see(&format!("{row} @switch[aria-busy]"));
    site.delay(Duration::ZERO);
    visit.click(&format!("{row} .hit"));
    visit.see(&format!("{row} @switch:not([aria-busy])"));
    visit.see(&format!("{row} @switch:not(:checked)"));
    visit.read(&format!("{row} @status"), "Inactive");
    assert_eq!(site.get(&format!("api/v1/tokens/{id}"), &site.root)["status"], "inactive");
    visit.click(&format!("{row} .hit"));
    visit.read("@toast", "ci is active");
    visit.see(&format!("{row} @switch:checked"));
    // Changed, but without an answer: the state of the server is shown.
    site.drop_response("PATCH");
    visit.click(&format!("{row} .hit"));
    visit.see("#alerts @toast.bad");
    visit.see(&format!("{row} @switch:not(:checked)"));
    visit.read(&format!("{row} @status"), "Inactive");
}

#[test]
fn a_secret_pasted_into_a_search_or_filter_is_reduced_to_its_visible_part() {
    let Some(visit) = Visit::start() else { return };
    let (secret, _) = visit.site.token(&visit.site.admin(), "ci", &["projects:read"]);
    let part = &secret[20..40];
    visit.sign_in(&visit.site.root);
    visit.fill("@search", &format!("Authorization: Bearer {secret}"));
    visit.until("found", || (names(&visit) == ["ci"]).then_some(()));
    assert!(!visit.value("@search").contains(part));
    visit.open("inventory");
    visit.fill("@filter-user_id", &format!("Bearer {secret}"));
    visit.key(Key::Tab);
    visit.wait("location.search.includes('user_id=')");
    visit.settle();
    secret::is_nowhere(&visit, &secret);
    assert!(!visit.site.take_requests().concat().contains(part));
    visit.open(&format!("inventory?scope={}:read", "a".repeat(50)));
    visit.see("@filter-scope");
    assert_eq!(visit.value("@filter-scope").len(), 55);
}

#[test]
fn a_token_shows_its_expiry_and_its_last_use() {
    let Some(visit) = Visit::start() else { return };
    let (site, admin) = (&visit.site, visit.site.admin());
    let now = tokenry_actix::clock::now();
    let soon = now.checked_add(Lifetime::seconds(4 * 86_400 + 60)).unwrap();
    let (secret, id) = site.issue(
        &admin,
        NewToken::new("soon over")
            .with_scopes(vec!["projects:read".to_owned(), "builds:write".to_owned()])
            .with_expiry(Expiry::At(soon)),
    );
    visit.sign_in(&site.root);
    let row = format!("@token[data-id=\"{id}\"]");
    visit.read(&format!("{row} @expiry.amber"), "in 4 days");
    assert!(
        visit.holds("document.querySelector('[data-test=expiry].amber').title.includes(':')"),
        "the exact time"
    );
    assert_eq!(visit.texts(&format!("{row} .chip")), ["builds:write", "projects:read"]);
    visit.read(&format!("{row} @last-used"), "Never");
    site.use_once(&secret);
    visit.open("");
    visit.read(&format!("{row} @last-used"), "192.0.2.7");
}
