//! What a scan found.

use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};
use zeroize::Zeroizing;

/// A token and where it is.
pub(super) struct Finding {
    pub(super) location: Location,
    /// What may be shown of it.
    pub(super) shown: String,
    pub(super) text: Zeroizing<String>,
    /// With `--status`.
    pub(super) status: Option<Status>,
}

/// Where a token is. The order is that of the output.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Location {
    /// Without the secrets of tokens in it; `-` is standard input.
    pub(super) path: String,
    /// From 1; `None` if the token is in the last part of the path itself.
    pub(super) line: Option<u64>,
}

/// What the database knows of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Status {
    /// The status of the token; `unknown` if there is none, `rotated` if it has another secret now, `user_disabled` if it
    /// would be active.
    pub(super) state: String,
    /// Id and owner; `None` if there is no such token.
    pub(super) token: Option<(String, String)>,
}

impl Finding {
    /// The id of the token, if the secret works or may work again.
    pub(super) fn live_id(&self) -> Option<String> {
        let Status { state, token } = self.status.as_ref()?;
        let is_live = ["active", "inactive", "pending", "user_disabled"].contains(&state.as_str());
        token.as_ref().filter(|_| is_live).map(|(id, _)| id.clone())
    }

    pub(super) fn row(&self) -> Vec<String> {
        let location = match self.location.line {
            Some(line) => format!("{}:{line}", self.location.path),
            None => format!("{} (name)", self.location.path),
        };
        let mut row = vec![location, self.shown.clone()];
        if let Some(Status { state, token }) = &self.status {
            let (id, owner) = token.clone().unwrap_or_default();
            row.extend([state.clone(), owner, id]);
        }
        row
    }

    pub(super) fn json(&self) -> Value {
        let mut json = json!({ "path": self.location.path, "line": self.location.line, "shown": self.shown });
        if let (Some(Status { state, token }), Some(object)) = (&self.status, json.as_object_mut()) {
            let (id, owner) = token.clone().unzip();
            object.insert("status".to_owned(), json!(state));
            object.insert("token_id".to_owned(), json!(id));
            object.insert("owner".to_owned(), json!(owner));
        }
        json
    }
}

/// The findings of all threads.
#[derive(Default)]
pub(super) struct Findings(Mutex<Report>);

/// The result of a scan.
#[derive(Default)]
pub(super) struct Report {
    /// In the order of their locations.
    pub(super) found: Vec<Finding>,
    /// What was searched.
    pub(super) files: u64,
    pub(super) bytes: u64,
    pub(super) skipped_binary: u64,
    /// What could not be searched, each with the reason.
    pub(super) errors: Vec<String>,
}

impl Findings {
    pub(super) fn change(&self, change: impl FnOnce(&mut Report)) {
        // No code panics while holding the lock.
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn into_report(self) -> Report {
        let mut report = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        report.found.sort_by(|one, other| (&one.location, &one.shown).cmp(&(&other.location, &other.shown)));
        report.errors.sort();
        report
    }
}
