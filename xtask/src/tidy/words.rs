//! The sources contain no unfinished work and no disabled test.

use anyhow::Result;

use super::Failure;
use super::tree::{Text, Tree};

/// The forbidden words and their fixes. Each is written in two parts, so that this file does not contain it.
const WORDS: &[(&str, &str)] = &[
    (concat!("TO", "DO"), "do it, or open an issue"),
    (concat!("FIX", "ME"), "do it, or open an issue"),
    (concat!("todo", "!("), "write the code"),
    (concat!("unimplemented", "!("), "write the code, or return an error"),
    (concat!("#[", "ignore"), "make the test pass everywhere, or remove it"),
];

pub(super) fn check(tree: &Tree) -> Result<Vec<Failure>> {
    Ok(tree.sources.iter().flat_map(failures).collect())
}

fn failures(source: &Text) -> Vec<Failure> {
    let lines = source.content.lines().zip(1..);
    let hits = lines.flat_map(|(line, number)| {
        WORDS.iter().filter(|(word, _)| line.contains(word)).map(move |(word, fix)| {
            Failure::new(format!("{}:{number}", source.path), format!("contains `{word}`"), *fix)
        })
    });
    hits.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_unfinished_or_switched_off() {
        crate::tidy::assert_holds(check);
    }

    #[test]
    fn a_word_is_found_with_its_line() {
        let source = |content: String| Text { path: "a.rs".to_owned(), content };
        let found = failures(&source(format!("fn a() {{\n    {}later)\n}}\n", concat!("todo", "!("))));
        assert_eq!(found.first().map(|failure| failure.location.as_str()), Some("a.rs:2"));
        assert!(failures(&source("let mastodon = \"todo list\"; // ignored\n".to_owned())).is_empty());
    }
}
