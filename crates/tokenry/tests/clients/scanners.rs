//! The patterns of tokens in the programs that read them.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;
use tokenry_service::{PlainToken, Prefix, SecretRng};

use crate::packages;

/// The settings, and files with tokens and with texts that are none.
struct Tree {
    root: TempDir,
    /// Each token that a program must find, with its file and line.
    expected: BTreeSet<(String, u64, String)>,
}

fn token(prefix: &str) -> String {
    let prefix = Prefix::parse(prefix).unwrap();
    PlainToken::generate(&prefix, &mut SecretRng::os()).unwrap().reveal_once().to_string()
}

impl Tree {
    fn new() -> Self {
        let mut tree = Self { root: TempDir::new().unwrap(), expected: BTreeSet::new() };
        let settings = "[token]\nprefix = \"mcp_pat_\"\nformer_prefixes = [\"pat_\"]\n";
        fs::write(tree.root.path().join("tokenry.toml"), settings).unwrap();
        fs::create_dir(tree.files()).unwrap();
        for (name, before, after) in [
            ("a.json", "{\"token\": \"", "\"}"),
            ("url.txt", "https://h.test/?t=", "&u"),
            ("user.txt", "x https://me:", "@h.test/"),
            (".env", "export TOKEN=", ""),
            ("header.txt", "Authorization: Bearer ", "\n"),
            ("encoded.txt", "a%3D", "%0A"),
            ("escaped.txt", "\\n", "\\n"),
            ("quoted.txt", "'", "'\nlast\n"),
        ] {
            for prefix in ["mcp_pat_", "pat_"] {
                let (token, file) = (token(prefix), format!("{prefix}{name}"));
                fs::write(tree.files().join(&file), format!("first\n{before}{token}{after}")).unwrap();
                tree.expected.insert((file, 2, token));
            }
        }
        let whole = token("mcp_pat_");
        let lines = [
            format!("{}…{}", &whole[..20], &whole[65..]),
            whole[..68].to_owned(),
            format!("{whole}x"),
            format!("mcp_pat_{}", "x".repeat(61)),
            token("other_"),
        ];
        fs::write(tree.files().join("none.txt"), lines.join("\n")).unwrap();
        tree
    }

    fn files(&self) -> PathBuf {
        self.root.path().join("files")
    }

    /// Stores what `tokenry patterns` prints under this name.
    fn patterns(&self, format: &str, name: &str) -> PathBuf {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tokenry"));
        command.args(["patterns", "--format", format]).current_dir(self.root.path());
        let path = self.root.path().join(name);
        fs::write(&path, packages::run(&mut command, None)).unwrap();
        path
    }
}

