//! Files are small enough to be read at once.

use anyhow::Result;

use super::Failure;
use super::tree::{Text, Tree};

/// The maximum number of lines of a Rust file.
const SOURCE_LINES: usize = 500;

/// The maximum number of lines of the README, which is read before deciding.
const README_LINES: usize = 120;

pub(super) fn check(tree: &Tree) -> Result<Vec<Failure>> {
    let mut failures: Vec<_> =
        tree.sources.iter().filter_map(|source| too_long(source, SOURCE_LINES)).collect();
    let documents = tree.documents()?;
    let readme = documents.iter().find(|document| document.path == "README.md");
    failures.extend(readme.and_then(|readme| too_long(readme, README_LINES)));
    Ok(failures)
}

/// One line about all sources: how many, and their median and longest.
pub(super) fn report(tree: &Tree) -> String {
    let mut lines: Vec<_> = tree.sources.iter().map(|source| source.content.lines().count()).collect();
    lines.sort_unstable();
    let median = lines.get(lines.len() / 2).copied().unwrap_or_default();
    let longest = lines.last().copied().unwrap_or_default();
    format!("size: {} Rust files, median {median} lines, longest {longest}", lines.len())
}

fn too_long(text: &Text, limit: usize) -> Option<Failure> {
    let lines = text.content.lines().count();
    (lines > limit).then(|| {
        Failure::new(&text.path, format!("has {lines} lines, {limit} are allowed"), "split it by noun")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_small() {
        crate::tidy::assert_holds(check);
    }

    #[test]
    fn the_limit_itself_is_allowed() {
        let text = |lines| Text { path: "a.rs".to_owned(), content: "x\n".repeat(lines) };
        assert!(too_long(&text(SOURCE_LINES), SOURCE_LINES).is_none());
        assert!(too_long(&text(SOURCE_LINES + 1), SOURCE_LINES).is_some());
    }
}
