//! Errors and help before a command starts.

use crate::folder::Folder;

#[test]
fn invalid_settings_are_reported_line_by_line_with_status_2() {
    let folder = Folder::new();
    std::fs::write(folder.path("tokenry.toml"), "[token]\nprefix = \"X\"\nhash = \"md5\"\n").expect("a file");
    let assert = folder.tokenry().args(["serve"]).env("TOKENRY_LISTN", "x").assert().code(2).stdout("");
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
fn errors_are_problem_documents_with_json_output() {
    for (arguments, code) in [
        (vec!["token", "list", "--output", "json", "--config", "missing.toml"], "configuration"),
        (vec!["token", "list", "--output=json", "--limit", "0"], "usage"),
        (vec!["--output", "json", "nonsense"], "usage"),
    ] {
        let assert = Folder::new().tokenry().args(&arguments).assert().code(2).stdout("");
        let problem: serde_json::Value =
            serde_json::from_slice(&assert.get_output().stderr).expect("a problem document");
        assert_eq!(problem["code"], code, "{problem}");
        assert!(problem["type"].is_string() && problem["title"].is_string() && problem["detail"].is_string());
    }
}

#[test]
fn help_and_completions_need_no_settings() {
    let folder = Folder::new();
    std::fs::write(folder.path("tokenry.toml"), "nonsense").expect("a file");
    for arguments in
        [vec!["--help"], vec!["token", "create", "--help"], vec!["--version"], vec!["completions", "bash"]]
    {
        let assert = folder.tokenry().args(&arguments).assert().code(0).stderr("");
        assert!(String::from_utf8_lossy(&assert.get_output().stdout).contains("tokenry"), "{arguments:?}");
    }
}

#[test]
fn a_token_given_as_an_argument_is_rejected_and_not_quoted() {
    let assert = Folder::new().tokenry().args(["check", "pat_hunter2"]).assert().code(2).stdout("");
    let text = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(text.contains("standard input") && !text.contains("hunter2"), "{text}");
}
