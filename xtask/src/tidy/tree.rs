//! The packages and the text files of the repository.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::metadata::{self, Package};
use crate::workspace;

/// All packages and sources, read once.
pub(super) struct Tree {
    pub(super) root: PathBuf,
    pub(super) packages: Vec<Package>,
    /// Every `.rs` file under `crates/` and `xtask/`.
    pub(super) sources: Vec<Text>,
}

/// A text file and its path relative to the root, with `/` between the parts.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) path: String,
    pub(super) content: String,
}

impl Tree {
    pub(super) fn load() -> Result<Self> {
        let root = workspace::root();
        let packages = metadata::own_packages()?;
        let mut sources = Vec::new();
        for folder in ["crates", "xtask"] {
            collect(&root, &root.join(folder), "rs", &mut sources)?;
        }
        Ok(Self { root, packages, sources })
    }

    /// `README.md`, if it exists, and the documents under `docs/`.
    pub(super) fn documents(&self) -> Result<Vec<Text>> {
        let mut documents = Vec::new();
        if self.root.join("README.md").is_file() {
            documents.push(self.read("README.md")?);
        }
        collect(&self.root, &self.root.join("docs"), "md", &mut documents)?;
        Ok(documents)
    }

    pub(super) fn read(&self, path: &str) -> Result<Text> {
        let content =
            fs::read_to_string(self.root.join(path)).with_context(|| format!("cannot read {path}"))?;
        Ok(Text { path: path.to_owned(), content })
    }

    /// `path` relative to the root, as the failures name it.
    pub(super) fn relative(&self, path: &Path) -> String {
        relative(&self.root, path)
    }
}

fn collect(root: &Path, folder: &Path, extension: &str, into: &mut Vec<Text>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort(); // the same order of failures on every machine
    for path in paths {
        if path.is_dir() {
            if path.file_name().is_none_or(|name| name != "target") {
                collect(root, &path, extension, into)?;
            }
        } else if path.extension().is_some_and(|found| found == extension) {
            let content =
                fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            into.push(Text { path: relative(root, &path), content });
        }
    }
    Ok(())
}

fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/")
}

/// `true` if `text` contains `word` without a letter, a digit, `_` or `-` next to it.
pub(super) fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let (before, rest) = text.split_at(at);
        !before.ends_with(is_word_part) && !rest.trim_start_matches(word).starts_with(is_word_part)
    })
}

fn is_word_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '-'
}

#[cfg(test)]
mod tests {
    use super::has_word;

    #[test]
    fn words_have_borders() {
        assert!(has_word("use clap::Parser;", "clap"));
        assert!(has_word("`tokenry`", "tokenry"));
        assert!(!has_word("use clap_builder;", "clap"));
        assert!(!has_word("tokenry-store", "tokenry"));
        assert!(!has_word("my_clap", "clap"));
    }
}
