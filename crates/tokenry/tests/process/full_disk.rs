//! An import whose files may not grow beyond a size: its writes fail in the middle, as on a full disk.

use std::{
    fmt::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokenry_service::{Rejection, Settings, Tokenry, VerifyError};
use tokenry_testkit::TestDatabase;

use crate::server::configure;

const ROWS: usize = 6000;
/// In units of 512 bytes: more than the empty database, and less than the imported rows.
const LIMIT: &str = "4096";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn token(number: usize) -> String {
    format!("app_{}", hex(&Sha256::digest(format!("row {number}"))))
}

fn rows() -> String {
    let row = |number: usize| {
        let hash = hex(&Sha256::digest(token(number)));
        format!(
            "{{\"id\":{number},\"owner\":\"ann\",\"name\":\"t {number}\",\"hash\":\"{hash}\",\"scheme\":\"sha256\"}}\n"
        )
    };
    (0..ROWS).map(row).collect()
}

/// Runs the program; `limit` bounds the size of each file that it writes. Without the trap the system would kill it.
fn run(folder: &Path, url: &str, limit: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new("sh");
    configure(&mut command, folder, url);
    let script = "trap '' XFSZ; ulimit -f \"$0\" && exec \"$@\"";
    command.args(["-c", script, limit, env!("CARGO_BIN_EXE_tokenry")]).args(arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap()
}

#[test]
fn an_import_that_runs_out_of_space_activates_nothing_and_the_same_command_resumes_it() {
    let db = TestDatabase::sqlite();
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("rows.jsonl"), rows()).unwrap();
    let shape = "prefix=app_ lookup=sha256 length=68 alphabet=hex";
    let arguments =
        ["import", "rows.jsonl", "--source", "app", "--create-users", "--output", "json", "--shape", shape];

    let full = run(folder.path(), db.url(), LIMIT, &arguments);
    let text = String::from_utf8_lossy(&full.stderr).into_owned();
    assert!(!full.status.success() && full.status.code().is_some(), "{:?} {text}", full.status);
    for part in ["disk", "full", "no token was activated; run the same command again to resume it"] {
        assert!(text.contains(part), "{text}");
    }

    let tokenry = Tokenry::new(db.second_store(), Settings::default()).unwrap();
    let now = tokenry_actix::clock::now();
    let outcomes = |is_expected: fn(&Result<(), VerifyError>) -> bool| {
        let verify = |number| tokenry.verify_blocking(token(number).as_bytes(), now, None).map(|_| ());
        (0..ROWS).map(verify).filter(is_expected).count()
    };
    let staged = outcomes(|result| matches!(result, Err(VerifyError::Rejected(Rejection::Inactive))));
    let missing = outcomes(|result| matches!(result, Err(VerifyError::Rejected(Rejection::Unknown))));
    assert_eq!(staged + missing, ROWS, "a token works before its import is complete");
    assert!(staged > 0 && missing > 0, "the space did not run out in the middle: {staged} staged");

    // The database is intact and open to others, and the import continues where it stopped.
    assert!(run(folder.path(), db.url(), "unlimited", &["user", "add", "bob"]).status.success());
    let resumed = run(folder.path(), db.url(), "unlimited", &arguments);
    let report: Value = serde_json::from_slice(&resumed.stdout).unwrap();
    assert_eq!((&report["imported"], &report["imported_before"]), (&ROWS.into(), &0.into()), "{report}");
    let tokenry = Tokenry::new(db.second_store(), Settings::default()).unwrap();
    let now = tokenry_actix::clock::now();
    assert!((0..ROWS).all(|number| tokenry.verify_blocking(token(number).as_bytes(), now, None).is_ok()));
    assert!(run(folder.path(), db.url(), "unlimited", &["audit", "verify"]).status.success());
}
