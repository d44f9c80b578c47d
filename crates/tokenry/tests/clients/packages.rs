//! The packages of other languages, fetched by `cargo xtask test` into `target/clients`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;
use tokenry_testkit::programs;

use crate::server::Server;

/// The folder `clients/` of the sources.
pub(crate) fn sources() -> PathBuf {
    root().join("clients")
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The interpreter with the packages of `clients/python`.
pub(crate) fn python() -> Option<PathBuf> {
    present("python", "bin/python")
}

/// The folder whose `node_modules` has the packages of `clients/node`.
fn node() -> Option<PathBuf> {
    present("node", "node_modules")?.parent().map(Path::to_owned)
}

/// A copy of these sources of `clients/node`, below the folder of their packages, where Node finds them.
pub(crate) fn node_copy(names: &[&str]) -> Option<TempDir> {
    let copy = TempDir::with_prefix_in("run-", node()?).unwrap();
    for name in names.iter().chain(&["package.json"]) {
        fs::copy(sources().join("node").join(name), copy.path().join(name)).unwrap();
    }
    Some(copy)
}

/// The folder whose `node_modules` has the packages of `clients/typescript`.
pub(crate) fn typescript() -> Option<PathBuf> {
    present("typescript", "node_modules")?.parent().map(Path::to_owned)
}

/// The interpreter with the packages of `clients/openapi/python`.
pub(crate) fn openapi_python() -> Option<PathBuf> {
    present("openapi/python", "bin/python")
}

/// The folder whose `node_modules` has the packages of `clients/openapi/node`.
pub(crate) fn openapi_node() -> Option<PathBuf> {
    present("openapi/node", "node_modules")?.parent().map(Path::to_owned)
}

/// The folder with the programs of the packages of `clients/scanners/python`.
pub(crate) fn scanners_python() -> Option<PathBuf> {
    present("scanners/python", "bin")
}

/// The folder whose `node_modules` has the packages of `clients/scanners/node`.
pub(crate) fn scanners_node() -> Option<PathBuf> {
    present("scanners/node", "node_modules")?.parent().map(Path::to_owned)
}

/// Copies the sources of a client, without what is built from them.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let name = entry.file_name();
        if ["node_modules", "build", "dist"].iter().any(|skipped| name == *skipped) {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &to.join(name));
        } else {
            fs::copy(entry.path(), to.join(name)).unwrap();
        }
    }
}

/// Runs a program, which must succeed, and returns what it prints. With a server it gets the address of the server and
/// a token with every scope.
#[track_caller]
pub(crate) fn run(command: &mut Command, server: Option<&Server>) -> String {
    if let Some(server) = server {
        command.env("TOKENRY_URL", format!("http://{}", server.address)).env("TOKENRY_TOKEN", server.token());
    }
    let output = command.stdin(Stdio::null()).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}\n{printed}\n{errors}");
    printed
}

/// The path under `target/clients/NAME` if all packages of `clients/NAME` are there.
fn present(name: &str, path: &str) -> Option<PathBuf> {
    Some(programs::fetched(env!("CARGO_TARGET_TMPDIR"), name)?.join(path))
}
