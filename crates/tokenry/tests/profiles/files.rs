//! Profiles as files: list, show, check, init, and a sixth one that no program knows.

use std::{fs, path::Path, process::Command};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokenry_testkit::each_backend;

use crate::product::Product;

const NAMES: [&str; 5] = ["code-automation", "control-plane", "local-model", "notebook", "requirements"];

/// A profile as somebody writes it from the guide.
const SIXTH: &str = r#"# Data platform: dp_ tokens for pipelines

[token]
prefix = "dp_"
hash = "sha256"

[api]
tokens_path = "/v2/keys"

[api.fields]
token = "secret_key"
name = "label"

[identity_headers]
subject = "X-Dp-User"

[lifetime]
default_days = 7
max_days = 30

[catalog]
levels = ["view", "edit"]
default_scopes = ["viewer"]

[[catalog.resources]]
name = "pipelines"

[[catalog.named_scopes]]
name = "viewer"
scopes = ["pipelines:view"]

[[catalog.roles]]
name = "user"
scopes = ["pipelines:edit", "tokens:write"]

[[catalog.roles]]
name = "admin"
scopes = ["*"]
"#;

/// Status, output and messages of a command in this folder.
fn run(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tokenry"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TOKENRY_")) {
        command.env_remove(name);
    }
    let output = command.env_remove("DATABASE_URL").args(args).current_dir(folder).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

each_backend!(a_profile_in_a_file_needs_no_change_of_the_program, |db| {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("platform.toml");
    fs::write(&file, SIXTH).unwrap();
    assert_eq!(run(folder.path(), &["profile", "check", "./platform.toml"]).0, 0);
    let (status, listed, _) = run(folder.path(), &["profile", "list", ".", "--output", "json"]);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(
        (status, &listed["data"][0]["description"]),
        (0, &json!("Data platform: dp_ tokens for pipelines"))
    );

    let product = Product::start(db, file.to_str().unwrap(), &["user", "admin"], "");
    let ada = product.jwt("ada", "user");
    let created = product.call("POST", "/v2/keys", &ada, &json!({"label": "etl"})).is(201);
    assert!(created.text("secret_key").starts_with("dp_"));
    assert_eq!((created.text("label"), &created.body["scopes"]), ("etl".to_owned(), &json!(["viewer"])));
    let answer = product.get("/auth/nginx?scope=pipelines:view", &created.text("secret_key")).is(200);
    assert_eq!(answer.header("x-dp-user"), "login:ada");
    product.get("/auth/nginx?scope=pipelines:edit", &created.text("secret_key")).is(403);
    product.call("POST", "/v2/keys", &ada, &json!({"label": "x", "expires_in_days": 31})).is(422);
});

each_backend!(the_file_of_the_user_takes_precedence_over_the_profile, |db| {
    let more = "[token]\nprefix = \"own_\"\n[lifetime]\ndefault_days = 3\nmax_days = 3\nallow_never = false";
    let product = Product::start(db, "notebook", &["user", "admin"], more);
    let created =
        product.call("POST", "/api/auth/tokens", &product.jwt("ada", "user"), &json!({"name": "a"})).is(201);
    assert!(created.text("token").starts_with("own_") && created.body["expires_at"].is_string());
    assert_eq!(created.body["scopes"], json!(["full_access"]), "the rest is of the profile");
});

#[test]
fn every_built_in_profile_is_listed_shown_and_valid() {
    let folder = TempDir::new().unwrap();
    let (status, names, _) = run(folder.path(), &["profile", "list", "--output", "name"]);
    assert_eq!((status, names.lines().collect::<Vec<_>>()), (0, NAMES.to_vec()));
    let (_, table, _) = run(folder.path(), &["profile", "list"]);
    assert!(table.starts_with("NAME") && table.contains("hcpat_ tokens"), "{table}");
    for name in NAMES {
        let (status, text, _) = run(folder.path(), &["profile", "show", name]);
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../docs/profiles/{name}.toml"));
        assert_eq!((status, text), (0, fs::read_to_string(file).unwrap()));
        let (status, _, notes) = run(folder.path(), &["profile", "check", name]);
        assert_eq!(status, 0, "{notes}");
    }
}

