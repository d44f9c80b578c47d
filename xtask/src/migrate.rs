//! `cargo xtask migrate`: creates migrations for both databases, and runs the binary's own migration commands.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};

use crate::flags::{DatabaseFlags, MigrateAction};
use crate::{stamp, step, workspace};

/// The folders under `migrations/`. Every migration exists in both under the same name.
pub(crate) const BACKENDS: [&str; 2] = ["sqlite", "postgres"];

/// The two files of one migration.
pub(crate) const FILES: [&str; 2] = ["up.sql", "down.sql"];

pub(crate) fn run(action: &MigrateAction) -> Result<ExitCode> {
    match action {
        MigrateAction::Run(flags) => delegate("run", flags),
        MigrateAction::Revert(flags) => delegate("revert", flags),
        MigrateAction::Status(flags) => delegate("status", flags),
        MigrateAction::New { name } => {
            for path in create(&workspace::root(), &stamp::now(), name)? {
                println!("{path}");
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Runs the binary, because the migrations and the drivers are compiled into it.
fn delegate(action: &str, flags: &DatabaseFlags) -> Result<ExitCode> {
    let url = database_url(flags.database_url.as_deref(), |name| std::env::var(name).ok());
    let mut command = workspace::cargo();
    command.args(["run", "--quiet", "-p", "tokenry", "--", "migrate", action, "--database-url", &url]);
    // SECURITY: not `step::run`, which would print the URL with its password.
    let status = command.status().context("cannot run cargo")?;
    Ok(step::exit_code(status))
}

fn database_url(flag: Option<&str>, env: impl Fn(&str) -> Option<String>) -> String {
    let set = |name| env(name).filter(|url| !url.is_empty());
    flag.map(str::to_owned)
        .or_else(|| set("TOKENRY_DATABASE_URL"))
        .or_else(|| set("DATABASE_URL"))
        .unwrap_or_else(|| "sqlite://tokenry.db".to_owned())
}

/// Writes the four files of a new migration and returns their paths relative to `root`.
fn create(root: &Path, stamp: &str, name: &str) -> Result<Vec<String>> {
    ensure!(
        is_snake_case(name),
        "`{name}` is no migration name: use snake_case of a-z and 0-9, like add_token_note"
    );
    let folders = BACKENDS.map(|backend| format!("migrations/{backend}/{stamp}_{name}"));
    for folder in &folders {
        ensure!(!root.join(folder).exists(), "{folder} exists already");
    }
    let mut paths = Vec::new();
    for folder in &folders {
        fs::create_dir_all(root.join(folder)).with_context(|| format!("cannot make {folder}"))?;
        for file in FILES {
            let path = format!("{folder}/{file}");
            // Empty: tidy and the tests fail until the statements are written.
            fs::write(root.join(&path), "").with_context(|| format!("cannot write {path}"))?;
            paths.push(path);
        }
    }
    Ok(paths)
}

/// Words of a-z and 0-9 joined by single underscores, starting with a letter.
fn is_snake_case(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase()) && name.split('_').all(is_word)
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_snake_case() {
        for name in ["init", "add_token_note", "sha256_check"] {
            assert!(is_snake_case(name), "{name}");
        }
        for name in ["", "_a", "a_", "a__b", "AddNote", "add-note", "2fa", "../up", "a b", "é"] {
            assert!(!is_snake_case(name), "{name}");
        }
    }

    #[test]
    fn a_new_migration_has_four_files_and_is_never_overwritten() {
        let root = tempfile::tempdir().unwrap();
        let paths = create(root.path(), "2026-11-21-041530", "add_note").unwrap();
        assert_eq!(
            paths,
            [
                "migrations/sqlite/2026-11-21-041530_add_note/up.sql",
                "migrations/sqlite/2026-11-21-041530_add_note/down.sql",
                "migrations/postgres/2026-11-21-041530_add_note/up.sql",
                "migrations/postgres/2026-11-21-041530_add_note/down.sql",
            ]
        );
        assert!(paths.iter().all(|path| root.path().join(path).is_file()));
        assert!(create(root.path(), "2026-11-21-041530", "add_note").is_err());
        assert!(create(root.path(), "2026-11-21-041531", "Add Note").is_err());
    }

    #[test]
    fn the_flag_wins_over_the_environment() {
        let both = |name: &str| Some(format!("sqlite://{name}"));
        let second = |name: &str| (name == "DATABASE_URL").then(|| "sqlite://second".to_owned());
        assert_eq!(database_url(Some("sqlite://flag"), both), "sqlite://flag");
        assert_eq!(database_url(None, both), "sqlite://TOKENRY_DATABASE_URL");
        assert_eq!(database_url(None, second), "sqlite://second");
        assert_eq!(database_url(None, |_| Some(String::new())), "sqlite://tokenry.db");
    }
}
