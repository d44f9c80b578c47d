//! `scan` and `patterns`: tokens are found in files and never printed.

use std::{
    fs,
    io::{Read as _, Write as _},
    process::Stdio,
};

use crate::folder::Folder;

/// A folder with a user and a token of theirs.
fn with_token() -> (Folder, String) {
    let folder = Folder::new();
    folder.output("user add alice");
    let secret = folder.output("token create --user alice --name ci --quiet").trim().to_owned();
    fs::create_dir(folder.path("src")).expect("a folder");
    (folder, secret)
}

fn shown(secret: &str) -> String {
    format!("{}…{}", &secret[..16], &secret[secret.len() - 4..])
}

#[test]
fn tokens_are_found_by_their_checksum_also_in_hidden_and_ignored_files() {
    let (folder, secret) = with_token();
    let mut typo = secret.clone();
    typo.replace_range(20..21, if &secret[20..21] == "a" { "b" } else { "a" });
    for (name, text) in [
        (".gitignore", ".env\n".to_owned()),
        (".env", format!("A=1\nTOKEN={secret}\n")),
        ("code.py", format!("# {}\nurl = 'https://x.test/?t={secret}&u'\n", shown(&secret))),
        ("typo", typo),
        ("empty", String::new()),
    ] {
        fs::write(folder.path(&format!("src/{name}")), text).expect("a file");
    }
    fs::write(folder.path("src/binary"), format!("\0{secret}")).expect("a file");
    // No database is needed.
    fs::rename(folder.path("tokenry.db"), folder.path("other.db")).expect("a database");
    let (code, out, err) = folder.end("scan src");
    let lines: Vec<_> = out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
    let token = shown(&secret);
    assert_eq!(
        lines,
        [vec!["LOCATION", "TOKEN"], vec!["src/.env:2", &token], vec!["src/code.py:2", &token]],
        "{err}"
    );
    assert_eq!((code, err.lines().count()), (1, 1), "{err}");
    assert!(!folder.path("tokenry.db").exists(), "a scan creates no database");
    let (code, out, _) = folder.end("scan src --output json");
    let json: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, &json["files"], &json["skipped_binary"]), (1, &5.into(), &1.into()), "{json}");
    assert_eq!(json["data"][1], serde_json::json!({"path": "src/code.py", "line": 2, "shown": token}));
    assert_eq!(folder.end("scan src --output name").1, format!("{token}\n"));
    let (_, out, _) = folder.end("scan src --respect-gitignore");
    assert!(out.contains("code.py:2") && !out.contains(".env"), "{out}");
    assert_eq!(folder.end("scan src/typo src/empty src/binary"), (0, String::new(), String::new()));
}

#[test]
fn no_secret_is_printed_whatever_the_name_of_the_file() {
    let (folder, secret) = with_token();
    let name = format!("src/backup_{secret}.txt");
    fs::write(folder.path(&name), format!("{secret}\n")).expect("a file");
    fs::create_dir(folder.path(&format!("src/{}", &secret[..40]))).expect("a folder");
    fs::write(folder.path(&format!("src/{}/x", &secret[..40])), &secret).expect("a file");
    let missing = format!("src/{secret}");
    for line in [
        "scan src".to_owned(),
        "scan src --output json --status".to_owned(),
        format!("scan {name}"),
        format!("scan {missing}"),
        format!("scan {missing} src --output json"),
    ] {
        let (code, out, err) = folder.end(&line);
        assert!([1, 2].contains(&code), "{line}");
        for text in [&out, &err] {
            assert!(!text.contains(&secret[16..32]), "{line}: {text}");
        }
        assert!(format!("{out}{err}").contains(&secret[..16]), "{line}: {out}{err}");
    }
    assert!(folder.end("scan src").1.contains(&format!("src/backup_{}.txt (name)", shown(&secret))));
}

#[test]
fn the_status_of_a_scan_tells_tokens_from_errors() {
    let (folder, secret) = with_token();
    fs::write(folder.path("src/a"), &secret).expect("a file");
    let (code, out, err) = folder.end("scan nowhere src");
    assert_eq!((code, out.lines().count()), (2, 2), "{out}");
    assert!(err.contains("nowhere: No such file") && err.contains("1 token found"), "{err}");
    assert_eq!(folder.end("scan nowhere").0, 2);
    assert_eq!(folder.end("scan").0, 2);
    let (code, _, err) = folder.end("scan src --status --database-url sqlite://nowhere.db");
    assert!(code == 2 && err.contains("no such file"), "{err}");
    fs::write(folder.path("tokenry.toml"), "nonsense").expect("a file");
    assert_eq!(folder.end("scan src").0, 2);
}

