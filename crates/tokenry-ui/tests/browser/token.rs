//! One token: rotation, revocation, editing and usage.

use std::time::Duration;

use serde_json::{Value, json};
use thirtyfour::Key;
use tokenry_actix::tokenry::{Expiry, Lifetime, NewToken};

use crate::{secret, visit::Visit};

/// Signs in and opens the page of a new token of the same user; its secret and its id.
fn opened(visit: &Visit, scopes: &[&str]) -> (String, String) {
    // Expires before the first token, which cannot create or rotate a token that outlives it.
    let (secret, id) = visit.site.issue(
        &visit.site.admin(),
        NewToken::new("ci")
            .with_scopes(scopes.iter().map(ToString::to_string).collect::<Vec<_>>())
            .with_expiry(Expiry::In(Lifetime::seconds(12 * 3600))),
    );
    visit.sign_in(&visit.site.root);
    visit.open(&format!("token?id={id}"));
    visit.read("@token-name", "ci");
    (secret, id)
}

#[test]
fn a_rotation_with_grace_shows_the_new_secret_and_the_end_of_the_grace_period() {
    let Some(visit) = Visit::start() else { return };
    let (old, id) = opened(&visit, &["projects:read"]);
    visit.click("@rotate");
    visit.click("label:has(@grace-900)");
    visit.click("@answer-rotate");
    visit.see("@secret[type=password]");
    let new = visit.value("@secret");
    visit.read("@secret-note", &old[old.len() - 4..]);
    visit.click("@secret-done");
    visit.click("@secret-done");
    visit.see_no("@secret-dialog");
    secret::is_nowhere(&visit, &new);
    for secret in [&old, &new] {
        assert_eq!(visit.site.get("api/v1/token", secret)["id"], id.as_str());
    }
    visit.read("code.shown", &new[new.len() - 4..]);
    visit.read("@old-secret", &old[old.len() - 4..]);
}

#[test]
fn a_rotation_without_grace_ends_the_old_secret_immediately() {
    let Some(visit) = Visit::start() else { return };
    let (old, _) = opened(&visit, &["projects:read"]);
    visit.click("@rotate");
    visit.see("@rotate-dialog");
    visit.key(Key::Escape);
    visit.see_no("@rotate-dialog");
    visit.focused("@rotate");
    visit.click("@rotate");
    visit.click("@answer-rotate");
    visit.see("@secret");
    let new = visit.value("@secret");
    assert_eq!(visit.site.api("GET", "api/v1/token", &old, "").0, 401);
    assert_eq!(visit.site.api("GET", "api/v1/token", &new, "").0, 200);
}

#[test]
fn the_dialog_of_a_running_rotation_cannot_be_closed_and_the_secret_is_shown() {
    let Some(visit) = Visit::start() else { return };
    let (old, _) = opened(&visit, &["projects:read"]);
    // A double click opens one dialog.
    visit.eval("const e = document.querySelector('[data-test=rotate]'); e.click(); e.click()", &[]);
    visit.see("@answer-rotate");
    visit.settle();
    visit.counts("dialog", 1);
    visit.site.delay(Duration::from_secs(2));
    visit.click("@answer-rotate");
    visit.wait("document.querySelector('[data-test=answer-cancel]').disabled");
    for _ in 0..3 {
        visit.key(Key::Escape);
    }
    assert!(visit.holds("document.querySelector('[data-test=rotate-dialog]').open") && visit.is_guarded());
    visit.site.delay(Duration::ZERO);
    visit.see("@secret");
    assert!(visit.is_guarded());
    let new = visit.value("@secret");
    assert_eq!(visit.site.api("GET", "api/v1/token", &new, "").0, 200);
    assert_eq!(visit.site.api("GET", "api/v1/token", &old, "").0, 401);
}

