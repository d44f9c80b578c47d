//! Errors of commands and their exit statuses.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::escape;

/// The exit statuses, which are a stable interface for scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The operation failed.
    Failed = 1,
    /// The command line or the settings are invalid; nothing was attempted.
    Usage = 2,
    /// The user declined the confirmation.
    Cancelled = 3,
    /// Not authenticated or not authorized.
    Denied = 4,
    /// A check failed or something was not found.
    No = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An error message without secrets, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CliError {
    exit: Exit,
    code: &'static str,
    /// The HTTP status of the same error in the API.
    status: Option<u16>,
    details: Vec<String>,
    next: Option<String>,
}

impl CliError {
    /// The operation failed; `code` is that of the HTTP API if it has one.
    pub(crate) fn failed(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(Exit::Failed, code, detail)
    }

    /// The command line is invalid.
    pub(crate) fn usage(detail: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "usage", detail)
    }

    /// The settings are invalid.
    pub(crate) fn configuration(problems: &[crate::settings::Problem]) -> Self {
        let details = problems.iter().map(|problem| format!("configuration: {problem}")).collect();
        Self { details, ..Self::new(Exit::Usage, "configuration", "") }
    }

    /// The settings do not match the stored rows.
    pub(crate) fn settings_mismatch(report: &tokenry_service::SettingsReport) -> Self {
        let details =
            report.sentences().into_iter().map(|finding| format!("configuration: {finding}")).collect();
        Self { details, ..Self::new(Exit::Usage, "configuration", "") }
    }

    /// The request violates rules, one detail each.
    pub(crate) fn invalid(details: Vec<String>) -> Self {
        Self { details, status: Some(422), ..Self::new(Exit::Usage, "validation_failed", "") }
    }

    /// The user declined the confirmation.
    pub(crate) fn cancelled() -> Self {
        Self::new(Exit::Cancelled, "cancelled", "nothing was changed")
    }

    /// Not authenticated or not authorized.
    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self { status: Some(403), ..Self::new(Exit::Denied, "forbidden", detail) }
    }

    /// No object has this id or name.
    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self { status: Some(404), ..Self::new(Exit::No, "not_found", detail) }
    }

    /// A check failed.
    pub(crate) fn no(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(Exit::No, code, detail)
    }

    /// A scan was not complete: as [`no`](Self::no) with the status of errors of programs like grep.
    pub(crate) fn incomplete_scan(detail: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "scan_incomplete", detail)
    }

    /// The same error with the status of an incomplete scan: 1 means that tokens were found.
    pub(crate) fn of_scan(self) -> Self {
        Self { exit: Exit::Usage, ..self }
    }

    fn new(exit: Exit, code: &'static str, detail: impl Into<String>) -> Self {
        Self { exit, code, status: None, details: vec![detail.into()], next: None }
    }

    /// Sets the HTTP status that the API answers in this case.
    pub(crate) fn status(self, status: u16) -> Self {
        Self { status: Some(status), ..self }
    }

    /// Prefixes the message with the affected object.
    pub(crate) fn about(self, name: &str) -> Self {
        let details = self.details.iter().map(|detail| format!("{name}: {detail}")).collect();
        Self { details, ..self }
    }

    /// Sets what to do next, which is appended to the message.
    pub(crate) fn next(self, step: impl Into<String>) -> Self {
        Self { next: Some(step.into()), ..self }
    }

    /// Whether the error has this code.
    pub(crate) fn is(&self, code: &str) -> bool {
        self.code == code
    }

    /// The whole message with the next step.
    pub(crate) fn text(&self) -> String {
        self.details.iter().chain(&self.next).map(String::as_str).collect::<Vec<_>>().join("; ")
    }

    /// The exit status.
    pub(super) fn exit(&self) -> Exit {
        self.exit
    }

    /// One line per detail, the last one with the next step.
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
            Exit::Failed if self.code == "tokens_found" => "Tokens were found",
            Exit::Failed => "The command failed",
            Exit::Usage if self.code == "scan_incomplete" => "The scan is incomplete",
            Exit::Usage if self.status == Some(503) || self.code == "output_lost" => "The command failed",
            Exit::Usage if self.code == "configuration" => "The settings are invalid",
            Exit::Usage if self.code == "validation_failed" => "The request is invalid",
            Exit::Usage => "The command line is invalid",
            Exit::Cancelled => "Cancelled",
            Exit::Denied => "Forbidden",
            Exit::No if self.code == "not_found" => "Not found",
            Exit::No => "The check failed",
        }
    }
}
