//! The pictures of docs/GUIDE.md, which `cargo xtask guide` copies there.

use std::fs;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::json;
use tokenry_actix::tokenry::{Expiry, Lifetime, NewToken};

use crate::{browser::output_folder, screens::populate, visit::Visit};

/// The largest picture, in bytes.
const MAX_BYTES: usize = 60 * 1024;

/// Saves a picture in `target/ui/guide`.
#[track_caller]
fn take(visit: &Visit, name: &str) {
    visit.settle();
    let picture = visit.cdp("Page.captureScreenshot", json!({ "format": "webp", "quality": 80 }));
    let picture = picture["data"].as_str().unwrap();
    assert!(picture.len() / 4 * 3 <= MAX_BYTES, "{name} has {} bytes", picture.len() / 4 * 3);
    let folder = output_folder().join("guide");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(format!("{name}.webp")), BASE64_STANDARD.decode(picture).unwrap()).unwrap();
}

#[test]
fn every_step_of_the_guide_has_a_small_picture() {
    let Some(visit) = Visit::start() else { return };
    visit.resize(1000, 700);
    let id = populate(&visit, "nightly build");
    let (own, _) = visit.site.issue(
        &visit.site.admin(),
        NewToken::new("my laptop")
            .with_scopes(vec!["*".to_owned()])
            .with_expiry(Expiry::In(Lifetime::days(300))),
    );
    visit.cdp("Network.clearBrowserCookies", json!({}));
    visit.open("sign-in");
    visit.see("@token");
    take(&visit, "sign-in");
    visit.sign_in(&own);
    visit.see("@token");
    visit.see_no("@toast");
    take(&visit, "tokens");
    visit.open("create?name=release%20bot&scopes=projects:read,builds:write&expires_in_days=30");
    visit.read("@sum", "builds");
    take(&visit, "create");
    visit.click("@create");
    visit.click("@snippet-mcp");
    take(&visit, "secret");
    visit.click("@secret-done");
    visit.click("@secret-done");
    visit.click(&format!("@token[data-id=\"{id}\"] @rotate"));
    visit.see("@rotate-dialog");
    take(&visit, "rotate");
    visit.click("@answer-cancel");
    visit.click(&format!("@token[data-id=\"{id}\"] @revoke"));
    visit.see("@revoke-dialog");
    take(&visit, "revoke");
    visit.click("@answer-cancel");
    visit.open(&format!("token?id={id}"));
    visit.see("@chart");
    visit.eval("document.querySelector('[data-test=usage]').scrollIntoView()", &[]);
    take(&visit, "usage");
    visit.open("inventory");
    visit.see("@list @token");
    take(&visit, "inventory");
    visit.open("audit");
    visit.see("@event");
    visit.click("@check-chain");
    visit.see("@chain [data-intact]");
    take(&visit, "audit");
}
