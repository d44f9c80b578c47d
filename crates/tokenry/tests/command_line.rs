//! The binary as a script sees it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use assert_cmd::Command;

/// The binary in an empty folder, without the variables of whoever runs the test.
fn tokenry(folder: &tempfile::TempDir) -> Command {
    let mut command =
        Command::cargo_bin("tokenry").expect("cargo builds the binary of the package under test");
    let inherited = std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TOKENRY_"));
    for (name, _) in inherited {
        command.env_remove(name);
    }
    command.env_remove("DATABASE_URL").current_dir(folder.path());
    command
}

fn folder() -> tempfile::TempDir {
    tempfile::TempDir::new().expect("a temporary folder")
}

#[test]
fn wrong_settings_are_told_line_by_line_with_status_2() {
    let folder = folder();
    std::fs::write(folder.path().join("tokenry.toml"), "[token]\nprefix = \"X\"\nhash = \"md5\"\n")
        .expect("a file");
    let assert = tokenry(&folder).args(["serve"]).env("TOKENRY_LISTN", "x").assert().code(2).stdout("");
    let text = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(lines.iter().all(|line| line.starts_with("tokenry: configuration: ")), "{text}");
    assert!(
        text.contains("configuration: [token] prefix: must be") && text.contains("TOKENRY_LISTEN"),
        "{text}"
    );
}

#[test]
fn failures_are_problem_documents_where_json_is_asked_for() {
    for (arguments, code) in [
        (vec!["token", "list", "--output", "json", "--config", "missing.toml"], "configuration"),
        (vec!["token", "list", "--output=json", "--limit", "0"], "usage"),
        (vec!["--output", "json", "nonsense"], "usage"),
    ] {
        let assert = tokenry(&folder()).args(&arguments).assert().code(2).stdout("");
        let problem: serde_json::Value =
            serde_json::from_slice(&assert.get_output().stderr).expect("a problem document");
        assert_eq!(problem["code"], code, "{problem}");
        assert!(problem["type"].is_string() && problem["title"].is_string() && problem["detail"].is_string());
    }
}

#[test]
fn help_and_completions_need_no_settings() {
    let folder = folder();
    std::fs::write(folder.path().join("tokenry.toml"), "nonsense").expect("a file");
    for arguments in
        [vec!["--help"], vec!["token", "create", "--help"], vec!["--version"], vec!["completions", "bash"]]
    {
        let assert = tokenry(&folder).args(&arguments).assert().code(0).stderr("");
        assert!(String::from_utf8_lossy(&assert.get_output().stdout).contains("tokenry"), "{arguments:?}");
    }
}

#[test]
fn a_token_given_as_an_argument_is_refused_and_not_repeated() {
    let assert = tokenry(&folder()).args(["check", "pat_hunter2"]).assert().code(2).stdout("");
    let text = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(text.contains("standard input") && !text.contains("hunter2"), "{text}");
}
