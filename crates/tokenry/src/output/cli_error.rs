//! How a command ends that did not do what it was asked for.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::escape;

/// The exit statuses, on which scripts rely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It was tried and failed.
    Failed = 1,
    /// The command line or the settings are wrong; nothing was tried.
    Usage = 2,
    /// Someone said no when asked.
    Cancelled = 3,
    /// Not authenticated, or not allowed to.
    Denied = 4,
    /// A check said no, or something was not found.
    No = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// What went wrong, in lines that say it without a secret, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CliError {
    exit: Exit,
    code: &'static str,
    /// The HTTP status of the same failure of the API.
    status: Option<u16>,
    details: Vec<String>,
    next: Option<String>,
}

impl CliError {
    /// It was tried and failed; `code` is one of the HTTP API where it has one for this.
    pub(crate) fn failed(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(Exit::Failed, code, detail)
    }

    /// The command line is wrong.
    pub(crate) fn usage(detail: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "usage", detail)
    }

    /// The settings are wrong, in each of these ways.
    pub(crate) fn configuration(problems: &[crate::settings::Problem]) -> Self {
        let details = problems.iter().map(|problem| format!("configuration: {problem}")).collect();
        Self { details, ..Self::new(Exit::Usage, "configuration", "") }
    }

    /// The settings do not fit what is stored, in each of these ways.
    pub(crate) fn unfitting(report: &tokenry_service::SettingsReport) -> Self {
        let details = report.sentences().into_iter().map(|told| format!("configuration: {told}")).collect();
        Self { details, ..Self::new(Exit::Usage, "configuration", "") }
    }

    /// What was asked for breaks rules, in each of these ways.
    pub(crate) fn invalid(details: Vec<String>) -> Self {
        Self { details, status: Some(422), ..Self::new(Exit::Usage, "validation_failed", "") }
    }

    /// Someone said no when asked.
    pub(crate) fn cancelled() -> Self {
        Self::new(Exit::Cancelled, "cancelled", "nothing was changed")
    }

    /// Not authenticated, or not allowed to.
    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self { status: Some(403), ..Self::new(Exit::Denied, "forbidden", detail) }
    }

    /// There is nothing of this id or name.
    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self { status: Some(404), ..Self::new(Exit::No, "not_found", detail) }
    }

    /// A check said no.
    pub(crate) fn no(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(Exit::No, code, detail)
    }

    fn new(exit: Exit, code: &'static str, detail: impl Into<String>) -> Self {
        Self { exit, code, status: None, details: vec![detail.into()], next: None }
    }

    /// The HTTP status that the API answers in this case.
    pub(crate) fn status(self, status: u16) -> Self {
        Self { status: Some(status), ..self }
    }

    /// Names what it is about, at the beginning of the message.
    pub(crate) fn about(self, name: &str) -> Self {
        let details = self.details.iter().map(|detail| format!("{name}: {detail}")).collect();
        Self { details, ..self }
    }

    /// What to do next, as it stands after the message.
    pub(crate) fn next(self, step: impl Into<String>) -> Self {
        Self { next: Some(step.into()), ..self }
    }

    /// Whether it is the failure with this code.
    pub(crate) fn is(&self, code: &str) -> bool {
        self.code == code
    }

    /// All of it in one text, with the next step.
    pub(crate) fn text(&self) -> String {
        self.details.iter().chain(&self.next).map(String::as_str).collect::<Vec<_>>().join("; ")
    }

    /// With what status the process ends.
    pub(super) fn exit(&self) -> Exit {
        self.exit
    }

    /// One line for each detail, the last with the next step.
    pub(super) fn to_lines(&self) -> String {
        let lines: String =
            self.details.iter().map(|detail| format!("tokenry: {}\n", escape::line(detail))).collect();
        match &self.next {
            Some(next) => format!("{}; {}\n", lines.trim_end(), escape::line(next)),
            None => lines,
        }
    }

    /// A problem document (RFC 9457).
    pub(super) fn to_problem(&self) -> Value {
        let mut problem = json!({
            "type": "about:blank",
            "title": self.title(),
            "detail": self.text(),
            "code": self.code,
        });
        if let (Some(status), Some(object)) = (self.status, problem.as_object_mut()) {
            object.insert("status".to_owned(), status.into());
        }
        problem
    }

    fn title(&self) -> &'static str {
        match self.exit {
            Exit::Failed => "The command failed",
            Exit::Usage if self.code == "configuration" => "The settings are wrong",
            Exit::Usage if self.code == "validation_failed" => "What was asked for breaks a rule",
            Exit::Usage => "The command line is wrong",
            Exit::Cancelled => "Cancelled",
            Exit::Denied => "Forbidden",
            Exit::No if self.code == "not_found" => "Not found",
            Exit::No => "The check said no",
        }
    }
}
