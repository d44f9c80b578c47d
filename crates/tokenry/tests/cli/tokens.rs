//! Users and tokens on a database without a server.

use crate::folder::Folder;

#[test]
fn a_token_is_created_updated_and_revoked() {
    let folder = Folder::new();
    assert_eq!(folder.output("user add alice --output name"), "alice\n");
    let secret = folder.output("token create --user alice --name ci --scope a:read --expires 30d");
    assert_eq!((secret.len(), secret.matches("pat_").count()), ("pat_".len() + 61 + 1, 1));
    folder.tokenry().args(["check", "-"]).write_stdin(secret.clone()).assert().code(0).stdout("");
    let mistyped = secret.replacen("pat_", "pat_x", 1);
    folder.tokenry().args(["check", "-"]).write_stdin(mistyped).assert().code(5).stdout("");

    let list = folder.json("token list --user alice");
    assert_eq!((&list["total"], &list["data"][0]["scopes"][0]), (&1.into(), &"a:read".into()));
    assert!(!list.to_string().contains(secret.trim()));
    let id = folder.output("token list --output name").trim().to_owned();

    assert_eq!(folder.json(&format!("token update {id} --inactive --no-scopes"))["status"], "inactive");
    let shown = folder.json(&format!("token show {id}"));
    assert_eq!((&shown["name"], &shown["scopes"]), (&"ci".into(), &serde_json::json!([])));
    assert_eq!(folder.output(&format!("token revoke {id} --reason lost --quiet")), "");
    assert_eq!(folder.json(&format!("token revoke {id}"))["revoked"], 0);
    assert_eq!(folder.json(&format!("token show {id}"))["revoked_reason"], "lost");
}

#[test]
fn a_presented_token_is_read_with_one_line_end_and_nothing_else() {
    let folder = Folder::new();
    folder.output("user add alice");
    let secret = folder.output("token create --user alice --name ci --quiet").trim().to_owned();
    for (before, behind, code) in [
        ("", "", 0),
        // The line ends that `echo` writes on Unix and on Windows.
        ("", "\n", 0),
        ("", "\r\n", 0),
        ("", "\r", 5),
        ("", "\n\n", 5),
        ("", "\r\n\n", 5),
        ("", "\r\n\r\n", 5),
        ("", "\n\r", 5),
        ("", " ", 5),
        ("", " \n", 5),
        ("", "\t\n", 5),
        ("", "\0", 5),
        (" ", "", 5),
        ("\n", "", 5),
        ("\u{feff}", "", 5),
    ] {
        let text = format!("{before}{secret}{behind}");
        folder.tokenry().args(["check", "-"]).write_stdin(text).assert().code(code).stdout("");
    }
}

#[test]
fn the_created_token_is_in_the_json_document() {
    let folder = Folder::new();
    folder.output("user add alice");
    let created = folder.json("token create --user alice --name ci --quiet");
    assert!(created["token"].as_str().is_some_and(|text| text.starts_with("pat_")), "{created}");
    assert_eq!((&created["name"], &created["effective_scopes"]), (&"ci".into(), &serde_json::json!([])));
}

#[test]
fn the_option_all_lists_all_pages() {
    let folder = Folder::new();
    folder.output("user add alice");
    std::fs::write(folder.path("tokenry.toml"), "[limits]\ncreations_per_hour = 0\n").expect("a file");
    for _ in 0..3 {
        folder.output("token create --user alice --name ci");
    }
    assert_eq!(folder.output("token list --limit 2 --output name").lines().count(), 2);
    assert_eq!(folder.output("token list --all --output name").lines().count(), 3);
}

#[test]
fn errors_have_their_exit_status_and_the_next_step() {
    let folder = Folder::new();
    folder.output("user add alice");
    let unknown = "0190c5f0-7b3e-7c1a-9d2e-5f6a7b8c9d0e";
    for (line, status, expected) in [
        ("user add alice", 1, "a user alice already exists"),
        ("user add bob --role chief", 2, "there is no role chief"),
        ("user disable bob", 5, "bob: no such user; `tokenry user list`"),
        ("token create --user bob --name ci", 5, "bob: no such user"),
        ("token create --user alice --name ci --expires 400d", 2, "--expires: must be at most"),
        ("token create --user alice --name ci --expires never", 2, "--expires: must be set"),
        ("token create --user alice --name ci --scope a:owner", 2, "--scope: is not in the catalog"),
        (
            "token create --user alice --name ci --scope admin:read",
            4,
            "the role user may not hold admin:read",
        ),
        (&format!("token show {unknown}"), 5, "no such token"),
        (&format!("token revoke {unknown}"), 5, "no such token"),
        (
            "token list --database-url sqlite:///nowhere/at/all.db",
            1,
            "sqlite:///nowhere/at/all.db: database unavailable",
        ),
    ] {
        let (code, text) = folder.failure(line);
        assert_eq!((code, text.lines().count()), (status, 1), "{line}: {text}");
        assert!(text.starts_with("tokenry: ") && text.contains(expected), "{line}: {text}");
    }
    assert_eq!(folder.json("token list")["total"], 0);
}

#[test]
fn a_reached_limit_names_the_next_step() {
    let folder = Folder::new();
    std::fs::write(folder.path("tokenry.toml"), "[limits]\nmax_live_tokens = 1\n").expect("a file");
    folder.output("user add alice");
    folder.output("token create --user alice --name ci");
    let (code, text) = folder.failure("token create --user alice --name ci");
    assert_eq!(
        (code, text.as_str()),
        (1, "tokenry: the limit of 1 live tokens is reached; revoke one first\n")
    );
}

#[test]
fn a_disabled_user_gets_no_token_until_enabled() {
    let folder = Folder::new();
    folder.output("user add alice");
    assert_eq!(folder.json("user disable alice")["disabled"], true);
    assert_eq!(folder.failure("token create --user alice --name ci").0, 1);
    assert_eq!(folder.json("user enable alice")["disabled"], false);
    folder.output("token create --user alice --name ci");
}

#[test]
fn migrations_are_listed_reverted_and_applied() {
    let folder = Folder::new();
    let is_applied = || folder.json("migrate status")[0]["applied"].clone();
    assert_eq!(is_applied(), false);
    folder.output("migrate run");
    assert_eq!(is_applied(), true);
    folder.output("migrate revert --yes");
    assert_eq!(folder.output("migrate run --output name").lines().count(), 1);
}

#[test]
fn a_token_of_the_command_line_has_exactly_one_exclusive_scope() {
    let folder = Folder::new();
    let settings = "[catalog]\nexclusive_scopes = [\"a:read\", \"a:write\"]\n";
    std::fs::write(folder.path("tokenry.toml"), settings).expect("a file");
    folder.output("user add alice");
    folder.output("token create --user alice --name ci --scope a:read");
    let id = folder.output("token list --output name").trim().to_owned();
    for wrong in ["--scope a:read --scope a:write", "--scope b:read", ""] {
        let (code, text) = folder.failure(&format!("token create --user alice --name x {wrong}"));
        assert!(
            code == 2 && text.contains("--scope: must be exactly one of a:read, a:write"),
            "{code} {text}"
        );
    }
    for wrong in ["--scope a:read --scope a:write", "--no-scopes"] {
        let (code, text) = folder.failure(&format!("token update {id} {wrong}"));
        assert!(
            code == 2 && text.contains("--scope: must be exactly one of a:read, a:write"),
            "{code} {text}"
        );
    }
    folder.output(&format!("token update {id} --scope a:write"));
}
