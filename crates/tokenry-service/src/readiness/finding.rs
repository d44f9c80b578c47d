//! What checks find.

/// The results of all checks.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Readiness {
    /// Whether no check failed; warnings do not matter.
    pub is_ready: bool,
    /// Every check with its result.
    pub checks: Vec<Check>,
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Check {
    /// The name of the check, in lower case with `-`.
    pub name: &'static str,
    /// The state.
    pub state: CheckState,
    /// A sentence for an operator. It is public: no secrets, addresses or paths.
    pub detail: Option<String>,
}

/// The state of a check. Exhaustive, so that each consumer decides whether a new state means ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckState {
    /// No problem was found.
    Ok,
    /// Requests are served, but an operator should look.
    Warning,
    /// Requests fail.
    Failed,
}

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub(super) state: CheckState,
    pub(super) detail: Option<String>,
}

impl Finding {
    /// No problem was found.
    #[must_use]
    pub fn ok() -> Self {
        Self { state: CheckState::Ok, detail: None }
    }

    /// Requests are served, but an operator should look. The text is public: no secrets, addresses or paths.
    #[must_use]
    pub fn warning(detail: impl Into<String>) -> Self {
        Self { state: CheckState::Warning, detail: Some(detail.into()) }
    }

    /// Requests fail. The text is public: no secrets, addresses or paths.
    #[must_use]
    pub fn failed(detail: impl Into<String>) -> Self {
        Self { state: CheckState::Failed, detail: Some(detail.into()) }
    }
}
