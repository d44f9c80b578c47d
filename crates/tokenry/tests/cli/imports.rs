//! Imports of rows that the libraries of other systems have written (`tests/imports/make.py`).

use std::path::{Path, PathBuf};

use tokenry_service::{
    HashSettings, Pepper, Policy, Rejection, Scheme, Settings, Store, StoreSettings, Tokenry, VerifyError,
};
use tokenry_testkit::each_backend;

use crate::folder::Folder;

/// Each file with rows, the shape of its tokens, and further options.
const FILES: [(&str, &str, &str); 15] = [
    ("requirements-server.jsonl", "prefix=mcp_pat_ lookup=first:8 length=56 alphabet=alphanumeric", ""),
    ("notebook-app.jsonl", "prefix=nllm_ lookup=sha256 length=48 alphabet=base64url", ""),
    ("automation-server.jsonl", "prefix=hcpat_ lookup=sha256 length=70 alphabet=hex", ""),
    ("control-plane.jsonl", "prefix=fp_pat_ lookup=before:. hashed=secret length=87 alphabet=base64url", ""),
    (
        "model-server.jsonl",
        "prefix=bodhiapp_ lookup=first:8 length=52 alphabet=base64url",
        "--map-scope scope_token_user=models:read,chat:write",
    ),
    ("keyed.jsonl", "prefix=keyed_ lookup=hmac-sha256:old length=46 alphabet=alphanumeric", ""),
    ("sanctum.csv", "sanctum", ""),
    ("gitea.csv", "gitea", "--map-scope read:repository=projects:read --map-scope write:issue="),
    ("knox.jsonl", "knox", ""),
    ("drf-api-key.jsonl", "drf-api-key", ""),
    ("drf-api-key-2.jsonl", "drf-api-key", ""),
    ("django-pbkdf2.jsonl", "prefix=dj_ lookup=first:8 length=43 alphabet=alphanumeric", ""),
    ("django-argon2.jsonl", "prefix=dj_ lookup=first:8 length=43 alphabet=alphanumeric", ""),
    ("django-bcrypt.jsonl", "prefix=dj_ lookup=first:8 length=43 alphabet=alphanumeric", ""),
    ("better-auth.jsonl", "better-auth", ""),
];
/// The key of the rows of `keyed.jsonl`.
const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";

fn rows(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/imports").join(file)
}

/// The id and the text of each token of a file.
fn tokens(file: &str) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(rows(file).with_extension("tokens")).expect("the tokens");
    let pair = |line: &str| line.split_once(' ').map(|(id, token)| (id.to_owned(), token.to_owned()));
    text.lines().map(|line| pair(line).expect("an id and a token")).collect()
}

fn folder() -> Folder {
    let folder = Folder::new();
    let settings = "[token]\npepper_files = [\"pepper\"]\n\
                    [lifetime]\nmax_days = 0\ndefault_days = 0\nallow_never = true\n";
    std::fs::write(folder.path("tokenry.toml"), settings).expect("a file");
    let pepper = "old:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    std::fs::write(folder.path("pepper"), pepper).expect("a file");
    folder
}

/// The service on the folder's database, as a server with these settings.
fn server(folder: &Folder) -> Tokenry {
    let url = format!("sqlite://{}", folder.path("tokenry.db").display());
    server_on(Store::open(&url.parse().expect("a database"), StoreSettings::default()).expect("a store"))
}

fn server_on(store: impl Into<Store>) -> Tokenry {
    let peppers = vec![Pepper::new("old", KEY.to_vec()).expect("a key")];
    let hash = HashSettings::new(Scheme::Bcrypt).with_peppers(peppers);
    let policy = Policy::default().with_max_lifetime(None).with_default_lifetime(None).with_allow_never(true);
    Tokenry::new(store, Settings::default().with_hash(hash).with_policy(policy)).expect("a service")
}

fn import(folder: &Folder, file: &str, shape: &str, options: &str) -> serde_json::Value {
    let source = file.split('.').next().unwrap_or_default();
    let mut command = folder.tokenry();
    command.arg("import").arg(rows(file)).args(["--source", source, "--shape", shape, "--output", "json"]);
    let assert = command.args(["--create-users"]).args(options.split_whitespace()).assert().success();
    serde_json::from_slice(&assert.get_output().stdout).expect("a report")
}

