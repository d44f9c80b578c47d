//! Liveness and readiness.

use actix_web::web::{Data, Json};
use macro_rules_attribute::apply;
use tokenry_service::Tokenry;

use super::endpoint;
use crate::{
    access::Public,
    clock,
    error::ApiError,
    wire::{Health, Readiness},
};

/// Liveness: the process runs. Does not check the database.
#[apply(endpoint)]
#[openapi(tag = "operations", responses((status = 200, body = Health)))]
pub(crate) async fn show_health(_: Public) -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Readiness: the database can be read and written, also by verification, it has the schema of this version, and all
/// background threads run. A warning is not a failure.
#[apply(endpoint)]
#[openapi(tag = "operations", responses(
    (status = 200, body = Readiness),
    (status = 503, description = "A check failed; the problem has the result of every check."),
))]
pub(crate) async fn show_readiness(_: Public, tokenry: Data<Tokenry>) -> Result<Json<Readiness>, ApiError> {
    let readiness = tokenry.readiness(clock::now()).await;
    let checks = readiness.checks.into_iter().map(Into::into).collect();
    match readiness.is_ready {
        true => Ok(Json(Readiness { status: "ready", checks })),
        false => Err(ApiError::NotReady { checks }),
    }
}
