//! The response of `/readyz`.

use serde::Serialize;
use utoipa::ToSchema;

use crate::error::ReadinessCheck;

/// The readiness of the service.
#[derive(Debug, Serialize, ToSchema)]
pub struct Readiness {
    /// Always `ready`.
    #[schema(value_type = String, example = "ready")]
    pub(crate) status: &'static str,
    /// All checks.
    pub(crate) checks: Vec<ReadinessCheck>,
}
