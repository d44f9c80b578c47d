//! Whether the process runs and can do its work.

use actix_web::web::{Data, Json};
use tokenry_service::Tokenry;

use crate::{
    clock,
    error::{ApiError, Problem},
    wire::{Health, Readiness},
};

/// The process runs. It says nothing about the database.
#[utoipa::path(get, path = "/healthz", tag = "operations", responses((status = 200, body = Health)))]
pub(crate) async fn show_health() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// The database can be read and written, verification included, it has the schema of this program, and all background
/// threads run. A warning is no failure.
#[utoipa::path(get, path = "/readyz", tag = "operations", responses(
    (status = 200, body = Readiness),
    (status = 503, description = "Not ready; try again later.", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn show_readiness(tokenry: Data<Tokenry>) -> Result<Json<Readiness>, ApiError> {
    let found = tokenry.readiness(clock::now()).await;
    let checks = found.checks.into_iter().map(Into::into).collect();
    match found.is_ready {
        true => Ok(Json(Readiness { status: "ready", checks })),
        false => Err(ApiError::NotReady { checks }),
    }
}
