//! What any live token may ask about itself and its owner.

use actix_web::{
    HttpResponse,
    web::{Data, Json},
};
use tokenry_service::Tokenry;

use super::{blocking, scopes::Own};
use crate::{
    authorized::Authorized, body::Then, error::ApiError, problem::Problem, query::StrictQuery, wire,
};

/// Who is calling, what they may do and what they have left of their limits.
#[utoipa::path(get, path = "/api/v1/me", tag = "tokens", security(("token" = [])), responses(
    (status = 200, body = wire::Me),
    (status = 401, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn show_me(
    Then(caller, _): Then<Authorized<Own>, StrictQuery<()>>,
    tokenry: Data<Tokenry>,
) -> Result<Json<wire::Me>, ApiError> {
    let (call, owner) = (caller.call().clone(), caller.owner().clone());
    let allowance = blocking(move || tokenry.allowance(&call, &owner)).await?;
    let owner = caller.owner();
    Ok(Json(wire::Me {
        user_id: owner.id.to_string(),
        subject: owner.subject.to_string(),
        name: owner.name.to_string(),
        role: owner.role.to_string(),
        scopes: caller.verified().effective().to_set().to_texts(),
        credential: "pat",
        limits: allowance.into(),
    }))
}

/// The token that this request was made with.
#[utoipa::path(get, path = "/api/v1/token", tag = "tokens", security(("token" = [])), responses(
    (status = 200, body = wire::Token),
    (status = 401, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn show_own_token(
    Then(caller, _): Then<Authorized<Own>, StrictQuery<()>>,
    tokenry: Data<Tokenry>,
) -> Json<wire::Token> {
    Json(wire::Token::new(caller.token(), caller.owner(), tokenry.catalog(), caller.call().now))
}

/// Ends the token that this request was made with, whatever its scopes.
#[utoipa::path(delete, path = "/api/v1/token", tag = "tokens", security(("token" = [])), responses(
    (status = 204, description = "Revoked."),
    (status = 401, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn revoke_own_token(
    Then(caller, _): Then<Authorized<Own>, StrictQuery<()>>,
    tokenry: Data<Tokenry>,
) -> Result<HttpResponse, ApiError> {
    let (call, id) = (caller.call().clone(), caller.token().id);
    blocking(move || tokenry.revoke(&call, id, None)).await?;
    Ok(HttpResponse::NoContent().finish())
}
