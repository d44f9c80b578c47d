//! Every crate is in the folder of its name and takes its settings from the workspace.

use std::fs;

use anyhow::Result;

use super::Failure;
use super::tree::Tree;

/// Has lints of its own, since it is the only crate that may contain `unsafe`.
const UNSAFE: &str = "tokenry-libpq";

/// Lines every manifest must have, without spaces; the lints are in a table of their own.
const INHERITED: &[&str] =
    &["edition.workspace=true", "rust-version.workspace=true", "license.workspace=true"];

pub(super) fn check(tree: &Tree) -> Result<Vec<Failure>> {
    let mut failures = Vec::new();
    for package in &tree.packages {
        let manifest = tree.relative(&package.manifest_path);
        let text = fs::read_to_string(&package.manifest_path)?;
        failures.extend(misplaced(&manifest, &package.name));
        failures.extend(missing(&package.name, &text).into_iter().map(|line| {
            Failure::new(&manifest, format!("does not inherit `{line}`"), "take it from the workspace")
        }));
    }
    Ok(failures)
}

fn misplaced(manifest: &str, name: &str) -> Option<Failure> {
    let expected =
        if name == "xtask" { "xtask/Cargo.toml".to_owned() } else { format!("crates/{name}/Cargo.toml") };
    (manifest != expected).then(|| {
        Failure::new(
            manifest,
            format!("holds the package {name}"),
            format!("move it to {expected}, or rename it"),
        )
    })
}

fn missing(name: &str, manifest: &str) -> Vec<String> {
    let lines: Vec<String> =
        manifest.lines().map(|line| line.split('#').next().unwrap_or_default().replace(' ', "")).collect();
    let has = |wanted: &str| lines.iter().any(|line| line == wanted);
    let lints = lines
        .iter()
        .skip_while(|line| *line != "[lints]")
        .nth(1)
        .is_some_and(|line| line == "workspace=true");
    let mut missing: Vec<String> =
        INHERITED.iter().filter(|line| !has(line)).map(|line| line.replace('=', " = ")).collect();
    if !lints && name != UNSAFE {
        missing.push("[lints] workspace = true".to_owned());
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_inherit_the_workspace_settings() {
        crate::tidy::assert_holds(check);
    }

    #[test]
    fn a_missing_line_is_found() {
        let complete = "[package]\nedition.workspace = true\nrust-version.workspace = true\n\
                        license.workspace = true # both\n\n[lints]\nworkspace = true\n";
        let own = complete.replace("[lints]", "[lints.rust]");
        assert!(missing("tokenry", complete).is_empty() && missing(UNSAFE, &own).is_empty());
        assert_eq!(
            missing("tokenry", &complete.replace("edition.workspace = true", "edition = \"2021\"")).len(),
            1
        );
        assert_eq!(missing("tokenry", &own), ["[lints] workspace = true"]);
    }

    #[test]
    fn a_folder_is_named_like_its_package() {
        assert!(misplaced("crates/tokenry-store/Cargo.toml", "tokenry-store").is_none());
        assert!(misplaced("xtask/Cargo.toml", "xtask").is_none());
        assert!(misplaced("crates/store/Cargo.toml", "tokenry-store").is_some());
    }
}
