//! No circle of imports between the files of a crate, so that each can be read after those that it names.
//!
//! A module and the modules below it may name each other: they are one unit in several files.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use super::Failure;
use super::imports::{self, Path};
use super::tree::{Text, Tree};

type Edges = BTreeMap<Path, BTreeSet<Path>>;

pub(super) fn check(tree: &Tree) -> Result<Vec<Failure>> {
    let mut failures = Vec::new();
    for package in &tree.packages {
        let manifest = tree.relative(&package.manifest_path);
        let folder = manifest.trim_end_matches("Cargo.toml");
        failures.extend(failures_of(folder, &tree.sources)?);
    }
    Ok(failures)
}

/// `folder` is the crate's, with a `/` at its end.
fn failures_of(folder: &str, sources: &[Text]) -> Result<Vec<Failure>> {
    let own: Vec<_> = sources.iter().filter(|source| source.path.starts_with(folder)).collect();
    let edges = imports::edges(folder, &own)?;
    let circles = circles(&edges);
    let fix = "move what both need into a module of its own, or pass it as an argument";
    Ok(circles.iter().map(|circle| Failure::new(folder, description(circle, &edges), fix)).collect())
}

/// The groups of modules in which each reaches each other one.
fn circles(edges: &Edges) -> Vec<BTreeSet<Path>> {
    let reached: BTreeMap<_, _> = edges.keys().map(|start| (start, reachable(edges, start))).collect();
    let mut circles: Vec<BTreeSet<Path>> = Vec::new();
    for (start, ends) in &reached {
        if !ends.contains(*start) || circles.iter().any(|circle| circle.contains(*start)) {
            continue;
        }
        let returns = |end: &&Path| reached.get(end).is_some_and(|ends| ends.contains(*start));
        circles.push(ends.iter().filter(returns).cloned().collect());
    }
    circles
}

/// Every module that `start` names, directly or through others.
fn reachable(edges: &Edges, start: &Path) -> BTreeSet<Path> {
    let mut found = BTreeSet::new();
    let mut open = vec![start];
    while let Some(module) = open.pop() {
        for next in edges.get(module).into_iter().flatten().filter(|next| !are_related(module, next)) {
            if found.insert(next.clone()) {
                open.push(next);
            }
        }
    }
    found
}

/// `true` if one is above the other.
fn are_related(one: &Path, other: &Path) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

fn description(circle: &BTreeSet<Path>, edges: &Edges) -> String {
    let named = |module: &Path| {
        let targets = edges.get(module).into_iter().flatten();
        let targets = targets.filter(|target| circle.contains(*target) && !are_related(module, target));
        targets.map(|target| target.join("::")).collect::<Vec<_>>().join(", ")
    };
    let lines = circle.iter().map(|module| format!("\n    {} names {}", module.join("::"), named(module)));
    format!("has a circle of {} files{}", circle.len(), lines.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_crate_has_a_circle_of_imports() {
        crate::tidy::assert_holds(check);
    }

    #[test]
    fn a_planted_circle_is_reported_with_its_files() {
        let files = [
            ("a", "use crate::b::B;"),
            ("b", "use crate::c::C;"),
            ("c", "use super::a;"),
            ("d", "use crate::a;"),
        ];
        let found = count(&files);
        let [failure] = found.as_slice() else { panic!("{found:?}") };
        assert!(failure.problem.starts_with("has a circle of 3 files"), "{failure}");
        for line in ["a names b", "b names c", "c names a"] {
            assert!(failure.problem.contains(line), "{failure}");
        }
    }

    #[test]
    fn a_circle_through_a_reexport_is_found() {
        let files = [("lib", "pub use a::A;"), ("a", "use crate::b;"), ("b", "use crate::A;")];
        assert_eq!(count(&files).len(), 1);
    }

    #[test]
    fn a_module_and_its_children_may_name_each_other() {
        let files = [("a", "mod b;\nuse b::B;"), ("a/b", "use super::A;"), ("c", "use crate::a::A;")];
        assert!(count(&files).is_empty());
        let trailing_comma = [("a", "mod b;\nuse crate::c;"), ("a/b", ""), ("c", "use crate::a::{b::B,};")];
        assert!(count(&trailing_comma).is_empty());
        let siblings = [("a/b", "use super::c::C;"), ("a/c", "use super::b::B;")];
        assert_eq!(count(&siblings).len(), 1);
    }

    fn count(files: &[(&str, &str)]) -> Vec<Failure> {
        let text = |(name, content): &(&str, &str)| Text {
            path: format!("x/src/{name}.rs"),
            content: (*content).into(),
        };
        failures_of("x/", &files.iter().map(text).collect::<Vec<_>>()).unwrap()
    }
}
