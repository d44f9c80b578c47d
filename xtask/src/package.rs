//! `cargo xtask package`: packages every published crate and checks that its package is complete.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use crate::metadata::{self, Package};
use crate::{step, workspace};

/// Files that every published package contains.
const REQUIRED: &[&str] = &["Cargo.toml", "README.md", "LICENSE-MIT", "LICENSE-APACHE", "src/"];

/// Further files of single packages. `embed_migrations!` reads the migrations when the crate is compiled.
const REQUIRED_OF: &[(&str, &[&str])] = &[
    ("tokenry", &["profiles/"]),
    ("tokenry-store", &["migrations/sqlite/", "migrations/postgres/"]),
    ("tokenry-ui", &["assets/"]),
];

/// Packages every published crate and checks what the packages contain.
///
/// With `verify`, cargo also compiles each crate from its package, which takes minutes.
pub(crate) fn run(verify: bool) -> Result<ExitCode> {
    let packages = metadata::own_packages()?;
    let status = step::run(&mut package(&packages, verify))?;
    if !status.success() {
        return Ok(step::exit_code(status));
    }
    let missing = incomplete(&packages)?;
    for line in &missing {
        println!("package: {line}");
    }
    Ok(if missing.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One command for all crates, so that cargo resolves those that are not on crates.io yet among themselves.
fn package(packages: &[Package], verify: bool) -> Command {
    let mut command = workspace::cargo();
    // The check before a commit includes uncommitted changes.
    command.args(["package", "--workspace", "--allow-dirty"]);
    for package in packages.iter().filter(|package| !package.is_published()) {
        command.args(["--exclude", &package.name]);
    }
    if !verify {
        command.arg("--no-verify");
    }
    command
}

/// One line for each file that a published package lacks.
fn incomplete(packages: &[Package]) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for package in packages.iter().filter(|package| package.is_published()) {
        let files = list(&package.name)?;
        let missing = missing(&package.name, &files);
        lines.extend(missing.into_iter().map(|file| format!("{} lacks {file}", package.name)));
    }
    Ok(lines)
}

fn list(name: &str) -> Result<String> {
    let mut command = workspace::cargo();
    command.args(["package", "--list", "--allow-dirty", "--offline", "-p", name]);
    let output = command.output().context("cannot run cargo package")?;
    if !output.status.success() {
        bail!("cargo package --list -p {name}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).context("cargo package --list printed no UTF-8")
}

/// The required files that `files` (one path a line) does not name. A name that ends in `/` is a folder.
fn missing(name: &str, files: &str) -> Vec<&'static str> {
    let own = REQUIRED_OF.iter().filter(|(package, _)| *package == name).flat_map(|(_, files)| *files);
    REQUIRED.iter().chain(own).copied().filter(|required| !has(files, required)).collect()
}

fn has(files: &str, required: &str) -> bool {
    files.lines().any(|file| file == required || (required.ends_with('/') && file.starts_with(required)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_contains_its_readme_its_licences_and_what_it_embeds() {
        let missing = incomplete(&metadata::own_packages().unwrap()).unwrap();
        assert!(missing.is_empty(), "{}", missing.join("\n"));
    }

    #[test]
    fn a_missing_file_or_folder_is_reported() {
        let complete = "Cargo.toml\nLICENSE-APACHE\nLICENSE-MIT\nREADME.md\nsrc/lib.rs\n";
        assert!(missing("tokenry-domain", complete).is_empty());
        assert_eq!(missing("tokenry-domain", &complete.replace("LICENSE-MIT\n", "")), ["LICENSE-MIT"]);
        assert_eq!(missing("tokenry-ui", complete), ["assets/"]);
        assert!(missing("tokenry-ui", &format!("{complete}assets/app.js\n")).is_empty());
    }

    #[test]
    fn unpublished_crates_are_excluded() {
        let package_of =
            |name: &str, publish| Package { name: name.to_owned(), publish, ..Package::default() };
        let packages = [package_of("a", None), package_of("b", Some(Vec::new()))];
        let words = |verify| {
            let command = package(&packages, verify);
            command.get_args().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(words(true), "package --workspace --allow-dirty --exclude b");
        assert_eq!(words(false), "package --workspace --allow-dirty --exclude b --no-verify");
    }
}