#[test]
fn the_database_says_which_tokens_work() {
    let (folder, secret) = with_token();
    let id = folder.output("token list --output name").trim().to_owned();
    let rotated = folder.output(&format!("token rotate {id} --quiet")).trim().to_owned();
    let other = Folder::new();
    other.output("user add bob");
    let unknown = other.output("token create --user bob --name x --quiet").trim().to_owned();
    fs::write(folder.path("src/a"), format!("{secret}\n{rotated}\n{unknown}\n")).expect("a file");
    let rows = |folder: &Folder| {
        let (_, out, _) = folder.end("scan src --status --output json");
        let json: serde_json::Value = serde_json::from_str(&out).expect("JSON");
        let rows = json["data"].as_array().expect("rows").clone();
        rows.iter().map(|row| (row["status"].clone(), row["owner"].clone())).collect::<Vec<_>>()
    };
    let alice = serde_json::Value::from("alice");
    assert_eq!(
        rows(&folder),
        [
            ("rotated".into(), alice.clone()),
            ("active".into(), alice.clone()),
            ("unknown".into(), serde_json::Value::Null)
        ]
    );
    assert_eq!(folder.end("scan src --status --output name").1, format!("{id}\n"));
    folder.output(&format!("token revoke {id} --yes --quiet"));
    assert_eq!(rows(&folder)[1], ("revoked".into(), alice));
    assert_eq!(folder.end("scan src --status --output name").1, "");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_output_is_no_found_token() {
    let (folder, secret) = with_token();
    fs::write(folder.path("src/a"), &secret).expect("a file");
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("the device");
    let status = folder.process().args(["scan", "src"]).stdout(full).status().expect("the binary starts");
    assert_eq!(status.code(), Some(2));
}

#[cfg(unix)]
#[test]
fn links_are_followed_only_where_they_are_given() {
    use std::os::unix::fs::symlink;
    let (folder, secret) = with_token();
    fs::create_dir(folder.path("elsewhere")).expect("a folder");
    fs::write(folder.path("elsewhere/a"), &secret).expect("a file");
    symlink(folder.path("elsewhere"), folder.path("src/folder")).expect("a link");
    symlink(folder.path("elsewhere/a"), folder.path("src/file")).expect("a link");
    symlink(folder.path("src"), folder.path("src/loop")).expect("a link");
    symlink("nowhere", folder.path("src/broken")).expect("a link");
    assert_eq!(folder.end("scan src").0, 0);
    for given in ["src/folder", "src/file", "src/folder/"] {
        assert_eq!(folder.end(&format!("scan {given}")).0, 1, "{given}");
    }
    assert_eq!(folder.end("scan src/broken").0, 2);
}

#[test]
fn standard_input_is_searched_and_a_closed_output_is_no_error() {
    let (folder, secret) = with_token();
    let text = format!("{}\nAuthorization: Bearer {secret}\n", "x".repeat(3_000_000));
    let assert = folder.tokenry().args(["scan", "-"]).write_stdin(text).assert().code(1);
    let out = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
    assert!(out.contains("-:2 ") && out.contains(&shown(&secret)), "{out}");
    fs::write(folder.path("src/many"), format!("{secret}\n").repeat(20_000)).expect("a file");
    let mut process = folder
        .process()
        .args(["scan", "src", "--quiet"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    drop(process.stdout.take());
    let mut errors = String::new();
    process.stderr.take().expect("a pipe").read_to_string(&mut errors).expect("UTF-8");
    assert_eq!(process.wait().expect("an end").code(), Some(1), "{errors}");
    assert!(!errors.contains("panicked"), "{errors}");
}

#[test]
fn patterns_are_those_of_the_settings_and_need_no_database() {
    let folder = Folder::new();
    let mut file = fs::File::create(folder.path("tokenry.toml")).expect("a file");
    file.write_all(b"[token]\nprefix = \"mcp_pat_\"\n").expect("written");
    let expression = "mcp_pat_[A-Za-z0-9]{54}[AEIMQUYcgkosw048][0-4][A-Za-z0-9]{5}";
    assert_eq!(folder.output("patterns"), format!("{expression}(?![A-Za-z0-9])\n"));
    assert!(folder.output("patterns --format gitleaks").contains(expression));
    assert_eq!(folder.json("patterns")["patterns"][0]["name"], "tokenry-mcp-pat");
    assert!(!folder.path("tokenry.db").exists());
}

#[test]
fn imported_tokens_with_a_prefix_are_found() {
    let folder = Folder::new();
    folder.output("user add alice");
    let secret = format!("old_{}", "aB3x".repeat(10));
    let digest = <sha2::Sha256 as sha2::Digest>::digest(secret.as_bytes());
    let hash: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let row =
        serde_json::json!({"id": "1", "owner": "alice", "name": "old", "hash": hash, "scheme": "sha256"});
    fs::write(folder.path("rows.jsonl"), row.to_string()).expect("a file");
    let shape = "prefix=old_ lookup=sha256 length=44 alphabet=alphanumeric";
    let import = ["import", "rows.jsonl", "--source", "old", "--shape", shape, "--quiet"];
    folder.tokenry().args(import).assert().code(0);
    fs::write(folder.path("a"), format!("'{secret}' '{secret}x'")).expect("a file");
    let (code, out, _) = folder.end("scan a --status");
    assert_eq!((code, out.lines().count()), (1, 2), "{out}");
    assert!(out.contains("old_…") && out.contains("active  alice") && !out.contains("aB3xaB3x"), "{out}");
    assert!(folder.output("patterns").contains("old_[A-Za-z0-9]{40}(?![A-Za-z0-9])"));
}
