//! `cargo xtask api`: one checked-in text file per published library, with every public item that a user of the crate
//! can name, one line each. A change of the public API is then visible in review.
//!
//! The files are made from the source, because rustdoc's JSON needs a nightly compiler.

mod listing;
mod one_line;
pub(crate) mod source;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::metadata::{self, Package};
use crate::workspace;

/// Where the files are, relative to the root.
const FOLDER: &str = "docs/api";

/// A file that differs from the code.
pub(crate) struct Outdated {
    /// The file, relative to the root.
    pub(crate) path: String,
    /// The lines that the file lacks, each behind `+`, and those that it has too many, each behind `-`.
    pub(crate) difference: Vec<String>,
}

/// Writes the files, or with `check` only compares them.
pub(crate) fn run(check: bool) -> Result<ExitCode> {
    if check {
        let outdated = outdated()?;
        for Outdated { path, difference } in &outdated {
            println!("{path} differs from the code:\n{}", difference.join("\n"));
        }
        return Ok(if outdated.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    fs::create_dir_all(workspace::root().join(FOLDER)).with_context(|| format!("cannot create {FOLDER}"))?;
    for (path, listing) in listings()? {
        fs::write(workspace::root().join(&path), listing).with_context(|| format!("cannot write {path}"))?;
        println!("{path}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Every file that differs from the code.
pub(crate) fn outdated() -> Result<Vec<Outdated>> {
    let mut outdated = Vec::new();
    for (path, generated) in listings()? {
        let committed = fs::read_to_string(workspace::root().join(&path)).unwrap_or_default();
        let difference = difference(&committed, &generated);
        if !difference.is_empty() {
            outdated.push(Outdated { path, difference });
        }
    }
    Ok(outdated)
}

/// The path and the content of each file.
fn listings() -> Result<Vec<(String, String)>> {
    let mut listings = Vec::new();
    for package in metadata::own_packages()?.iter().filter(|package| package.is_published()) {
        if let Some(root) = library(package) {
            let listing = listing::of(&root).with_context(|| package.name.clone())?;
            listings.push((format!("{FOLDER}/{}.txt", package.name), listing));
        }
    }
    Ok(listings)
}

/// The root file of the package's library, if it has one.
fn library(package: &Package) -> Option<PathBuf> {
    let file = package.manifest_path.parent()?.join("src/lib.rs");
    file.is_file().then_some(file)
}

fn difference(committed: &str, generated: &str) -> Vec<String> {
    let removed = without(committed, generated).map(|line| format!("- {line}"));
    let added = without(generated, committed).map(|line| format!("+ {line}"));
    removed.chain(added).collect()
}

/// The lines of `text` that `other` does not have.
fn without<'t>(text: &'t str, other: &str) -> impl Iterator<Item = &'t str> {
    let others: BTreeSet<_> = other.lines().collect();
    text.lines().filter(move |line| !others.contains(line))
}
