//! The packages of other languages, fetched by `cargo xtask test` into `target/clients`.

use std::path::{Path, PathBuf};

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
pub(crate) fn node() -> Option<PathBuf> {
    present("node", "node_modules")?.parent().map(Path::to_owned)
}

/// The folder whose `node_modules` has the packages of `clients/typescript`.
pub(crate) fn typescript() -> Option<PathBuf> {
    present("typescript", "node_modules")?.parent().map(Path::to_owned)
}

/// The path under `target/clients/NAME` if all packages of `clients/NAME` are there.
fn present(name: &str, path: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("clients").join(name);
    let is_complete = folder.join("complete").is_file();
    if !is_complete {
        let ci = std::env::vars().find(|(known, _)| known == "CI").map(|(_, value)| value);
        let is_ci = ci.is_some_and(|value| !["", "0", "false"].contains(&value.as_str()));
        assert!(!is_ci, "{} is incomplete, and on a build server that is a failure", folder.display());
        eprintln!("SKIPPED: the packages of clients/{name} are not there (cargo xtask test fetches them)");
    }
    is_complete.then(|| folder.join(path))
}
