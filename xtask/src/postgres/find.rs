//! Finds an installed PostgreSQL server: distributions keep its programs off the PATH.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Folders with one version each. Every `*` is one path component; the newest version is tried first.
const BIN_FOLDERS: &[&str] = &[
    "/usr/lib/postgresql/*/bin",                          // Debian, Ubuntu
    "/usr/pgsql-*/bin",                                   // PostgreSQL's own packages for Fedora and RHEL
    "/usr/libexec/postgresql*",                           // Alpine
    "/opt/homebrew/opt/postgresql@*/bin",                 // Homebrew on ARM
    "/usr/local/opt/postgresql@*/bin",                    // Homebrew on Intel
    "/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",    // Homebrew on Linux
    "/Applications/Postgres.app/Contents/Versions/*/bin", // Postgres.app
];

/// The folder of `initdb`, `pg_ctl` and `postgres`: that of `pg_config`, else of PATH, else the newest well-known one.
pub(crate) fn bin_dir() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut candidates: Vec<PathBuf> = pg_config().into_iter().collect();
    candidates.extend(env::split_paths(&path));
    candidates.extend(BIN_FOLDERS.iter().flat_map(|pattern| expand(pattern)));
    candidates.into_iter().find(|folder| has_server(folder))
}

/// `pg_config` also comes with the client library alone, so its folder is only a candidate.
fn pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| PathBuf::from(text.trim()))
}

fn has_server(folder: &Path) -> bool {
    ["initdb", "pg_ctl", "postgres"].iter().all(|program| folder.join(program).is_file())
}

/// The existing folders that match `pattern`, newest version first.
fn expand(pattern: &str) -> Vec<PathBuf> {
    let Some((before, after)) = pattern.split_once('*') else { return Vec::new() };
    let Some((parent, prefix)) = before.rsplit_once('/') else { return Vec::new() };
    let Ok(entries) = fs::read_dir(parent) else { return Vec::new() };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut found: Vec<_> = names
        .filter_map(|name| {
            let version = version(name.strip_prefix(prefix)?)?;
            Some((version, PathBuf::from(format!("{parent}/{name}{after}"))))
        })
        .collect();
    found.sort_by(|left, right| right.cmp(left));
    found.into_iter().map(|(_, folder)| folder).collect()
}

/// `"9.6"` as `[9, 6]`: in text order, 9 would be newer than 18.
fn version(text: &str) -> Option<Vec<u32>> {
    text.split('.').map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_comes_first() {
        let root = tempfile::tempdir().unwrap();
        for name in ["pgsql-9.6", "pgsql-15", "pgsql-18", "pgsql-latest", "other-20"] {
            fs::create_dir(root.path().join(name)).unwrap();
        }
        let root = root.path().to_str().unwrap();
        let found = expand(&format!("{root}/pgsql-*/bin"));
        let expected =
            ["18", "15", "9.6"].map(|version| PathBuf::from(format!("{root}/pgsql-{version}/bin")));
        assert_eq!(found, expected);
        assert!(expand("/no/such/place/*/bin").is_empty());
    }

    #[test]
    fn a_folder_counts_only_with_all_programs() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("initdb"), "").unwrap();
        fs::write(folder.path().join("pg_ctl"), "").unwrap();
        assert!(!has_server(folder.path()));
        fs::write(folder.path().join("postgres"), "").unwrap();
        assert!(has_server(folder.path()));
    }
}
