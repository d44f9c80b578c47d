//! Reading and verifying the audit log.

use serde_json::{Value, json};

use crate::folder::Folder;

/// A user's creation in the log, and the same entry changed in the file.
const WRITTEN: &str = "\"subject\":\"alice-in-the-log\"";
const CHANGED: &str = "\"subject\":\"mallory-in-a-log\"";

#[test]
fn events_are_listed_newest_first() {
    let folder = Folder::new();
    folder.output("user add alice");
    let id = folder.json("token create --user alice --name ci")["id"].as_str().expect("an id").to_owned();
    folder.output("user add bob");
    let log = folder.json("audit list");
    let kinds: Vec<_> = log["data"].as_array().expect("a list").iter().map(|event| &event["kind"]).collect();
    assert_eq!(kinds, ["auth.user.created", "auth.token.created", "auth.user.created"]);
    let created = &log["data"][1];
    assert_eq!((&created["seq"], &created["token_id"]), (&2.into(), &id.as_str().into()));
    assert_eq!((&created["prev_hash"], &log["next_cursor"]), (&log["data"][2]["hash"], &Value::Null));

    let (_, table, _) = folder.end("audit list --user alice");
    let lines: Vec<_> = table.lines().collect();
    assert_eq!(lines.len(), 3, "{table}");
    assert!(
        lines[0].starts_with("SEQ") && lines[1].starts_with('2') && lines[1].contains("alice"),
        "{table}"
    );
    assert!(lines[1].contains(&id) && lines[1].contains("operator"), "{table}");
}

#[test]
fn the_log_is_filtered_and_paged() {
    let folder = Folder::new();
    for subject in ["alice", "bob", "carol"] {
        folder.output(&format!("user add {subject}"));
    }
    folder.output("user disable bob");
    let at = |seq: usize| {
        folder.json("audit list --all")["data"][4 - seq]["at"].as_str().expect("a time").to_owned()
    };
    for (line, listed) in [
        ("", "4 3 2 1"),
        ("--all", "4 3 2 1"),
        ("--limit 2", "4 3"),
        ("--user bob", "4 2"),
        ("--kind auth.user.disabled", "4"),
        ("--kind auth.token.created", ""),
        ("--to 2026-01-01", ""),
        ("--from 9999-01-01", ""),
        (&format!("--from {}", at(3)), "4 3"),
        (&format!("--to {}", at(3)), "2 1"),
        ("--token 0190c5f0-7b3e-7c1a-9d2e-5f6a7b8c9d0e", ""),
    ] {
        let names = folder.output(&format!("audit list --output name {line}"));
        assert_eq!(names.lines().collect::<Vec<_>>().join(" "), listed, "{line}");
    }
    let (_, _, note) = folder.end("audit list --limit 2");
    assert_eq!(note, "showing the newest 2; use --all for the rest\n");
    assert_eq!(folder.failure("audit list --user dave").0, 5);
}

#[test]
fn a_deleted_user_is_shown_by_id() {
    let folder = Folder::new();
    folder.output("user add alice");
    let id = folder.json("user show alice")["id"].as_str().expect("an id").to_owned();
    folder.output("user delete alice --yes");
    assert_eq!(folder.end("audit list").1.matches(&id).count(), 3, "created, disabled, deleted");
}

#[test]
fn an_intact_log_is_confirmed_with_its_length() {
    let folder = Folder::new();
    assert_eq!(folder.output("audit verify"), "the audit log is intact: 0 entries\n");
    folder.output("user add alice");
    assert_eq!(folder.output("audit verify"), "the audit log is intact: 1 entry\n");
    assert_eq!(folder.output("audit verify --quiet"), "");
    assert_eq!(folder.json("audit verify"), json!({"entries": 1, "broken_at": null}));
}

#[test]
fn a_changed_entry_is_detected_and_named() {
    let folder = Folder::new();
    for subject in ["bob", "alice-in-the-log", "carol"] {
        folder.output(&format!("user add {subject}"));
    }
    folder.tamper(WRITTEN, CHANGED);
    let (code, text) = folder.failure("audit verify");
    assert_eq!((code, text.lines().count()), (5, 1), "{text}");
    assert!(text.contains("modified: from entry 2 on"), "{text}");
    assert_eq!(folder.end("audit verify --output name").1, "2\n");
    let (code, out, problem) = folder.end("audit verify --output json");
    let (out, problem): (Value, Value) =
        (serde_json::from_str(&out).expect("JSON"), serde_json::from_str(&problem).expect("a problem"));
    assert_eq!(
        (code, &out, &problem["code"]),
        (5, &json!({"entries": 3, "broken_at": 2}), &"audit_log_broken".into())
    );
}

#[test]
fn an_unreadable_entry_breaks_the_log() {
    let folder = Folder::new();
    folder.output("user add alice-in-the-log");
    folder.tamper(WRITTEN, &WRITTEN.replace(':', "!"));
    let (code, text) = folder.failure("audit verify");
    assert_eq!(code, 5);
    assert!(text.contains("modified: from entry 1 on: the entry cannot be read"), "{text}");
}
