//! axe-core looks for barriers on every screen in both themes.

use std::fs;

use serde_json::Value;

use crate::{
    browser::{is_ci, output_folder},
    screens::{SCREENS, populate},
    visit::Visit,
};

/// Everything that WCAG 2.2 AA asks for and a program can find, and what axe-core holds to be good practice.
const RUN: &str =
    "return axe.run(document, { resultTypes: ['violations'] }).then(found => found.violations.map(rule =>
    rule.id + ': ' + rule.nodes.map(node => node.target.join(' ') + ' ' + node.failureSummary).join(' | ')))";

/// The script, which `cargo xtask test` fetches.
fn axe() -> Option<String> {
    let path = output_folder().join("axe/package/axe.min.js");
    let script = fs::read_to_string(&path).ok();
    if script.is_none() {
        assert!(!is_ci(), "{} is missing, and on a build server that is a failure", path.display());
        eprintln!("SKIPPED: axe-core is not there (cargo xtask test fetches it with npm)");
    }
    script
}

#[track_caller]
fn no_barriers(theme: &str) {
    let Some(axe) = axe() else { return };
    let Some(visit) = Visit::start() else { return };
    visit.theme(theme);
    let id = populate(&visit, "nightly build");
    let mut found = Vec::new();
    for screen in SCREENS {
        screen.show(&visit, &id);
        visit.settle();
        visit.eval(&axe, &[]);
        let told = visit.eval(RUN, &[]);
        let told = told.as_array().unwrap().iter().map(Value::to_string);
        found.extend(told.map(|told| format!("{}: {told}", screen.name)));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn no_screen_has_a_barrier_in_the_light_theme() {
    no_barriers("light");
}

#[test]
fn no_screen_has_a_barrier_in_the_dark_theme() {
    no_barriers("dark");
}
