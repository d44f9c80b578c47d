//! No test passes because it did nothing.
//!
//! A test may end early only at a gate that fails on a build server, or with a comment that gives the reason. A
//! subscriber that could not be installed receives nothing, so its test would search an empty log.

use anyhow::Result;

use super::Failure;
use super::tree::{Text, Tree};

/// Constructors that return `None` where a developer's machine lacks a program; each of them fails under `CI`.
const GATES: &[&str] = &[
    "TestDatabase::postgres()",
    "postgres_server()",
    "Cluster::start()",
    "Pooler::start(",
    "Visit::start()",
    "Visit::of(",
    "Person::start()",
    "Provider::start(",
    "Setup::new(",
    "Setup::with(",
    "axe()",
];

/// Calls that install a subscriber and return whether they did.
const SUBSCRIBERS: &[&str] = &["set_global_default(", ".try_init("];

pub(super) fn check(tree: &Tree) -> Result<Vec<Failure>> {
    Ok(tree.sources.iter().filter(|source| source.path.contains("/tests/")).flat_map(failures).collect())
}

fn failures(source: &Text) -> Vec<Failure> {
    let mut failures = Vec::new();
    let mut above = "";
    for (index, line) in source.content.lines().enumerate() {
        let (location, line) = (format!("{}:{}", source.path, index + 1), line.trim());
        let ends_early = line.contains("else { return }") || line.contains("else { return; }");
        let is_gate = GATES.iter().any(|gate| line.contains(gate));
        if ends_early && !is_gate && !above.starts_with("//") {
            let fix = "let it fail, name the gate in xtask/src/tidy/silent.rs, or say in a comment above why it may";
            failures.push(Failure::new(location.as_str(), "ends early and passes", fix));
        }
        let is_ignored = line.contains("let _ =") || line.contains(".ok();");
        if is_ignored && SUBSCRIBERS.iter().any(|call| line.contains(call)) {
            let fix = "unwrap it: a subscriber that is not installed receives nothing";
            failures.push(Failure::new(
                location.as_str(),
                "ignores whether the subscriber is installed",
                fix,
            ));
        }
        above = line;
    }
    failures
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_test_passes_because_it_did_nothing() {
        crate::tidy::assert_holds(check);
    }

    #[test]
    fn an_early_end_is_found_unless_it_is_a_gate_or_explained() {
        let count = |content: &str| {
            failures(&Text { path: "crates/a/tests/b.rs".into(), content: content.into() }).len()
        };
        assert_eq!(count("let Some(a) = b() else { return };"), 1);
        assert_eq!(count("// There is nothing to test.\nlet Some(a) = b() else { return };"), 0);
        assert_eq!(count("let Some(db) = TestDatabase::postgres() else { return };"), 0);
        assert_eq!(count("let _ = tracing::subscriber::set_global_default(subscriber);"), 1);
        assert_eq!(count("tracing::subscriber::set_global_default(subscriber).unwrap();"), 0);
    }
}
