//! The results of the checks.

use serde_json::{Value, json};

use crate::output::{CliError, View};

/// The result of one check.
pub(super) struct Finding {
    verdict: Verdict,
    detail: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Ok,
    Failed,
    /// The check could not be run.
    Unknown,
}

impl Finding {
    /// The check passed.
    pub(super) fn ok(detail: impl Into<String>) -> Self {
        Self { verdict: Verdict::Ok, detail: detail.into() }
    }

    /// The check failed; the detail says what to do.
    pub(super) fn failed(detail: impl Into<String>) -> Self {
        Self { verdict: Verdict::Failed, detail: detail.into() }
    }

    /// The check could not be run; the detail says what to do.
    pub(super) fn unknown(detail: impl Into<String>) -> Self {
        Self { verdict: Verdict::Unknown, detail: detail.into() }
    }

    pub(super) fn is_ok(&self) -> bool {
        self.verdict == Verdict::Ok
    }

    fn row(&self, name: &str) -> Vec<String> {
        let word = if self.is_ok() { "ok" } else { "FAILED" };
        vec![word.to_owned(), name.to_owned(), self.detail.clone()]
    }

    fn json(&self, name: &str) -> Value {
        json!({"check": name, "ok": self.is_ok(), "detail": self.detail})
    }
}

/// The results so far.
#[derive(Default)]
pub(super) struct Checks(Vec<(&'static str, Finding)>);

impl Checks {
    pub(super) fn add(&mut self, name: &'static str, finding: Finding) {
        self.0.push((name, finding));
    }

    /// One line per check; the names are those of the failed checks.
    pub(super) fn view(&self) -> View {
        let rows = self.0.iter().map(|(name, finding)| finding.row(name)).collect();
        let checks: Vec<Value> = self.0.iter().map(|(name, finding)| finding.json(name)).collect();
        let failed = self.failed().map(|(name, _)| (*name).to_owned()).collect();
        let is_ok = self.failed().next().is_none();
        View::list(&[], rows, failed, json!({"ok": is_ok, "checks": checks}))
    }

    /// # Errors
    /// If a check failed or could not be run.
    pub(super) fn verdict(&self) -> Result<(), CliError> {
        let failed: Vec<_> = self.failed().map(|(name, _)| *name).collect();
        if failed.is_empty() {
            return Ok(());
        }
        let detail = format!("failed checks: {}", failed.join(", "));
        if self.failed().any(|(_, finding)| finding.verdict == Verdict::Unknown) {
            return Err(CliError::failed("check_impossible", detail));
        }
        Err(CliError::no("check_failed", detail))
    }

    fn failed(&self) -> impl Iterator<Item = &(&'static str, Finding)> {
        self.0.iter().filter(|(_, finding)| !finding.is_ok())
    }
}
