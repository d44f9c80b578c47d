//! What every caller may ask about themselves, and every live token about itself.

use actix_web::{
    HttpResponse,
    web::{Data, Json},
};
use tokenry_service::{Caller, CredentialKind, Token, Tokenry, VerifiedToken};

use crate::{
    api_caller::{AboutItself, ApiCaller},
    authorized::AnyToken,
    blocking::blocking,
    body::Sequential,
    error::{ApiError, Problem},
    query::StrictQuery,
    wire,
};

/// Who is calling, what they may do and what they have left of their limits.
#[utoipa::path(get, path = "/api/v1/me", tag = "tokens", security(("token" = [])), responses(
    (status = 200, body = wire::Me),
    (status = 401, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn show_me(
    Sequential(caller, _): Sequential<ApiCaller<AnyToken>, StrictQuery<()>>,
    tokenry: Data<Tokenry>,
) -> Result<Json<wire::Me>, ApiError> {
    let (context, owner) = (caller.call().clone(), caller.user().clone());
    let allowance = blocking(move || tokenry.limit_status(&context, &owner)).await?;
    let owner = caller.user();
    Ok(Json(wire::Me {
        user_id: owner.id.to_string(),
        subject: owner.subject.to_string(),
        name: owner.name.to_string(),
        role: owner.role.to_string(),
        scopes: caller.caller().effective().map(|rights| rights.to_set().to_texts()).unwrap_or_default(),
        credential: credential(caller.caller().credential()),
        limits: allowance.into(),
    }))
}

/// The token that this request was made with; an old secret within its grace may ask too.
#[utoipa::path(get, path = "/api/v1/token", tag = "tokens", security(("token" = [])), responses(
    (status = 200, body = wire::Token),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "The request was made without a token.", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn show_own_token(
    Sequential(AboutItself(context), _): Sequential<AboutItself, StrictQuery<()>>,
    tokenry: Data<Tokenry>,
) -> Result<Json<wire::Token>, ApiError> {
    let token = presented(&context.caller)?;
    let owner = context.caller.user().ok_or(ApiError::InvalidToken)?;
    Ok(Json(wire::Token::new(token, owner, &tokenry, context.now)))
}

/// Ends the token that this request was made with, whatever its scopes; an old secret within its grace may do it too.
#[utoipa::path(delete, path = "/api/v1/token", tag = "tokens", security(("token" = [])), responses(
    (status = 204, description = "Revoked."),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "The request was made without a token.", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn revoke_own_token(
    Sequential(AboutItself(context), _): Sequential<AboutItself, StrictQuery<()>>,
    tokenry: Data<Tokenry>,
) -> Result<HttpResponse, ApiError> {
    let id = presented(&context.caller)?.id;
    blocking(move || tokenry.revoke_token(&context, id, None)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The token that the request was made with.
fn presented(caller: &Caller) -> Result<&Token, ApiError> {
    caller.verified().map(VerifiedToken::token).ok_or_else(|| ApiError::Forbidden {
        detail: "This is about the token that a request is made with; this one was made without.".into(),
        errors: Vec::new(),
    })
}

fn credential(kind: CredentialKind) -> &'static str {
    match kind {
        CredentialKind::Token => "pat",
        CredentialKind::Jwt => "jwt",
        CredentialKind::Session | CredentialKind::User | CredentialKind::Operator => "session",
    }
}
