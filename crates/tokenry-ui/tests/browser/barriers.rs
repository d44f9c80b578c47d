//! Accessibility checks by axe-core on every screen in both themes.

use std::fs;

use crate::{
    browser::{is_ci, output_folder},
    screens::{SCREENS, populate},
    visit::Visit,
};

/// All automated checks of WCAG 2.2 AA, and the best practices of axe-core.
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

/// Asserts that the current page has none; does nothing without the script.
#[track_caller]
pub(crate) fn assert_none(visit: &Visit, name: &str) {
    let Some(axe) = axe() else { return };
    assert_eq!(barriers(visit, &axe, name), Vec::<String>::new());
}

/// The barriers of the current page.
fn barriers(visit: &Visit, axe: &str, name: &str) -> Vec<String> {
    visit.eval(axe, &[]);
    let violations = visit.eval(RUN, &[]);
    violations.as_array().unwrap().iter().map(|violation| format!("{name}: {violation}")).collect()
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
        found.extend(barriers(&visit, &axe, screen.name));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_screen_is_accessible_in_the_light_theme() {
    no_barriers("light");
}

#[test]
fn every_screen_is_accessible_in_the_dark_theme() {
    no_barriers("dark");
}
