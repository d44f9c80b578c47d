//! Liveness and readiness.

use actix_web::web::{Data, Json};
use tokenry_service::Tokenry;

use super::RouteName;
use crate::{
    access::Public,
    clock,
    error::{ApiError, Problem},
    wire::{Health, Readiness},
};

/// Liveness: the process runs. Does not check the database.
#[utoipa::path(get, path = RouteName::ShowHealth.path(), tag = "operations", responses((status = 200, body = Health)))]
pub(crate) async fn show_health(_: Public) -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Readiness: the database can be read and written, also by verification, it has the schema of this version, and all
/// background threads run. A warning is not a failure.
#[utoipa::path(get, path = RouteName::ShowReadiness.path(), tag = "operations", responses(
    (status = 200, body = Readiness),
    (status = 503, description = "Not ready; try again later.", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn show_readiness(_: Public, tokenry: Data<Tokenry>) -> Result<Json<Readiness>, ApiError> {
    let readiness = tokenry.readiness(clock::now()).await;
    let checks = readiness.checks.into_iter().map(Into::into).collect();
    match readiness.is_ready {
        true => Ok(Json(Readiness { status: "ready", checks })),
        false => Err(ApiError::NotReady { checks }),
    }
}
