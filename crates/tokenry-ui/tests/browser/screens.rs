//! All screens, and a server with data for each of them.

use serde_json::json;
use thirtyfour::Key;
use tokenry_actix::tokenry::{Expiry, Lifetime, NewToken};

use crate::visit::Visit;

/// A name with markup, code, direction changes and a long word.
pub(crate) const HOSTILE: &str = "<img src=x onerror=alert(1)>\u{202e}';--{{7*7}}${7*7}";

/// One screen: its name, how to open it, and the element that shows it is complete.
pub(crate) struct Screen {
    pub(crate) name: &'static str,
    pub(crate) reach: fn(&Visit, &str),
    pub(crate) complete: &'static str,
}

const fn screen(name: &'static str, complete: &'static str, reach: fn(&Visit, &str)) -> Screen {
    Screen { name, reach, complete }
}

/// All screens; each receives the id of a token with history.
pub(crate) const SCREENS: &[Screen] = &[
    screen("tokens", "@token", |visit, _| visit.open("")),
    screen("none", "@empty", |visit, _| visit.open("?status=expired")),
    screen("create", "@create-form", |visit, _| visit.open("create")),
    screen("create-rejected", "@error-name:not(:empty)", |visit, _| {
        visit.open("create");
        visit.click("@create");
    }),
    screen("secret", "@secret-dialog", |visit, _| {
        visit.open("create?name=nightly%20build&scopes=projects:read");
        visit.click("@create");
        visit.click("@snippet-mcp");
    }),
    screen("token", "@chart", |visit, id| {
        visit.open(&format!("token?id={id}"));
        visit.click("@usage-numbers summary");
        visit.click("@history summary");
        visit.see("@event");
    }),
    screen("edit", "@edit-dialog", |visit, id| {
        visit.open(&format!("token?id={id}"));
        visit.click("@edit");
    }),
    screen("rotate", "@rotate-dialog", |visit, id| {
        visit.open(&format!("token?id={id}"));
        visit.click("@rotate");
    }),
    screen("revoke", "@revoke-dialog", |visit, id| {
        visit.open("");
        visit.click(&format!("@token[data-id=\"{id}\"] @revoke"));
    }),
    screen("users", "@user", |visit, _| visit.open("users")),
    screen("revoke-all", "@revoke-all-dialog @count", |visit, _| {
        visit.open("users");
        visit.click("@user:first-child @user-revoke_all");
    }),
    screen("inventory", "@list @token", |visit, _| visit.open("inventory")),
    screen("audit", "@chain [data-intact]", |visit, _| {
        visit.open("audit");
        visit.see("@event");
        visit.click("@check-chain");
    }),
    screen("policy", "@policy-roles", |visit, _| visit.open("policy")),
    screen("menu", "@account[open]", |visit, _| {
        visit.open("");
        visit.see("@token");
        visit.click("@account summary");
    }),
    // The last one, because it requires a signed-out user.
    screen("sign-in", "@token-error:not(:empty)", |visit, _| {
        visit.cdp("Network.clearBrowserCookies", json!({}));
        visit.open("sign-in");
        visit.fill("@token", "wrong");
        visit.key(Key::Enter);
    }),
];

impl Screen {
    /// Opens the screen and waits until it is complete.
    #[track_caller]
    pub(crate) fn show(&self, visit: &Visit, id: &str) {
        (self.reach)(visit, id);
        visit.see(self.complete);
        visit.wait("document.querySelectorAll('[aria-busy=true], .skeleton').length === 0");
    }
}

/// Signs in as an administrator with a dozen tokens in all states; the id of the one with the longest history.
pub(crate) fn populate(visit: &Visit, name: &str) -> String {
    let site = &visit.site;
    let (admin, ann) = (site.admin(), site.user("ann"));
    site.user("bob");
    let scopes = |scopes: &[&str]| Some(scopes.iter().map(ToString::to_string).collect());
    let (asking, _) = site.asking();
    let (secret, id) = site.issue(
        &admin,
        NewToken::new(name.to_owned())
            .with_description(name.to_owned())
            .with_scopes(scopes(&[
                "projects:read",
                "builds:write",
                "packages:read",
                "issues:read",
                "wiki:read",
            ]))
            .with_expiry(Expiry::In(Lifetime::seconds(20 * 3600))),
    );
    for number in 0..9 {
        let resource = ["projects", "builds", "billing"][number % 3];
        let question = json!({ "token": secret, "method": "GET", "resource": resource, "ip": "192.0.2.7" });
        assert_eq!(site.api("POST", "api/v1/verify", &asking, &question.to_string()).0, 200);
    }
    for (number, status) in ["inactive", "active", "active"].iter().enumerate() {
        let (_, id) = site.token(&admin, &format!("service {number}"), &["projects:read"]);
        let body = json!({ "status": status, "description": name }).to_string();
        assert_eq!(site.api("PATCH", &format!("api/v1/tokens/{id}"), &site.root, &body).0, 200);
    }
    let (_, gone) = site.token(&admin, "old laptop", &["projects:read"]);
    site.api("DELETE", &format!("api/v1/tokens/{gone}?reason=sold"), &site.root, "");
    site.token(&ann, name, &["projects:read", "builds:read"]);
    site.tokenry.flush().unwrap();
    visit.sign_in(&site.root);
    id
}