#[test]
fn tokens_of_fifteen_files_of_other_systems_verify_after_their_import() {
    let folder = folder();
    for (file, shape, options) in FILES {
        let planned = import(&folder, file, shape, &format!("{options} --dry-run"));
        assert_eq!((&planned["imported"], &planned["dry_run"]), (&5.into(), &true.into()), "{file}");
        let report = import(&folder, file, shape, options);
        assert_eq!(report["imported"], 5, "{file}: {report}");
        let again = import(&folder, file, shape, options);
        assert_eq!((&again["imported"], &again["imported_before"]), (&0.into(), &5.into()), "{file}");
    }
    assert_eq!(folder.json("token list --limit 1")["total"], 75);
    let server = server(&folder);
    let now = tokenry_actix::clock::now();
    let verify = |text: &str| server.verify_blocking(text.as_bytes(), now, None);
    for (file, ..) in FILES {
        // Slow hashes are those of the real systems: two of each are enough.
        for (id, text) in tokens(file).into_iter().take(2) {
            // The second one of this file is not active.
            let is_active = !(file == "model-server.jsonl" && id == "1");
            let verified = verify(&text);
            assert_eq!(verified.is_ok(), is_active, "{file}: {text}: {:?}", verified.err());
            let mut wrong = text.clone().into_bytes();
            if let Some(byte) = wrong.get_mut(text.len() - 10) {
                *byte = if *byte == b'0' { b'1' } else { b'0' };
            }
            assert!(verify(&String::from_utf8_lossy(&wrong)).is_err(), "{file}: {text}");
            folder.tokenry().args(["check", "-"]).write_stdin(text).assert().code(0).stdout("");
        }
    }
    let scopes = |file: &str| {
        let (_, text) = tokens(file).swap_remove(0);
        verify(&text).expect("a token").token().scopes.to_texts()
    };
    assert_eq!(scopes("requirements-server.jsonl"), ["full_access"]);
    assert_eq!(scopes("model-server.jsonl"), ["chat:write", "models:read"]);
    assert_eq!(scopes("gitea.csv"), ["projects:read"]);
    assert!(scopes("notebook-app.jsonl").is_empty());
    assert_eq!(folder.end("audit verify").0, 0);
    assert_eq!(folder.end("doctor").0, 0);
}

#[test]
fn rows_that_are_refused_stop_an_import_unless_they_are_skipped() {
    let folder = folder();
    let good = std::fs::read_to_string(rows("notebook-app.jsonl")).expect("rows");
    let bad = "{\"id\":\"x\",\"owner\":\"ann\",\"name\":\"n\",\"hash\":\"5ec7e7\",\"scheme\":\"sha256\"}\n";
    let arguments = "import - --source notebook --create-users --shape";
    let shape = "prefix=nllm_ lookup=sha256 length=48 alphabet=base64url";
    let run = |options: &[&str]| {
        let mut command = folder.tokenry();
        command.args(arguments.split_whitespace()).arg(shape).args(options);
        command.write_stdin(format!("{good}{bad}")).assert().code(5)
    };
    let assert = run(&[]);
    let text = String::from_utf8_lossy(&assert.get_output().stdout).into_owned()
        + &String::from_utf8_lossy(&assert.get_output().stderr);
    assert!(text.contains("line 6 (x)") && text.contains("nothing was imported"), "{text}");
    assert!(!text.contains("5ec7e7"), "{text}");
    assert_eq!(folder.json("token list")["total"], 0);
    run(&["--skip-refused"]);
    assert_eq!(folder.json("token list")["total"], 5);
}

#[test]
fn an_export_has_the_rows_of_an_import_and_no_secret() {
    let folder = folder();
    import(&folder, "notebook-app.jsonl", FILES[1].1, "");
    folder.output("user add =cmd");
    let secret = folder.output("token create --user =cmd --name own --scope a:read");
    let lines = folder.output("export");
    assert_eq!(lines.lines().count(), 6);
    let rows: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).expect("a row")).collect();
    let own = rows.iter().find(|row| row["name"] == "own").expect("the own token");
    assert_eq!((&own["owner"], &own["scopes"][0]), (&"=cmd".into(), &"a:read".into()));
    let (_, token) = tokens("notebook-app.jsonl").swap_remove(0);
    assert!(rows.iter().any(|row| row["prefix"] == token[..9] && row["suffix"] == token[44..]), "{lines}");
    let csv = folder.output("export --format csv");
    assert!(csv.starts_with("id,owner,name,") && csv.contains(",'=cmd,"), "{csv}");
    for text in [lines.clone(), csv] {
        assert!(!text.contains(secret.trim()) && !text.contains(&token) && !text.contains("$"), "{text}");
        assert!(!text.contains("hash"), "{text}");
    }
    // The rows are read, and refused because nothing could be verified with them.
    let mut command = folder.tokenry();
    command.args(["import", "-", "--source", "copy", "--shape", "sanctum"]);
    let assert = command.write_stdin(lines).assert().code(5);
    let text = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
    assert!(text.contains("hash: is missing; an export has none"), "{text}");
}

