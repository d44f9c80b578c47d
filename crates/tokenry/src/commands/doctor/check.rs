//! What the checks found, and what that means together.

use serde_json::{Value, json};

use crate::output::{CliError, View};

/// What one check found.
pub(super) struct Finding {
    verdict: Verdict,
    told: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Ok,
    No,
    /// The check could not be made.
    Unknown,
}

impl Finding {
    /// All is well.
    pub(super) fn ok(told: impl Into<String>) -> Self {
        Self { verdict: Verdict::Ok, told: told.into() }
    }

    /// The check says no, and what to do.
    pub(super) fn no(told: impl Into<String>) -> Self {
        Self { verdict: Verdict::No, told: told.into() }
    }

    /// The check could not be made, and what to do.
    pub(super) fn unknown(told: impl Into<String>) -> Self {
        Self { verdict: Verdict::Unknown, told: told.into() }
    }

    pub(super) fn is_ok(&self) -> bool {
        self.verdict == Verdict::Ok
    }
}

/// The checks that were made so far.
#[derive(Default)]
pub(super) struct Checks(Vec<(&'static str, Finding)>);

impl Checks {
    pub(super) fn add(&mut self, name: &'static str, finding: Finding) {
        self.0.push((name, finding));
    }

    /// One line for each check; the names are those of the checks that failed.
    pub(super) fn view(&self) -> View {
        let row = |(name, finding): &(&str, Finding)| {
            let word = if finding.is_ok() { "ok" } else { "FAILED" };
            vec![word.to_owned(), (*name).to_owned(), finding.told.clone()]
        };
        let json = |(name, finding): &(&str, Finding)| json!({"check": name, "ok": finding.is_ok(), "detail": finding.told});
        let checks: Vec<Value> = self.0.iter().map(json).collect();
        let failed = self.failed().map(|(name, _)| (*name).to_owned()).collect();
        let is_ok = self.failed().next().is_none();
        View::list(&[], self.0.iter().map(row).collect(), failed, json!({"ok": is_ok, "checks": checks}))
    }

    /// # Errors
    /// Unless all is well.
    pub(super) fn verdict(&self) -> Result<(), CliError> {
        let failed: Vec<_> = self.failed().map(|(name, _)| *name).collect();
        if failed.is_empty() {
            return Ok(());
        }
        let told = format!("not all is well: {}", failed.join(", "));
        if self.failed().any(|(_, finding)| finding.verdict == Verdict::Unknown) {
            return Err(CliError::failed("check_impossible", told));
        }
        Err(CliError::no("check_failed", told))
    }

    fn failed(&self) -> impl Iterator<Item = &(&'static str, Finding)> {
        self.0.iter().filter(|(_, finding)| !finding.is_ok())
    }
}
