//! The folder of the repository and the environment of the command.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The repository's root folder.
pub(crate) fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_path_buf()
}

/// The cargo that started this program, run in the root of the repository.
pub(crate) fn cargo() -> Command {
    let program = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(program);
    command.current_dir(root());
    command
}

/// `true` if `cargo NAME` is installed here.
pub(crate) fn has_cargo_command(name: &str) -> bool {
    cargo().args([name, "--version"]).output().is_ok_and(|output| output.status.success())
}

/// `true` on a build server, where a check that cannot run must fail instead of being skipped.
pub(crate) fn is_ci() -> bool {
    means_ci(env::var("CI").ok().as_deref())
}

fn means_ci(value: Option<&str>) -> bool {
    !matches!(value, None | Some("" | "0" | "false"))
}

#[cfg(test)]
mod tests {
    use super::means_ci;

    #[test]
    fn ci_is_on_only_when_set_to_something() {
        assert!(means_ci(Some("true")) && means_ci(Some("1")));
        assert!(!means_ci(None) && !means_ci(Some("")) && !means_ci(Some("false")) && !means_ci(Some("0")));
    }
}