each_backend!(a_token_that_was_revoked_or_has_expired_stays_dead_when_an_export_is_imported, |db| {
    let folder = folder();
    let run = |arguments: &[&str], input: &str| {
        let mut command = folder.tokenry();
        command.args(arguments).env("TOKENRY_DATABASE_URL", db.url()).write_stdin(input);
        String::from_utf8(command.assert().success().get_output().stdout.clone()).expect("UTF-8")
    };
    let import = |source: &str, rows: &[serde_json::Value]| -> serde_json::Value {
        let text: String = rows.iter().map(|row| format!("{row}\n")).collect();
        let arguments = ["import", "-", "--source", source, "--create-users", "--output", "json", "--shape"];
        let shape = "prefix=hcpat_ lookup=sha256 length=70 alphabet=hex";
        serde_json::from_str(&run(&[&arguments[..], &[shape]].concat(), &text)).expect("a report")
    };
    let text = std::fs::read_to_string(rows("automation-server.jsonl")).expect("rows");
    let mut given: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("a row")).collect();
    given[2]["expires_at"] = "2026-01-01T00:00:00Z".into();
    given[3]["not_before"] = "2100-01-01T00:00:00Z".into();
    given[4]["allowed_ips"] = vec!["10.0.0.0/8"].into();
    assert_eq!(import("first", &given)["imported"], 5);
    let server = server_on(db.second_store());
    let verify = |number: usize| {
        let (_, text) = tokens("automation-server.jsonl").swap_remove(number);
        let source = "10.1.2.3".parse().ok();
        server.verify_blocking(text.as_bytes(), tokenry_actix::clock::now(), source)
    };
    let [revoked, paused] = [0, 1].map(|number| verify(number).expect("a token").token().id.to_string());
    run(&["token", "revoke", &revoked, "--yes"], "");
    run(&["token", "update", &paused, "--inactive"], "");

    let exported = run(&["export"], "");
    let mut exported: Vec<serde_json::Value> =
        exported.lines().map(|line| serde_json::from_str(line).expect("a row")).collect();
    let said = |name: &str| {
        let row = exported.iter().find(|row| row["name"] == name).expect("a row");
        (row["status"].as_str().expect("a status").to_owned(), row["active"] == true)
    };
    let expected =
        [("revoked", false), ("inactive", false), ("expired", true), ("pending", true), ("active", true)];
    for (number, (status, is_active)) in expected.into_iter().enumerate() {
        assert_eq!(said(&format!("token {number}")), (status.to_owned(), is_active));
    }
    // Who has the hashes can move the tokens; here to the same database after their owners were deleted.
    for row in &mut exported {
        let same = given.iter().find(|given| given["name"] == row["name"]).expect("a row");
        row["hash"] = same["hash"].clone();
        row["scheme"] = "sha256".into();
    }
    let owners: std::collections::HashSet<_> = given.iter().filter_map(|row| row["owner"].as_str()).collect();
    owners.into_iter().for_each(|owner| drop(run(&["user", "delete", owner, "--yes"], "")));
    for number in 0..5 {
        assert!(matches!(verify(number), Err(VerifyError::Rejected(Rejection::Unknown))));
    }
    let report = import("second", &exported);
    assert_eq!((&report["imported"], &report["ended"]), (&3.into(), &2.into()), "{report}");
    let outcome = |number: usize| match verify(number) {
        Ok(_) => "accepted",
        Err(VerifyError::Rejected(Rejection::Unknown)) => "unknown",
        Err(VerifyError::Rejected(Rejection::Inactive)) => "inactive",
        Err(VerifyError::Rejected(Rejection::Pending)) => "pending",
        Err(error) => panic!("{number}: {error:?}"),
    };
    assert_eq!([0, 1, 2, 3, 4].map(outcome), ["unknown", "inactive", "unknown", "pending", "accepted"]);
    let (_, restricted) = tokens("automation-server.jsonl").swap_remove(4);
    let elsewhere = server.verify_blocking(restricted.as_bytes(), tokenry_actix::clock::now(), None);
    assert!(elsewhere.is_err(), "the allowed addresses were lost");
});
