//! Rotation and lists by risk.

use serde_json::{Value, json};
use tokenry_service::UnixMillis;

use crate::folder::Folder;

/// A folder with a token `ci` of alice, and its id and secret.
fn with_token() -> (Folder, String, String) {
    let folder = Folder::new();
    folder.output("user add alice");
    let created = folder.json("token create --user alice --name ci --scope a:read --expires 30d");
    let text = |name: &str| created.get(name).and_then(Value::as_str).expect("a text").to_owned();
    let (id, secret) = (text("id"), text("token"));
    (folder, id, secret)
}

fn verifies(folder: &Folder, secret: &str) -> bool {
    folder.service().verify_blocking(secret.as_bytes(), tokenry_actix::clock::now(), None).is_ok()
}

#[test]
fn a_rotation_prints_a_new_secret_and_ends_the_old_one() {
    let (folder, id, old) = with_token();
    let (code, out, err) = folder.end(&format!("token rotate {id}"));
    let new = out.trim();
    assert_eq!((code, out.lines().count(), out.len()), (0, 1, old.len() + 1));
    assert!(err.contains("the old secret no longer works") && !err.contains(new), "{err}");
    assert!(verifies(&folder, new) && !verifies(&folder, &old));

    let shown = folder.json(&format!("token show {id}"));
    assert_eq!(
        (&shown["version"], &shown["name"], &shown["scopes"]),
        (&2.into(), &"ci".into(), &json!(["a:read"]))
    );
    assert!(new.starts_with(shown["token_prefix"].as_str().expect("a prefix")));
    let events = folder.json(&format!("audit list --token {id} --kind auth.token.rotated"));
    let event = &events["data"][0];
    assert_eq!((&event["actor"], events["data"].as_array().map(Vec::len)), (&"operator".into(), Some(1)));
    assert!(old.starts_with(event["detail"]["old_prefix"].as_str().expect("a prefix")), "{event}");
    assert_eq!(event["detail"]["old_valid_until"], event["at"]);
}

#[test]
fn with_a_grace_the_old_secret_works_until_the_printed_time() {
    let (folder, id, old) = with_token();
    let (code, out, err) = folder.end(&format!("token rotate {id} --grace 10m"));
    let grace_end =
        err.lines().last().and_then(|line| line.strip_prefix("the old secret works until ")).expect("a time");
    let event = folder.json(&format!("audit list --token {id} --limit 1"))["data"][0].clone();
    assert_eq!((code, &event["detail"]["old_valid_until"]), (0, &grace_end.into()));
    let instant = |text: &str| text.parse::<UnixMillis>().expect("an instant").get();
    assert_eq!(instant(grace_end) - instant(event["at"].as_str().expect("a time")), 600_000);
    assert!(verifies(&folder, &old) && verifies(&folder, out.trim()));
}

#[test]
fn the_new_secret_is_alone_when_quiet_and_a_member_of_the_json_document() {
    let (folder, id, _) = with_token();
    let (_, out, err) = folder.end(&format!("token rotate {id} --quiet --grace 1h"));
    assert_eq!((out.lines().count(), err.as_str()), (1, ""));
    // The previous command waited before it ended, so this one does not count as concurrent.
    let rotated = folder.json(&format!("token rotate {id} --expires 7d"));
    assert!(rotated["token"].as_str().is_some_and(|text| text.starts_with("pat_")), "{rotated}");
    assert_eq!((&rotated["id"], &rotated["version"]), (&id.as_str().into(), &3.into()));
}

#[test]
fn a_refused_rotation_names_the_next_step() {
    let (folder, id, _) = with_token();
    folder.output(&format!("token rotate {id} --idempotency-key job-7"));
    let unknown = "0190c5f0-7b3e-7c1a-9d2e-5f6a7b8c9d0e";
    for (line, status, expected) in [
        (
            format!("token rotate {id} --idempotency-key job-7"),
            1,
            "done already and its secret delivered; if it was lost",
        ),
        (format!("token rotate {id} --expires 400d"), 2, "--expires: must be at most"),
        (format!("token rotate {unknown}"), 5, "no such token; `tokenry token list`"),
    ] {
        let (code, text) = folder.failure(&line);
        assert_eq!((code, text.lines().count()), (status, 1), "{line}: {text}");
        assert!(text.starts_with("tokenry: ") && text.contains(expected), "{line}: {text}");
    }
    folder.output("user disable alice");
    assert!(folder.failure(&format!("token rotate {id}")).1.contains("see `tokenry user enable`"));
    folder.output("user enable alice");
    folder.output(&format!("token revoke {id}"));
    let (code, text) = folder.failure(&format!("token rotate {id}"));
    assert_eq!((code, text.contains("the token is revoked; create another")), (1, true), "{text}");
    assert_eq!(folder.json(&format!("token show {id}"))["version"], 3);
}

#[test]
fn tokens_are_listed_by_risk_with_all_their_risks() {
    let (folder, id, _) = with_token();
    folder.output("token create --user alice --name all --scope *");
    let found = folder.json("token list --risk full_access");
    assert_eq!((&found["total"], &found["next_cursor"]), (&1.into(), &json!(null)));
    let token = &found["data"][0];
    assert_eq!((&token["name"], &token["subject"]), (&"all".into(), &"alice".into()));
    assert_eq!(token["risks"], json!(["never_used", "full_access"]));
    let (_, table, _) = folder.end("token list --risk never_used --sort name");
    let lines: Vec<_> = table.lines().collect();
    assert!(lines[0].ends_with("RISKS") && lines[1].ends_with("never_used full_access"), "{table}");
    assert!(lines[2].starts_with(&id) && lines[2].ends_with("never_used"), "{table}");
    assert_eq!(folder.json("token list --risk owner_disabled")["total"], 0);
    folder.output("user disable alice");
    assert_eq!(folder.json("token list --risk owner_disabled --user alice")["total"], 2);
    assert!(folder.json("token list")["data"][0].get("risks").is_none());
}
