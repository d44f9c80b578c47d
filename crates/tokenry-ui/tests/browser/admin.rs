//! The pages of administrators.

use serde_json::{Value, json};
use thirtyfour::Key;
use tokenry_actix::{HttpSettings, tokenry::Lifetime};
use tokenry_testkit::TestDatabase;

use crate::{site::Site, visit::Visit};

#[test]
fn only_administrators_see_links_to_administration() {
    let Some(visit) = Visit::start() else { return };
    let (own, _) = visit.site.token(&visit.site.user("ann"), "own", &["tokens:write"]);
    visit.sign_in(&own);
    visit.read("@who", "ann");
    visit.see("@account");
    for page in ["users", "inventory", "audit"] {
        assert_eq!(visit.count(&format!("@nav-{page}")), 0);
        visit.open(page);
        visit.see("@toast.bad");
        assert_eq!(visit.count("@user, @list @token, @event"), 0);
    }
    visit.open("policy");
    visit.see("@policy-lifetime");
    assert_eq!(visit.count("@nodes"), 0);
}

#[test]
fn administrators_see_the_nodes_and_how_current_each_is() {
    let Some(database) = TestDatabase::postgres() else { return };
    let site = || Site::on(database, "", HttpSettings::default(), |_| {});
    let Some(visit) = Visit::of(site) else { return };
    visit.sign_in(&visit.site.root);
    visit.open("policy");
    visit.read("@node", "Current");
    visit.read("@node", &std::process::id().to_string());
    assert_eq!(visit.count("@node"), 1);
    visit.site.execute(
        "INSERT INTO nodes (id, acked_seq, lease_ms, version, address, renewed_at) \
         VALUES (gen_random_uuid(), 0, 500, '0', 'gone', clock_timestamp() - interval '1 minute')",
    );
    visit.open("policy");
    visit.read("@nodes", "Silent");
    assert_eq!(visit.count("@node"), 2);
}

#[test]
fn without_nodes_the_page_says_why() {
    let Some(visit) = Visit::start() else { return };
    visit.sign_in(&visit.site.root);
    visit.open("policy");
    visit.read("@nodes", "SQLite");
    assert_eq!(visit.count("@node"), 0);
}

#[test]
fn users_are_created_updated_disabled_and_deleted() {
    let Some(visit) = Visit::start() else { return };
    let site = &visit.site;
    visit.sign_in(&site.root);
    visit.click("@nav-users");
    visit.click("@new-user");
    visit.fill("@user-subject", "bob@example.org");
    visit.fill("@user-name", "Bob");
    visit.choose("@user-role", "user");
    visit.click("@answer-go");
    visit.read("@user", "bob@example.org");
    let bob = site.tokenry.find_user_by_subject(&site.operator(), "bob@example.org").unwrap();
    let (secret, _) = site.token(&bob, "his", &["projects:read"]);
    let row = format!("@user[data-id=\"{}\"]", bob.id);

    visit.click(&format!("{row} @user-edit"));
    visit.choose("@user-role", "admin");
    visit.click("@answer-go");
    visit.read(&row, "admin");

    visit.click(&format!("{row} @user-disable"));
    visit.focused("@answer-cancel");
    visit.click("@answer-go");
    visit.see(&format!("{row} @user-enable"));
    assert_eq!(site.api("GET", "api/v1/token", &secret, "").0, 401);
    visit.click(&format!("{row} @user-enable"));
    visit.click("@answer-go");
    visit.see(&format!("{row} @user-disable"));
    assert_eq!(site.api("GET", "api/v1/token", &secret, "").0, 200);

    visit.click(&format!("{row} @user-delete"));
    visit.fill("@typed", "bob");
    visit.click("@answer-go");
    visit.see("@dialog-error:not(:empty)");
    visit.fill("@typed", "bob@example.org");
    visit.click("@answer-go");
    visit.counts(&row, 0);
    assert!(site.tokenry.find_user_by_subject(&site.operator(), "bob@example.org").is_err());
}

