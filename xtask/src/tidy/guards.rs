//! Every invariant in the architecture document names a test that exists.

use anyhow::Result;

use super::Failure;
use super::docs::ARCHITECTURE;
use super::markdown::numbered_items;
use super::tree::{Text, Tree};

const HEADING: &str = "## Invariants";

pub(super) fn check(tree: &Tree) -> Result<Vec<Failure>> {
    if !tree.root.join(ARCHITECTURE).is_file() {
        return Ok(vec![Failure::new(
            ARCHITECTURE,
            "is missing",
            "write it, with a section `## Invariants`",
        )]);
    }
    Ok(failures(&tree.read(ARCHITECTURE)?.content, &tree.sources))
}

fn failures(document: &str, sources: &[Text]) -> Vec<Failure> {
    let items = numbered_items(document, HEADING);
    if items.is_empty() {
        let fix = "list the invariants as `1. …`, each with Guard: `test_name`";
        return vec![Failure::new(ARCHITECTURE, format!("has no numbered list under `{HEADING}`"), fix)];
    }
    let mut failures = Vec::new();
    for (number, item) in items {
        let names = guard_names(&item);
        if names.is_empty() {
            let fix = "end it with Guard: `test_name`";
            failures.push(Failure::new(ARCHITECTURE, format!("invariant {number} names no guard"), fix));
        }
        for name in names.iter().filter(|name| !sources.iter().any(|source| defines(&source.content, name))) {
            let fix = "name the test that fails when the invariant is broken, or write it";
            let problem = format!("invariant {number}: no test is called `{name}`");
            failures.push(Failure::new(ARCHITECTURE, problem, fix));
        }
    }
    failures
}

/// The functions after `Guard:` or `Guards:`: backticked names, joined by commas or "and". Of `path::name`, the name.
fn guard_names(item: &str) -> Vec<String> {
    let Some((_, list)) = item.split_once("Guard: ").or_else(|| item.split_once("Guards: ")) else {
        return Vec::new();
    };
    let mut names = Vec::new();
    for (index, piece) in list.split('`').enumerate() {
        if index % 2 == 1 {
            names.push(piece.rsplit("::").next().unwrap_or(piece).trim_end_matches("()").to_owned());
        } else if !matches!(piece.trim_matches([',', ';', ' ', '\n']), "" | "and") {
            break; // the list has ended: later backticks are no guards
        }
    }
    names
}

/// Macros that define a test of the given name for every database or proxy.
const MACROS: [&str; 2] = ["each_backend!", "each_proxy!"];

/// `true` if the text has `fn name(`, or one of [`MACROS`] with the name.
fn defines(source: &str, name: &str) -> bool {
    let ends = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    let follows = |rest: &str| rest.trim_start().strip_prefix(name).is_some_and(ends);
    let function = source.match_indices("fn ").any(|(at, word)| follows(source.split_at(at + word.len()).1));
    function
        || MACROS.iter().flat_map(|word| source.match_indices(word)).any(|(at, word)| {
            let rest = source.split_at(at + word.len()).1.trim_start();
            rest.strip_prefix(['(', '{', '[']).is_some_and(follows)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_invariant_names_a_test_that_exists() {
        crate::tidy::assert_holds(check);
    }

    #[test]
    fn guards_are_the_names_right_after_the_word() {
        assert_eq!(guard_names("Time moves. Guard: `never_back`"), ["never_back"]);
        assert_eq!(guard_names("X `y`.\nGuards: `a`,\n`b::c` and `d()`. See `e`."), ["a", "c", "d"]);
        assert!(guard_names("Only `code`, no test").is_empty());
        assert!(guard_names("Guard: clippy `lint`").is_empty());
    }

    #[test]
    fn tests_are_functions_or_one_text_for_each_database() {
        assert!(defines("#[test]\nfn holds() {}", "holds"));
        assert!(defines("each_backend!(holds, |db| {});", "holds"));
        assert!(defines("each_backend! {\n    holds, |db| {}\n}", "holds"));
        assert!(!defines("fn holds_not() {} // holds", "holds"));
        assert!(!defines("each_backend!(holds_not, |db| {});", "holds"));
    }

    #[test]
    fn an_invariant_without_a_living_guard_fails() {
        let sources = [Text { path: "a.rs".to_owned(), content: "fn a() {}".to_owned() }];
        let count = |list: &str| failures(&format!("{HEADING}\n\n{list}"), &sources).len();
        assert_eq!(count("1. One. Guard: `a`\n2. Two. Guard: `x::a`"), 0);
        assert_eq!(count("1. One. Guard: `gone`\n2. Two."), 2);
        assert_eq!(count("No list."), 1);
    }
}
