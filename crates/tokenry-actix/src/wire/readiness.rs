//! What `/readyz` answers.

use serde::Serialize;
use utoipa::ToSchema;

use crate::error::ReadinessCheck;

/// Whether the service can do its work, check by check.
#[derive(Debug, Serialize, ToSchema)]
pub struct Readiness {
    #[schema(value_type = String, example = "ready")]
    pub(crate) status: &'static str,
    /// Every check.
    pub(crate) checks: Vec<ReadinessCheck>,
}