#[test]
fn a_token_is_reloaded_when_the_answer_to_its_change_was_lost() {
    let Some(visit) = Visit::start() else { return };
    let (_, id) = opened(&visit, &["projects:read"]);
    let token = || visit.site.get(&format!("api/v1/tokens/{id}"), &visit.site.root);
    visit.site.drop_response("POST /api/v1/tokens/");
    visit.click("@rotate");
    visit.click("@answer-rotate");
    visit.see("@dialog-error:not(:empty)");
    visit.focused("@answer-rotate");
    visit.site.recover();
    visit.click("@answer-cancel");
    visit.read("code.shown", token()["token_suffix"].as_str().unwrap());
    // The current version is displayed, so that the next change works.
    visit.click("@rotate");
    visit.click("@answer-rotate");
    visit.see("@secret");
    for _ in 0..2 {
        visit.click("@secret-done");
    }
    visit.open("");
    visit.site.drop_response("DELETE /api/v1/tokens/");
    let row = format!("@token[data-id=\"{id}\"]");
    visit.click(&format!("{row} @revoke"));
    visit.click("@answer-revoke");
    visit.see("@dialog-error:not(:empty)");
    visit.site.recover();
    visit.click("@answer-cancel");
    visit.read(&format!("{row} @status"), "Revoked");
}

#[test]
fn the_focus_stays_when_a_token_is_rendered_again() {
    let Some(visit) = Visit::start() else { return };
    let _ = opened(&visit, &["projects:read"]);
    visit.see("@history");
    visit.eval("document.querySelector('[data-test=switch]').focus()", &[]);
    visit.press(" ");
    visit.read("@toast", "inactive");
    visit.see("@switch:not([aria-busy])");
    visit.focused("@switch");
    visit.click("@edit");
    visit.fill("@edit-dialog @field-name", "renamed");
    visit.click("@answer-save");
    visit.read("@token-name", "renamed");
    visit.focused("@edit");
}

