//! Whether the process runs and can do its work.

use actix_web::web::{Data, Json};
use tokenry_service::Tokenry;

use super::blocking;
use crate::{error::ApiError, problem::Problem, wire::Health};

/// The process runs. It says nothing about the database.
#[utoipa::path(get, path = "/healthz", tag = "operations", responses((status = 200, body = Health)))]
pub(crate) async fn show_health() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// The database answers and has the schema of this program.
#[utoipa::path(get, path = "/readyz", tag = "operations", responses(
    (status = 200, body = Health),
    (status = 503, description = "Not ready; try again later.", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn show_readiness(tokenry: Data<Tokenry>) -> Result<Json<Health>, ApiError> {
    let is_ready = blocking(move || tokenry.store().is_ready()).await?;
    if is_ready {
        Ok(Json(Health { status: "ready" }))
    } else {
        Err(ApiError::unavailable("migrations are pending", 2))
    }
}
