//! `cargo xtask tidy`: the rules of this repository that no compiler checks.
//!
//! Each rule is a function from the tree to its failures, with a test over the real tree in its own file.

mod api;
mod circles;
mod clock;
mod crates;
mod docs;
mod guards;
mod interfaces;
mod layers;
mod migrations;
mod publish;
mod silent;
mod size;
mod terms;
mod words;

mod imports;
mod markdown;
mod signatures;
mod tree;

use std::fmt;
use std::process::ExitCode;

use anyhow::{Context, Result};

use tree::Tree;

/// One violation and its fix.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Failure {
    /// The file or folder, relative to the root.
    location: String,
    problem: String,
    fix: String,
}

type Rule = fn(&Tree) -> Result<Vec<Failure>>;

const RULES: &[(&str, Rule)] = &[
    ("layers", layers::check),
    ("crates", crates::check),
    ("circles", circles::check),
    ("interfaces", interfaces::check),
    ("publish", publish::check),
    ("clock", clock::check),
    ("migrations", migrations::check),
    ("api", api::check),
    ("size", size::check),
    ("words", words::check),
    ("terms", terms::check),
    ("docs", docs::check),
    ("guards", guards::check),
    ("silent", silent::check),
];

/// Checks every rule and lists every failure.
pub(crate) fn run() -> Result<ExitCode> {
    let tree = Tree::load()?;
    let mut count = 0;
    for (name, check) in RULES {
        for failure in check(&tree).with_context(|| format!("rule {name}"))? {
            println!("{name}: {failure}");
            count += 1;
        }
    }
    println!("{}", size::report(&tree));
    println!("tidy: {} rules, {count} failures", RULES.len());
    Ok(if count == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Failure {
    fn new(location: impl Into<String>, problem: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { location: location.into(), problem: problem.into(), fix: fix.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n    fix: {}", self.location, self.problem, self.fix)
    }
}

/// Fails the running test with every failure of `check` over the real tree.
#[cfg(test)]
fn assert_holds(check: Rule) {
    let failures = check(&Tree::load().unwrap()).unwrap();
    let list = failures.iter().map(Failure::to_string).collect::<Vec<_>>().join("\n");
    assert!(failures.is_empty(), "{} failures\n{list}", failures.len());
}