#[test]
fn a_revocation_is_confirmed_with_the_name_and_the_last_use() {
    let Some(visit) = Visit::start() else { return };
    let (secret, id) = visit.site.token(&visit.site.admin(), "old laptop", &["projects:read"]);
    visit.site.use_once(&secret);
    visit.sign_in(&visit.site.root);
    let row = format!("@token[data-id=\"{id}\"]");
    visit.click(&format!("{row} @revoke"));
    visit.focused("@answer-cancel");
    let text = visit.text("@revoke-dialog");
    for part in ["old laptop", &secret[..16], &secret[secret.len() - 4..], "192.0.2.7"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    visit.key(Key::Escape);
    visit.see_no("@revoke-dialog");
    visit.focused(&format!("{row} @revoke"));
    assert_eq!(visit.site.api("GET", "api/v1/token", &secret, "").0, 200);

    visit.click(&format!("{row} @revoke"));
    visit.fill("@revoke-reason", "sold it");
    visit.click("@answer-revoke");
    visit.read(&format!("{row} @status"), "Revoked");
    visit.read(&format!("{row} @revocation"), "sold it");
    visit.read("@toast", "old laptop");
    let rejected = visit.site.api("GET", "api/v1/token", &secret, "");
    assert_eq!((rejected.0, rejected.1["code"].as_str()), (401, Some("revoked_token")));
}

#[test]
fn revoking_the_token_of_the_session_warns_and_signs_out() {
    let Some(visit) = Visit::start() else { return };
    visit.sign_in(&visit.site.root);
    visit.click("@token:has(@own) @revoke");
    visit.see("@revoke-dialog .warn");
    visit.click("@answer-revoke");
    visit.see("@token[type=password]");
}

#[test]
fn a_change_of_an_outdated_version_is_rejected_and_the_input_is_kept() {
    let Some(visit) = Visit::start() else { return };
    let (_, id) = opened(&visit, &["projects:read"]);
    let path = format!("api/v1/tokens/{id}");
    visit.click("@edit");
    visit.fill("@edit-dialog @field-name", "renamed here");
    assert_eq!(visit.site.api("PATCH", &path, &visit.site.root, r#"{"name":"renamed elsewhere"}"#).0, 200);
    visit.click("@answer-save");
    visit.see("@edit-dialog @summary");
    assert_eq!(visit.value("@edit-dialog @field-name"), "renamed here");
    assert_eq!(visit.site.get(&path, &visit.site.root)["name"], "renamed elsewhere");
    visit.click("@answer-cancel");
    visit.open(&format!("token?id={id}"));
    visit.read("@token-name", "renamed elsewhere");
    visit.click("@edit");
    visit.fill("@edit-dialog @field-name", "renamed here");
    visit.fill("@edit-dialog @field-description", "for builds");
    visit.click("@answer-save");
    visit.read("@token-name", "renamed here");
    visit.read("@facts", "for builds");
}

/// The sum of the numbers in a table.
fn sum(cells: &[String]) -> u64 {
    cells.iter().map(|cell| cell.replace(',', "").parse::<u64>().unwrap()).sum()
}

#[test]
fn the_chart_and_its_table_show_the_numbers_of_the_api() {
    let Some(visit) = Visit::start() else { return };
    let admin = visit.site.admin();
    let (asking, _) = visit.site.asking();
    let (secret, id) = visit.site.token(&admin, "ci", &["projects:read", "builds:read"]);
    for number in 0..23 {
        let resource = if number % 4 == 0 { "billing" } else { "projects" };
        let question = json!({ "token": secret, "method": "GET", "resource": resource });
        assert_eq!(visit.site.api("POST", "api/v1/verify", &asking, &question.to_string()).0, 200);
    }
    visit.site.tokenry.flush().unwrap();
    let summary = visit.site.get(&format!("api/v1/tokens/{id}/usage/summary"), &visit.site.root);
    let by_status = |first: u64| {
        let hours = summary["hours"].as_array().unwrap().iter();
        hours
            .filter(|hour| hour["status"].as_u64().unwrap() / 100 == first)
            .map(|hour| hour["count"].as_u64().unwrap())
            .sum::<u64>()
    };
    assert_eq!((by_status(2), by_status(4)), (17, 6), "{summary}");

    visit.sign_in(&visit.site.root);
    visit.open(&format!("token?id={id}"));
    visit.read("@usage-total", "23");
    for range in ["1", "7", "90"] {
        visit.see("@chart");
        visit.eval("document.querySelector('[data-test=chart]').dataset.old = ''", &[]);
        visit.choose("@usage-range", range);
        visit.see("@chart:not([data-old])");
        visit.click("@usage-numbers summary");
        let column = |number: usize| visit.texts(&format!("@usage-numbers tbody td:nth-child({number})"));
        let seen = || [2, 3, 4, 5].map(|number| sum(&column(number)));
        visit.until("the numbers", || (seen() == [17, 0, 6, 0]).then_some(()));
        let drawn = visit.eval(
            "const sizes = kind => [...document.querySelectorAll(`svg rect.s${kind}`)].reduce((sum, bar) => sum + Number(bar.getAttribute('height')), 0);
             return sizes(2) / (sizes(2) + sizes(4))",
            &[],
        );
        assert!((drawn.as_f64().unwrap() - 17.0 / 23.0).abs() < 0.05, "{range}: {drawn}");
    }
    let routes: Vec<String> = visit.texts("@usage").join("\n").lines().map(str::to_owned).collect();
    assert!(
        routes.iter().any(|line| line.contains("projects"))
            && routes.iter().any(|line| line.contains("billing")),
        "{routes:?}"
    );
    visit.read("@unused", "builds:read");
    assert!(!visit.text("@unused").contains("projects:read"));
}

#[test]
fn the_history_of_a_token_lists_its_events() {
    let Some(visit) = Visit::start() else { return };
    let (_, id) = opened(&visit, &["projects:read"]);
    visit.site.api("PATCH", &format!("api/v1/tokens/{id}"), &visit.site.root, r#"{"status":"inactive"}"#);
    visit.click("@history summary");
    visit.counts("@event", 2);
    let kinds = visit
        .eval("return [...document.querySelectorAll('[data-test=event]')].map(e => e.dataset.kind)", &[]);
    assert_eq!(kinds, json!(["auth.token.updated", "auth.token.created"]));
}

#[test]
fn a_token_of_another_user_is_not_found() {
    let Some(visit) = Visit::start() else { return };
    let ann = visit.site.user("ann");
    let (own, _) = visit.site.token(&ann, "own", &["tokens:write"]);
    let root = visit.site.get("api/v1/token", &visit.site.root)["id"].as_str().unwrap().to_owned();
    visit.sign_in(&own);
    for id in [root.as_str(), "nothing", "../users", ""] {
        visit.open(&format!("token?id={id}"));
        visit.see("@not-found");
    }
    assert_eq!(
        visit.eval("return document.querySelectorAll('[data-test=chart]').length", &[]),
        Value::from(0)
    );
}
