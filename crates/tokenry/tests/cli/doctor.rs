//! The checks of `tokenry doctor`.

use serde_json::Value;

use crate::folder::Folder;

/// The exit status and the document of `doctor`.
fn doctor(folder: &Folder) -> (i32, Value) {
    let (code, out, _) = folder.end("doctor --output json");
    (code, serde_json::from_str(&out).expect("JSON"))
}

/// The names of all checks, failed ones in capitals.
fn checks(document: &Value) -> String {
    let name = |check: &Value| {
        let name = check["check"].as_str().expect("a name");
        if check["ok"] == true { name.to_owned() } else { name.to_uppercase() }
    };
    document["checks"].as_array().expect("a list").iter().map(name).collect::<Vec<_>>().join(", ")
}

#[test]
fn a_valid_installation_passes_every_check() {
    let folder = Folder::new();
    folder.output("user add alice");
    let (code, document) = doctor(&folder);
    assert_eq!((code, &document["ok"]), (0, &true.into()));
    assert_eq!(
        checks(&document),
        "settings, database, migrations, hash key, stored rows, audit log, clock, files"
    );
    let (_, table, err) = folder.end("doctor");
    assert!(table.lines().count() == 8 && table.lines().all(|line| line.starts_with("ok  ")), "{table}");
    assert_eq!((err.as_str(), folder.output("doctor --output name").as_str()), ("", ""));
}

#[test]
fn a_missing_database_fails_and_is_not_created() {
    let folder = Folder::new();
    let (code, table, err) = folder.end("doctor");
    let line = table.lines().nth(1).expect("a second check");
    assert!(line.starts_with("FAILED  database") && line.contains("`tokenry migrate run`"), "{table}");
    assert_eq!((code, err.as_str()), (1, "tokenry: failed checks: database, files\n"));
    assert!(!folder.path("tokenry.db").exists());
}

#[test]
fn doctor_names_a_former_setting_and_accepts_it() {
    let folder = Folder::new();
    folder.output("migrate run");
    std::fs::write(folder.path("tokenry.toml"), "[catalog]\nwithheld_scopes = []\n").expect("a file");
    let (code, document) = doctor(&folder);
    assert_eq!(code, 0, "{document}");
    let detail = document["checks"][0]["detail"].as_str().expect("a detail");
    let warning = "[catalog] withheld_scopes: is now called denied_scopes; rename it (tokenry.toml:2)";
    assert!(detail.ends_with(warning), "{detail}");
}

#[test]
fn a_listener_for_metrics_that_other_machines_reach_is_a_warning() {
    for (listen, is_open) in [
        ("0.0.0.0:9464", true),
        ("[::]:9464", true),
        ("192.0.2.1:9464", true),
        ("[::ffff:192.0.2.1]:9464", true),
        ("127.0.0.1:9464", false),
        ("127.9.9.9:9464", false),
        ("[::1]:9464", false),
        ("[::ffff:127.0.0.1]:9464", false),
        ("localhost:9464", false),
        ("", false),
    ] {
        let folder = Folder::new();
        folder.output("migrate run");
        let settings = format!("[metrics]\nlisten = \"{listen}\"\n");
        std::fs::write(folder.path("tokenry.toml"), settings).expect("a file");
        let (code, document) = doctor(&folder);
        assert_eq!(code, 0, "{document}");
        let detail = document["checks"][0]["detail"].as_str().expect("a detail");
        let warning = "[metrics] listen: serves metrics without authentication beyond this machine";
        assert_eq!(detail.contains(warning), is_open, "{listen}: {detail}");
        assert_eq!(detail.contains("(tokenry.toml:2)"), is_open, "{listen}: {detail}");
    }
}

#[test]
fn invalid_settings_fail() {
    let folder = Folder::new();
    std::fs::write(folder.path("tokenry.toml"), "[token]\nhash = \"md5\"\n").expect("a file");
    let (code, document) = doctor(&folder);
    assert_eq!((code, checks(&document).as_str()), (5, "SETTINGS"));
    assert!(
        document["checks"][0]["detail"].as_str().is_some_and(|text| text.contains("tokenry.toml:2")),
        "{document}"
    );
}

#[test]
fn pending_migrations_fail_and_are_not_run() {
    let folder = Folder::new();
    folder.output("migrate run");
    folder.output("migrate revert --yes");
    for _ in 0..2 {
        let (code, document) = doctor(&folder);
        assert_eq!((code, checks(&document).as_str()), (5, "settings, database, MIGRATIONS, files"));
    }
}

#[test]
fn a_different_pepper_than_that_of_the_database_fails() {
    let folder = Folder::new();
    let with = |pepper: &str, line: &str| {
        let mut command = folder.tokenry();
        command.args(line.split_whitespace()).env("TOKENRY_TOKEN__HASH", "hmac-sha256");
        command.env("TOKENRY_TOKEN__PEPPER", pepper).assert()
    };
    let (first, second) = (format!("a:{}", "A".repeat(43)), format!("b:{}", "B".repeat(42) + "A"));
    with(&first, "user add alice").code(0);
    with(&first, "doctor").code(0);
    let assert = with(&second, "doctor --output name").code(5);
    assert_eq!(String::from_utf8_lossy(&assert.get_output().stdout), "hash key\n");
}

#[test]
fn a_modified_audit_log_fails() {
    let folder = Folder::new();
    folder.output("user add alice-in-the-log");
    folder.tamper("\"subject\":\"alice-in-the-log\"", "\"subject\":\"mallory-in-a-log\"");
    let (code, document) = doctor(&folder);
    assert_eq!(
        (code, checks(&document).as_str()),
        (5, "settings, database, migrations, hash key, stored rows, AUDIT LOG, clock, files")
    );
}

#[cfg(unix)]
#[test]
fn a_database_readable_by_other_users_fails() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    folder.output("user add alice");
    std::fs::set_permissions(folder.path("tokenry.db"), std::fs::Permissions::from_mode(0o644))
        .expect("its owner");
    let (code, document) = doctor(&folder);
    assert_eq!(
        (code, checks(&document).as_str()),
        (5, "settings, database, migrations, hash key, stored rows, audit log, clock, FILES")
    );
    assert!(
        document["checks"][7]["detail"].as_str().is_some_and(|text| text.contains("chmod o-rwx tokenry.db"))
    );
}
