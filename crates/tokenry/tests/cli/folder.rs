//! A separate working directory for each test.

use std::path::PathBuf;

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;
use tokenry_service::{Settings, Store, StoreSettings, Tokenry};

/// A folder in which the binary runs, with its own database.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().expect("a temporary folder"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The binary, without the variables of the test runner.
    pub(crate) fn tokenry(&self) -> Command {
        Command::from_std(self.process())
    }

    /// The same as a process that can be left running.
    pub(crate) fn process(&self) -> std::process::Command {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tokenry"));
        let inherited =
            std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TOKENRY_"));
        for (name, _) in inherited {
            command.env_remove(name);
        }
        command.env_remove("DATABASE_URL").env_remove("DATABASE_URL_FILE").current_dir(self.0.path());
        command
    }

    /// The standard output of this command line, which must succeed.
    pub(crate) fn output(&self, line: &str) -> String {
        let assert = self.tokenry().args(line.split_whitespace()).assert().success();
        String::from_utf8(assert.get_output().stdout.clone()).expect("UTF-8")
    }

    /// The same as JSON.
    pub(crate) fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.output(&format!("{line} --output json"))).expect("JSON")
    }

    /// The status, the standard output and the standard error of this command line.
    pub(crate) fn end(&self, line: &str) -> (i32, String, String) {
        let output = self.tokenry().args(line.split_whitespace()).output().expect("the binary starts");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        (output.status.code().expect("an exit status"), text(output.stdout), text(output.stderr))
    }

    /// The service on this folder's migrated database, for data that needs another clock.
    pub(crate) fn service(&self) -> Tokenry {
        let url = format!("sqlite://{}", self.path("tokenry.db").display());
        let store =
            Store::open(&url.parse().expect("a database"), StoreSettings::default()).expect("a store");
        store.migrate().expect("the tables");
        Tokenry::new(store, Settings::default()).expect("a service")
    }

    /// Replaces bytes of the closed database file by others of the same length.
    pub(crate) fn tamper(&self, from: &str, to: &str) {
        assert_eq!(from.len(), to.len());
        let path = self.path("tokenry.db");
        assert!(!self.path("tokenry.db-wal").exists(), "the last command left a log");
        let mut bytes = std::fs::read(&path).expect("a database");
        let matches: Vec<_> = bytes.windows(from.len()).map(|part| part == from.as_bytes()).collect();
        assert_eq!(matches.iter().filter(|is_it| **is_it).count(), 1, "{from}");
        let start = matches.iter().position(|is_it| *is_it).expect("one match");
        bytes.splice(start..start + to.len(), to.bytes());
        std::fs::write(path, bytes).expect("a changed database");
    }

    /// The status and the standard error of this command line, which must fail without standard output.
    pub(crate) fn failure(&self, line: &str) -> (i32, String) {
        let assert = self.tokenry().args(line.split_whitespace()).assert().failure().stdout("");
        let output = assert.get_output();
        (output.status.code().expect("an exit status"), String::from_utf8_lossy(&output.stderr).into_owned())
    }
}
