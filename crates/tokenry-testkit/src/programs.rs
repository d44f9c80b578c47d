//! Programs of other projects that tests run: installed ones, and those that `cargo xtask test` fetches.

use std::{
    env,
    path::{Path, PathBuf},
};

/// The path of the first of these programs that is installed, also in `sbin`, where distributions keep servers.
///
/// # Panics
/// Without any of them under `CI`.
#[must_use]
pub fn installed(names: &[&str]) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    find(&folders.collect::<Vec<_>>(), names)
}

/// The path of a module of Apache.
///
/// # Panics
/// Without it under `CI`.
#[must_use]
pub fn apache_module(name: &str) -> Option<PathBuf> {
    find(&["/usr/lib/apache2/modules", "/usr/lib64/httpd/modules"].map(PathBuf::from), &[name])
}

fn find(folders: &[PathBuf], names: &[&str]) -> Option<PathBuf> {
    let mut candidates = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    let found = candidates.find(|program| program.is_file());
    if found.is_none() {
        let names = names.join(" or ");
        assert!(!is_ci(), "{names} is missing, and on a build server that is a failure");
        eprintln!("SKIPPED: {names} is not installed (cargo xtask test installs it where it may)");
    }
    found
}

/// The folder with the packages that the lock file of `clients/NAME` pins, if all of them are there. `temporary` is
/// `CARGO_TARGET_TMPDIR` of the test.
///
/// # Panics
/// If some are missing under `CI`.
#[must_use]
pub fn fetched(temporary: &str, name: &str) -> Option<PathBuf> {
    let folder = Path::new(temporary).with_file_name("clients").join(name);
    let is_complete = folder.join("complete").is_file();
    if !is_complete {
        assert!(!is_ci(), "{} is incomplete, and on a build server that is a failure", folder.display());
        eprintln!("SKIPPED: the packages of clients/{name} are not there (cargo xtask test fetches them)");
    }
    is_complete.then_some(folder)
}

/// `true` on a build server, where a missing program is a failure.
fn is_ci() -> bool {
    env::var("CI").is_ok_and(|value| !["", "0", "false"].contains(&value.as_str()))
}