/// What a program prints, whether or not it calls findings a failure.
#[track_caller]
fn output(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code().is_some_and(|code| code < 2), "{command:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

fn name(path: &str) -> String {
    Path::new(path).file_name().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn gitleaks_finds_whole_tokens_and_nothing_else() {
    // Only without its packages, which is an error on a build server.
    let Some(programs) = packages::scanners_python() else { return };
    let tree = Tree::new();
    let mut scan = Command::new(programs.join("gitleaks"));
    scan.arg("dir").arg(tree.files()).arg("--config").arg(tree.patterns("gitleaks", "gitleaks.toml"));
    scan.args(["--no-banner", "--report-format", "json", "--report-path", "-"]);
    let report: Value = serde_json::from_str(&output(&mut scan)).unwrap();
    let findings = report.as_array().unwrap().iter();
    let found: BTreeSet<_> = findings
        .filter(|finding| finding["RuleID"] == "tokenry-mcp-pat")
        .map(|finding| {
            let text = |key: &str| finding[key].as_str().unwrap();
            (name(text("File")), finding["StartLine"].as_u64().unwrap(), text("Secret").to_owned())
        })
        .collect();
    assert_eq!(found, tree.expected);
}

#[test]
fn detect_secrets_finds_whole_tokens_with_a_valid_checksum() {
    // Only without its packages, which is an error on a build server.
    let Some(programs) = packages::scanners_python() else { return };
    let tree = Tree::new();
    // A typo, which only the checksum detects.
    let mut typo = token("pat_");
    typo.replace_range(20..21, if &typo[20..21] == "a" { "b" } else { "a" });
    fs::write(tree.files().join("typo.txt"), typo).unwrap();
    let mut scan = Command::new(programs.join("detect-secrets"));
    scan.args(["scan", "--all-files", "--plugin"]).arg(tree.patterns("detect-secrets", "plugin.py"));
    // It searches only below the working directory.
    scan.arg("files").current_dir(tree.root.path());
    let report: Value = serde_json::from_str(&output(&mut scan)).unwrap();
    // It reports the SHA-1 of each secret.
    let hashes = "import hashlib, sys\nfor t in sys.argv[1:]: print(hashlib.sha1(t.encode()).hexdigest())";
    let tokens = tree.expected.iter().map(|(_, _, token)| token.as_str());
    let hashes = output(Command::new(programs.join("python")).args(["-c", hashes]).args(tokens));
    let expected: BTreeSet<_> = tree
        .expected
        .iter()
        .zip(hashes.lines())
        .map(|((file, line, _), hash)| (file.clone(), *line, hash.to_owned()))
        .collect();
    let files = report["results"].as_object().unwrap().values();
    let found: BTreeSet<_> = files
        .flat_map(|findings| findings.as_array().unwrap())
        .filter(|finding| finding["type"] == "Personal access token of Tokenry (mcp_pat_)")
        .map(|finding| {
            let text = |key: &str| finding[key].as_str().unwrap();
            let line = finding["line_number"].as_u64().unwrap();
            (name(text("filename")), line, text("hashed_secret").to_owned())
        })
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn secretlint_finds_whole_tokens_and_nothing_else() {
    // Only without its packages, which is an error on a build server.
    let Some(packages) = packages::scanners_node() else { return };
    let tree = Tree::new();
    let mut scan = Command::new("node");
    // From the folder of the packages, where it finds its rule.
    scan.arg("node_modules/.bin/secretlint").current_dir(packages);
    scan.arg("--secretlintrc").arg(tree.patterns("secretlint", ".secretlintrc.json"));
    scan.args(["--format", "json"]);
    scan.args(fs::read_dir(tree.files()).unwrap().map(|entry| entry.unwrap().path()));
    let report: Value = serde_json::from_str(&output(&mut scan)).unwrap();
    let mut found = BTreeSet::new();
    for file in report.as_array().unwrap() {
        let text: Vec<u16> = file["sourceContent"].as_str().unwrap().encode_utf16().collect();
        for message in file["messages"].as_array().unwrap() {
            let at = |index: usize| usize::try_from(message["range"][index].as_u64().unwrap()).unwrap();
            let token = String::from_utf16(&text[at(0)..at(1)]).unwrap();
            let line = message["loc"]["start"]["line"].as_u64().unwrap();
            found.insert((name(file["filePath"].as_str().unwrap()), line, token));
        }
    }
    assert_eq!(found, tree.expected);
}

#[test]
fn the_regular_expression_finds_whole_tokens_in_python_and_javascript() {
    // Only without their packages, which is an error on a build server.
    let (Some(programs), Some(_)) = (packages::scanners_python(), packages::scanners_node()) else { return };
    let tree = Tree::new();
    let expression = fs::read_to_string(tree.patterns("regex", "regex")).unwrap().trim().to_owned();
    let python =
        "import re, sys\nfor m in re.finditer(sys.argv[1], open(sys.argv[2]).read()): print(m.group())";
    let script = packages::sources().join("scanners/node/match.js");
    for entry in fs::read_dir(tree.files()).unwrap() {
        let file = entry.unwrap().path();
        let name = name(file.to_str().unwrap());
        let of_file = tree.expected.iter().filter(|(own, _, _)| *own == name);
        let expected: Vec<_> = of_file.map(|(_, _, token)| token.as_str()).collect();
        let mut in_python = Command::new(programs.join("python"));
        in_python.args(["-c", python, &expression]).arg(&file);
        let mut in_javascript = Command::new("node");
        in_javascript.arg(&script).arg(&expression).arg(&file);
        for command in [&mut in_python, &mut in_javascript] {
            assert_eq!(output(command).lines().collect::<Vec<_>>(), expected, "{name}");
        }
    }
}
