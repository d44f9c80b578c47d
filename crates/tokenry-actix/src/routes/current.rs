//! The current caller and the current token.

use actix_web::{
    HttpResponse,
    web::{Data, Json},
};
use macro_rules_attribute::apply;
use tokenry_service::{Caller, CredentialError, CredentialKind, Token, Tokenry, VerifiedToken};

use super::endpoint;
use crate::{
    api_caller::{ApiCaller, OwnToken},
    authorized::AnyToken,
    blocking::blocking,
    body::Sequential,
    error::ApiError,
    query::StrictQuery,
    wire,
};

/// Shows the caller, their permissions and the remaining quota of their limits.
#[apply(endpoint)]
#[openapi(tag = "tokens", responses(
    (status = 200, body = wire::Me),
))]
pub(crate) async fn show_me(
    Sequential(caller, _): Sequential<ApiCaller<AnyToken>, StrictQuery<()>>,
    tokenry: Data<Tokenry>,
) -> Result<Json<wire::Me>, ApiError> {
    let (context, owner) = (caller.context().clone(), caller.user().clone());
    let limits = blocking(move || tokenry.limit_status(&context, &owner)).await?;
    let owner = caller.user();
    Ok(Json(wire::Me {
        user_id: owner.id.to_string(),
        subject: owner.subject.to_string(),
        name: owner.name.to_string(),
        role: owner.role.to_string(),
        scopes: caller
            .caller()
            .effective()
            .map(|permissions| permissions.to_set().to_texts())
            .unwrap_or_default(),
        credential: credential_name(caller.caller().credential()),
        limits: limits.into(),
    }))
}

/// Shows the token of this request. A retired secret within its grace period is accepted.
#[apply(endpoint)]
#[openapi(tag = "tokens", responses(
    (status = 200, body = wire::Token),
    (status = 403, description = "The request has another credential than a token."),
))]
pub(crate) async fn show_own_token(
    Sequential(OwnToken(context), _): Sequential<OwnToken, StrictQuery<()>>,
    tokenry: Data<Tokenry>,
) -> Result<Json<wire::Token>, ApiError> {
    let token = presented(&context.caller)?;
    let owner = context.caller.user().ok_or(CredentialError::InvalidToken)?;
    Ok(Json(wire::Token::new(token, owner, &tokenry, context.now)))
}

/// Revokes the token of this request, regardless of its scopes. A retired secret within its grace period is accepted.
#[apply(endpoint)]
#[openapi(tag = "tokens", responses(
    (status = 204, description = "Revoked."),
    (status = 403, description = "The request has another credential than a token."),
))]
pub(crate) async fn revoke_own_token(
    Sequential(OwnToken(context), _): Sequential<OwnToken, StrictQuery<()>>,
    tokenry: Data<Tokenry>,
) -> Result<HttpResponse, ApiError> {
    let id = presented(&context.caller)?.id;
    blocking(move || tokenry.revoke_token(&context, id, None)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The token of the request.
fn presented(caller: &Caller) -> Result<&Token, ApiError> {
    caller.verified().map(VerifiedToken::token).ok_or_else(|| ApiError::Forbidden {
        detail: "This endpoint is about the token of the request; this request has another credential."
            .into(),
        errors: Vec::new(),
    })
}

fn credential_name(kind: CredentialKind) -> &'static str {
    match kind {
        CredentialKind::Token => "pat",
        CredentialKind::Jwt => "jwt",
        CredentialKind::Session | CredentialKind::User | CredentialKind::Operator => "session",
    }
}