#[test]
fn the_environment_names_a_profile_and_a_flag_takes_precedence() {
    let folder = TempDir::new().unwrap();
    let prefix = |variable: &str, args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tokenry"));
        command.env("TOKENRY_PROFILE", variable).env_remove("DATABASE_URL").current_dir(folder.path());
        let create = ["token", "create", "--user", "ada", "--name", "a", "--quiet"];
        let output = command.args(create).args(args).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text[..text.len().saturating_sub(62)].to_owned()
    };
    assert_eq!(run(folder.path(), &["user", "add", "ada"]).0, 0);
    assert_eq!(prefix("notebook", &[]), "nllm_");
    assert_eq!(prefix("notebook", &["--profile", "code-automation"]), "hcpat_");
    assert_eq!(prefix("", &[]), "pat_");
}

#[test]
fn all_faults_of_a_profile_are_reported_at_once() {
    let folder = TempDir::new().unwrap();
    let faults = "# Faulty\n[token]\nprefix = \"No\"\nsalt = 1\n[api]\ntokens_path = \"/api/v1/users\"\n\
                  scopes_format = \"csv\"\n[api.fields]\ntoken = \"id\"\n[identity_headers]\nuser = \"Cookie\"\n\
                  [page]\nlanguage = \"tlh\"\n[[catalog.named_scopes]]\nname = \"a\"\nscopes = [\"b\"]\n";
    fs::write(folder.path().join("faulty.toml"), faults).unwrap();
    let (status, _, notes) = run(folder.path(), &["profile", "check", "faulty.toml"]);
    assert_eq!(status, 2, "{notes}");
    for fault in [
        "[token] prefix: must be words",
        "[token] salt: is not a setting",
        "[api] tokens_path: collides with the route /api/v1/users",
        "[api] scopes_format: must be list or text (faulty.toml:7)",
        "[identity_headers] user: is a header that HTTP or proxies use",
        "[page] language: must be auto, en or zh (faulty.toml:13)",
        "[[catalog.named_scopes]] scopes: there is no scope b (faulty.toml:16)",
    ] {
        assert!(notes.contains(fault), "{fault} in {notes}");
    }
    fs::write(folder.path().join("names.toml"), "[api.fields]\ntoken = \"id\"\n").unwrap();
    let (_, _, notes) = run(folder.path(), &["profile", "check", "names.toml"]);
    assert!(notes.contains("api.fields: id would be the name of two fields (names.toml:1)"), "{notes}");
}

#[test]
fn an_unknown_profile_is_named_with_the_nearest() {
    let folder = TempDir::new().unwrap();
    for args in [
        &["profile", "show", "notebok"][..],
        &["profile", "check", "notebok"],
        &["init", "--profile", "notebok"],
        &["openapi", "--profile", "notebok"],
    ] {
        let (status, _, notes) = run(folder.path(), args);
        assert_ne!(status, 0, "{args:?}");
        assert!(notes.contains("there is no profile notebok; the nearest is notebook"), "{args:?} {notes}");
    }
    let (status, _, notes) = run(folder.path(), &["profile", "show", "./none.toml"]);
    assert_eq!(status, 2, "{notes}");
    assert!(!folder.path().join("tokenry.toml").exists());
}

#[test]
fn init_writes_a_commented_file_that_works_and_never_replaces_one() {
    let folder = TempDir::new().unwrap();
    for name in NAMES {
        let file = format!("{name}.toml");
        assert_eq!(run(folder.path(), &["init", &file, "--profile", name]).0, 0);
        let text = fs::read_to_string(folder.path().join(&file)).unwrap();
        assert!(text.lines().filter(|line| line.starts_with('#')).count() > 3, "{text}");
        assert!(text.contains("listen = ") && text.contains("prefix = "), "{text}");
        // It is a file of settings, with and without the profile.
        assert_eq!(run(folder.path(), &["profile", "check", &format!("./{file}")]).0, 0);
        let (status, _, notes) = run(folder.path(), &["init", &file, "--profile", name]);
        assert_eq!(status, 1, "{notes}");
        assert_eq!(fs::read_to_string(folder.path().join(&file)).unwrap(), text);
    }
    assert_eq!(run(folder.path(), &["init"]).0, 0);
    assert_eq!(run(folder.path(), &["profile", "check", "./tokenry.toml"]).0, 0);
}
