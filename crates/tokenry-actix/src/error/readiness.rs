//! One readiness check as JSON: part of the answer of `/readyz`, and of its problem when a check failed.

use serde::Serialize;
use tokenry_service::{Check, CheckState};
use utoipa::ToSchema;

/// The result of one readiness check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReadinessCheck {
    /// The name of the check.
    #[schema(value_type = String, example = "writing")]
    name: &'static str,
    /// `ok`, `warning` (requests are served, but an operator should act) or `failed`.
    #[schema(value_type = String, example = "ok")]
    state: &'static str,
    /// A sentence for an operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl From<Check> for ReadinessCheck {
    fn from(Check { name, state, detail, .. }: Check) -> Self {
        let state = match state {
            CheckState::Ok => "ok",
            CheckState::Warning => "warning",
            CheckState::Failed => "failed",
        };
        Self { name, state, detail }
    }
}

impl ReadinessCheck {
    /// The name of the check, if it failed.
    pub(crate) fn failed_name(&self) -> Option<&'static str> {
        (self.state == "failed").then_some(self.name)
    }
}
