//! Whether an installation can do its work now, check by check.
//!
//! To add a check of the database, add a row to [`CHECKS`]; what only the program around knows it adds with
//! [`Tokenry::add_check`](crate::Tokenry::add_check).

mod checks;
mod probe;

use tokenry_domain::UnixMillis;
use tokenry_store::{Store, StoreError};

pub(crate) use self::probe::Prober;

/// The checks of every installation, in the order in which they are shown.
const CHECKS: &[(&str, StoreCheck)] = &[
    ("reading", checks::reading),
    ("writing", checks::writing),
    ("verification", checks::verification),
    ("migrations", checks::migrations),
    ("workers", checks::workers),
];

type StoreCheck = fn(&Store, UnixMillis) -> Result<Finding, StoreError>;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readiness {
    /// Whether no check failed; warnings do not count.
    pub is_ready: bool,
    /// Every check, whatever came of it.
    pub checks: Vec<Check>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Its name, in lower case with `-`.
    pub name: &'static str,
    /// What came of it.
    pub state: CheckState,
    /// A sentence for an operator, in a public answer: without secrets, addresses and paths.
    pub detail: Option<String>,
}

/// What came of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckState {
    /// All is well.
    Ok,
    /// Requests are answered, but somebody should look.
    Warning,
    /// Requests fail.
    Failed,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    state: CheckState,
    detail: Option<String>,
}

impl Finding {
    /// All is well.
    #[must_use]
    pub fn ok() -> Self {
        Self { state: CheckState::Ok, detail: None }
    }

    /// Requests are answered, but somebody should look. The text is public: no secrets, addresses and paths.
    #[must_use]
    pub fn warning(detail: impl Into<String>) -> Self {
        Self { state: CheckState::Warning, detail: Some(detail.into()) }
    }

    /// Requests fail. The text is public: no secrets, addresses and paths.
    #[must_use]
    pub fn failed(detail: impl Into<String>) -> Self {
        Self { state: CheckState::Failed, detail: Some(detail.into()) }
    }
}
