//! Whether the process runs and can do its work.

use std::time::Duration;

use actix_web::{
    rt::time::timeout,
    web::{Data, Json},
};
use tokenry_service::Tokenry;

use super::blocking;
use crate::{error::ApiError, problem::Problem, wire::Health};

/// How long a database may take that is still called ready.
const PATIENCE: Duration = Duration::from_secs(3);

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
    let asked = blocking(move || tokenry.store().is_ready());
    let silent = |_| ApiError::unavailable("the database does not answer", 2);
    let is_ready = timeout(PATIENCE, asked).await.map_err(silent)??;
    if is_ready {
        Ok(Json(Health { status: "ready" }))
    } else {
        Err(ApiError::unavailable("migrations are pending", 2))
    }
}
