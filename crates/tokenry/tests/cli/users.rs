//! The life cycle of users.

use crate::folder::Folder;

#[test]
fn a_user_is_shown_updated_and_deleted() {
    let folder = Folder::new();
    folder.output("user add alice");
    folder.output("token create --user alice --name ci");
    let (_, table, _) = folder.end("user show alice");
    assert!(table.contains("Live tokens     1 of 10") && table.contains("Creations left  4"), "{table}");
    let before = folder.json("user show alice");
    assert_eq!((&before["role"], &before["disabled_at"]), (&"user".into(), &serde_json::Value::Null));

    let after = folder.json("user update alice --subject alice@example.com --name A --role admin");
    assert_eq!((&after["id"], &after["subject"]), (&before["id"], &"alice@example.com".into()));
    assert_eq!((&after["name"], &after["role"]), (&"A".into(), &"admin".into()));
    assert_eq!(folder.failure("user show alice").0, 5);

    let (code, out, err) = folder.end("user delete alice@example.com --yes");
    assert_eq!(
        (code, out.as_str(), err.as_str()),
        (0, "", "deleted alice@example.com; 1 live token ended\n")
    );
    assert_eq!(folder.json("token list")["total"], 0);
    assert_eq!(folder.json("user list")["total"], 0);
    assert_eq!(folder.json("audit list --kind auth.user.deleted")["data"][0]["user_id"], before["id"]);
}

#[test]
fn all_tokens_of_one_user_are_revoked_and_counted() {
    let folder = Folder::new();
    folder.output("user add alice");
    folder.output("user add bob");
    for user in ["alice", "alice", "bob"] {
        folder.output(&format!("token create --user {user} --name ci"));
    }
    let (code, out, err) = folder.end("user revoke-tokens alice --reason lost");
    assert_eq!((code, out.as_str(), err.as_str()), (0, "", "revoked 2 tokens of alice\n"));
    let revoked = folder.json("token list --status revoked");
    assert_eq!((&revoked["total"], &revoked["data"][1]["revoked_reason"]), (&2.into(), &"lost".into()));
    assert_eq!(folder.json("user revoke-tokens alice"), serde_json::json!({"revoked": 0}));
    assert_eq!(folder.json("user delete bob"), serde_json::json!({"deleted": 1, "live_tokens": 1}));
    folder.output("token create --user alice --name again");
}

#[test]
fn users_are_found_by_part_of_their_subject_or_name() {
    let folder = Folder::new();
    folder.output("user add alice --name Liddell");
    folder.output("user add bob");
    for (text, found) in [("lic", "alice\n"), ("Lidd", "alice\n"), ("b", "bob\n"), ("x", "")] {
        assert_eq!(folder.output(&format!("user list --search {text} --output name")), found, "{text}");
    }
}

#[test]
fn an_invalid_update_of_a_user_changes_nothing() {
    let folder = Folder::new();
    folder.output("user add alice");
    folder.output("user add bob");
    for (line, status, expected) in [
        ("user update alice --subject bob", 1, "a user bob already exists"),
        ("user update alice --name A --role chief", 2, "there is no role chief"),
        ("user update carol --name C", 5, "carol: no such user; `tokenry user list`"),
        ("user show carol", 5, "carol: no such user"),
        ("user delete carol", 5, "carol: no such user"),
        ("user revoke-tokens carol", 5, "carol: no such user"),
    ] {
        let (code, text) = folder.failure(line);
        assert_eq!((code, text.lines().count()), (status, 1), "{line}: {text}");
        assert!(text.starts_with("tokenry: ") && text.contains(expected), "{line}: {text}");
    }
    assert_eq!(folder.json("user show alice")["name"], "alice");
}