#[test]
fn a_user_dialog_sends_only_changed_fields() {
    let Some(visit) = Visit::start() else { return };
    let ann = visit.site.user("ann");
    let path = format!("api/v1/users/{}", ann.id);
    let change = |body: &str| assert_eq!(visit.site.api("PATCH", &path, &visit.site.root, body).0, 200);
    change(r#"{"role":"admin"}"#);
    visit.sign_in(&visit.site.root);
    visit.open("users");
    let row = format!("@user[data-id=\"{}\"]", ann.id);
    visit.click(&format!("{row} @user-edit"));
    visit.see("@user-role");
    change(r#"{"role":"user"}"#);
    visit.fill("@user-name", "Ann Other");
    visit.click("@answer-go");
    visit.read(&row, "Ann Other");
    assert_eq!(visit.site.get(&path, &visit.site.root)["role"], "user");
}

#[test]
fn revoking_all_tokens_of_a_user_requires_typing_their_number() {
    let Some(visit) = Visit::start() else { return };
    let ann = visit.site.user("ann");
    let secrets: Vec<_> =
        (1..=3).map(|n| visit.site.token(&ann, &format!("t{n}"), &["projects:read"]).0).collect();
    visit.sign_in(&visit.site.root);
    visit.open("users");
    visit.click(&format!("@user[data-id=\"{}\"] @user-revoke_all", ann.id));
    visit.read("@count", "3");
    for wrong in ["", "2", "33"] {
        visit.fill("@typed", wrong);
        visit.key(Key::Enter);
        visit.see("@dialog-error:not(:empty)");
    }
    assert_eq!(visit.site.api("GET", "api/v1/token", &secrets[0], "").0, 200);
    visit.fill("@typed", "3");
    visit.click("@answer-go");
    visit.read("@toast", "3");
    for secret in &secrets {
        assert_eq!(visit.site.api("GET", "api/v1/token", secret, "").0, 401);
    }
}

#[test]
fn the_inventory_lists_all_tokens_and_filters_by_risk_owner_and_status() {
    let Some(visit) = Visit::start() else { return };
    let (ann, admin) = (visit.site.user("ann"), visit.site.admin());
    visit.site.token(&ann, "hers", &["projects:read"]);
    visit.site.token(&admin, "mine", &["*"]);
    visit.sign_in(&visit.site.root);
    visit.click("@nav-inventory");
    let names = || visit.texts("@list @token .name");
    visit.until("all", || (names() == ["mine", "hers", "bootstrap"]).then_some(()));
    visit.choose("@filter-risk", "full_access");
    visit.until("risky", || (names() == ["mine", "bootstrap"]).then_some(()));
    visit.choose("@filter-risk", "");
    visit.fill("@filter-user_id", &ann.id.to_string());
    visit.key(Key::Tab);
    visit.until("hers", || (names() == ["hers"]).then_some(()));
    // The filters are in the URL, so that going back shows the same list.
    visit.browser.run(visit.browser.driver().refresh());
    visit.until("hers again", || (names() == ["hers"]).then_some(()));
    visit.choose("@filter-status", "revoked");
    visit.see("@empty");
}

#[test]
fn the_audit_log_is_filtered_and_its_chain_checked() {
    let Some(visit) = Visit::start() else { return };
    let ann = visit.site.user("ann");
    for number in 0..30 {
        visit.site.token(&ann, &format!("t{number}"), &["projects:read"]);
    }
    visit.sign_in(&visit.site.root);
    visit.click("@nav-audit");
    visit.counts("@event", 25);
    visit.click("@more");
    visit.until("more events", || (visit.count("@event") > 30).then_some(()));
    visit.choose("@filter-kind", "auth.user.created");
    visit.until("users alone", || (visit.texts("@event").len() <= 2).then_some(()));
    visit.see("@event[data-kind=\"auth.user.created\"]");
    visit.click("@check-chain");
    visit.see("@chain [data-intact=true]");
    let chain = visit.site.get("api/v1/audit/chain", &visit.site.root);
    visit.read("@chain", &chain["events"].to_string());
}

#[test]
fn a_zero_in_the_policy_is_displayed_as_its_meaning() {
    let visit = Visit::of(|| {
        Site::with("", |settings| {
            settings.policy.default_lifetime = None;
            settings.policy.allow_never = true;
            settings.policy.max_lifetime = None;
            settings.policy.max_grace = Lifetime::seconds(0);
        })
    });
    // Only without a browser, which is an error on a build server.
    let Some(visit) = visit else { return };
    visit.sign_in(&visit.site.root);
    visit.open("policy");
    visit.read("@policy-rotation", "None");
    let lifetime = visit.text("@policy-lifetime");
    assert!(lifetime.contains("Default\nNever") && lifetime.contains("Maximum\nNo limit"), "{lifetime}");
}

#[test]
fn the_policy_is_shown_with_the_values_of_the_api() {
    let Some(visit) = Visit::start() else { return };
    visit.sign_in(&visit.site.root);
    visit.open("policy");
    let policy = visit.site.get("api/v1/policy", &visit.site.root);
    assert_eq!(policy["lifetime"]["default_days"], json!(90));
    visit.read("@policy-lifetime", "90 days");
    visit.read("@policy-lifetime", "365 days");
    visit.read("@policy-rotation", "1 day");
    visit.read("@policy-token", "pat_");
    visit.read("@policy-roles", "admin");
    // The page has no controls for changes.
    assert_eq!(visit.count("main input, main button, main select, main textarea"), 0);
    let shown = visit.texts("main")[0].clone();
    assert!(!shown.contains("policy."), "a text is missing: {shown}");
    assert_ne!(policy["roles"], Value::Null);
}
