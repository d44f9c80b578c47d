//! The documents name only crates, files and folders that exist.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;

use super::Failure;
use super::markdown::{code_spans, link_targets};
use super::tree::{Text, Tree, has_word};

pub(super) const ARCHITECTURE: &str = "docs/ARCHITECTURE.md";

/// Folders whose paths are checked when a document names them in backticks.
const FOLDERS: &[&str] = &["crates/", "docs/", "xtask/", "migrations/", "clients/", ".ci/", ".cargo/"];

pub(super) fn check(tree: &Tree) -> Result<Vec<Failure>> {
    let documents = tree.documents()?;
    let mut failures: Vec<_> =
        documents.iter().flat_map(|document| missing_paths(&tree.root, document)).collect();
    let names: Vec<_> = tree.packages.iter().map(|package| package.name.as_str()).collect();
    match documents.iter().find(|document| document.path == ARCHITECTURE) {
        Some(map) => failures.extend(crates(map, &names)),
        None => failures.push(Failure::new(ARCHITECTURE, "is missing", "write the map of the crates")),
    }
    Ok(failures)
}

/// Compares the crates that the map mentions with those that exist.
fn crates(map: &Text, names: &[&str]) -> Vec<Failure> {
    let mentioned: BTreeSet<_> = mentions(&map.content).collect();
    let gone = mentioned.into_iter().filter(|name| !names.contains(&name.as_str()));
    let gone = gone.map(|name| {
        Failure::new(&map.path, format!("names the crate {name}, which does not exist"), "correct the name")
    });
    let unknown = names.iter().filter(|name| !has_word(&map.content, name));
    let unknown = unknown.map(|name| {
        Failure::new(&map.path, format!("never names the crate {name}"), "say what the crate is for")
    });
    gone.chain(unknown).collect()
}

/// Every `tokenry-…` in the text, cut at the first character that no crate name has.
fn mentions(text: &str) -> impl Iterator<Item = String> {
    let starts = text.match_indices("tokenry-").map(|(at, _)| text.split_at(at));
    starts.filter(move |(before, _)| !ends_in_word(before)).filter_map(|(_, rest)| {
        let end = rest.find(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'));
        let name = rest.split_at(end.unwrap_or(rest.len())).0.trim_end_matches('-');
        (name != "tokenry").then(|| name.to_owned())
    })
}

/// Whether what follows `before` continues a word or a path other than that of a crate.
fn ends_in_word(before: &str) -> bool {
    let in_word = before.ends_with(|c: char| c.is_alphanumeric() || "-_./".contains(c));
    in_word && !before.ends_with("crates/")
}

/// The relative links and the backticked paths of `document` that do not exist.
fn missing_paths(root: &Path, document: &Text) -> Vec<Failure> {
    let folder = root.join(&document.path);
    let folder = folder.parent().unwrap_or(root);
    let failure = |kind: &str, path: &str| {
        Failure::new(&document.path, format!("{kind} `{path}` does not exist"), "correct or remove it")
    };
    let links = link_targets(&document.content);
    let links: BTreeSet<_> = links.iter().filter_map(|link| local_part(link)).collect();
    let links =
        links.into_iter().filter(|link| !folder.join(link).exists()).map(|link| failure("the link", link));
    let spans = code_spans(&document.content);
    let paths = spans.iter().filter(|span| FOLDERS.iter().any(|folder| span.starts_with(folder)));
    let paths: BTreeSet<_> = paths.flat_map(|span| alternatives(span)).collect();
    let paths = paths.into_iter().filter(|path| !root.join(literal_part(path)).exists());
    links.chain(paths.map(|path| failure("the path", &path))).collect()
}

/// The file of a link, if it is in the repository.
fn local_part(link: &str) -> Option<&str> {
    let has_scheme = link.split('/').next().is_some_and(|first| first.contains(':'));
    let file = link.split('#').next().unwrap_or_default();
    (!has_scheme && !file.is_empty()).then_some(file)
}

/// `a/{b,c}/d` means `a/b/d` and `a/c/d`.
fn alternatives(path: &str) -> Vec<String> {
    let braces = path.split_once('{').and_then(|(before, rest)| {
        let (inside, after) = rest.split_once('}')?;
        Some((before, inside, after))
    });
    match braces {
        Some((before, inside, after)) => inside
            .split(',')
            .flat_map(|part| alternatives(&format!("{before}{}{after}", part.trim())))
            .collect(),
        None => vec![path.to_owned()],
    }
}

/// The folders before the first placeholder: of `crates/<name>/src` only `crates/` can be checked.
fn literal_part(path: &str) -> &str {
    let path = path.split("::").next().unwrap_or(path);
    match path.find(['<', '*', '…', ' ', '\n']) {
        Some(at) => path.split_at(at).0.rsplit_once('/').map_or("", |(folder, _)| folder),
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_name_only_what_exists() {
        crate::tidy::assert_holds(check);
    }

    #[test]
    fn the_map_and_the_workspace_name_the_same_crates() {
        let map = text("`tokenry-store` and tokenry-crypto, then crates/tokenry-gone/src; `tokenry` itself.");
        let problems: Vec<_> = crates(&map, &["tokenry", "tokenry-store", "tokenry-crypto", "xtask"])
            .into_iter()
            .map(|failure| failure.problem)
            .collect();
        assert_eq!(
            problems,
            ["names the crate tokenry-gone, which does not exist", "never names the crate xtask"]
        );
        assert!(crates(&text("only `tokenry`, no tokenry-… and no my-tokenry-x"), &["tokenry"]).is_empty());
    }

    #[test]
    fn dead_links_and_paths_are_found() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("docs")).unwrap();
        std::fs::create_dir_all(root.path().join("migrations/sqlite")).unwrap();
        std::fs::write(root.path().join("docs/API.md"), "").unwrap();
        let count = |content: &str| missing_paths(root.path(), &text(content)).len();
        assert_eq!(count("[a](API.md#errors) [b](../docs/API.md) [c](https://x.org/y) [d](#top)"), 0);
        assert_eq!(count("[a](GONE.md)"), 1);
        assert_eq!(count("`docs/API.md`, `docs/<name>.md`, `migrations/sqlite/*/up.sql`, `src/any.rs`"), 0);
        assert_eq!(count("`docs/GONE.md`"), 1);
        assert_eq!(count("`migrations/{sqlite,postgres}/`"), 1, "one of the two exists");
    }

    fn text(content: &str) -> Text {
        Text { path: ARCHITECTURE.to_owned(), content: content.to_owned() }
    }
}
