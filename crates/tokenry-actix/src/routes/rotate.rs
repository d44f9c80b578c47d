//! Replace a token's secret.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, http::header::ETAG, rt::time::sleep, web::Data};
use tokenry_service::{RotateError, Rotated, Rotation, TokenId, Tokenry, UnixMillis};

use super::{
    path::{IdPath, IdempotencyKey, IfMatch, idempotency_key},
    scopes::TokensWrite,
};
use crate::{
    api_caller::ApiCaller,
    authentication::OnRetiredSecret,
    blocking::blocking,
    body::{OptionalJson, Sequential},
    clock,
    error::{ApiError, Problem},
    query::StrictQuery,
    wire,
};

/// Gives a token a new secret and keeps everything else. The new text is in this answer and nowhere else.
#[utoipa::path(post, path = "/api/v1/tokens/{id}/rotate", tag = "tokens", security(("token" = [])),
    params(
        ("id" = String, Path),
        ("If-Match" = Option<String>, Header, description = "The version to rotate, in quotes."),
        ("Idempotency-Key" = Option<String>, Header, description = "Names the request: repeated, it is refused with 409 and never makes a second secret."),
    ),
    request_body = Option<wire::RotateToken>, responses(
    (status = 200, body = wire::CreatedToken),
    (status = 400, body = Problem, content_type = "application/problem+json"),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "Unknown, or somebody else's.", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "Rotated at the same moment, delivered before, another version, or dead.", body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn rotate_token(
    Sequential(caller, Sequential(head, OptionalJson(body))): Sequential<
        ApiCaller<TokensWrite>,
        Sequential<Head, OptionalJson<wire::RotateToken>>,
    >,
    tokenry: Data<Tokenry>,
) -> Result<HttpResponse, ApiError> {
    let (IdPath(id), IfMatch(if_version), IdempotencyKey(idempotency_key), _) = head;
    let rotation = Rotation { if_version, idempotency_key, ..Rotation::try_from(body)? };
    let (context, service) = (caller.call().clone(), tokenry.clone());
    let Rotated { token, owner, secret, .. } =
        blocking(move || service.rotate_token(&context, id, rotation)).await?;
    settle(token.secret_at).await;
    let rotated = wire::CreatedToken {
        attributes: wire::Token::new(&token, &owner, &tokenry, caller.call().now),
        token: secret.reveal_once(),
    };
    Ok(HttpResponse::Ok().insert_header((ETAG, format!("\"{}\"", token.version))).json(rotated))
}

type Head = (IdPath<TokenId>, IfMatch, IdempotencyKey, StrictQuery<()>);

/// Answers the repetition of a rotation, made with the secret that this rotation retired, that the new secret was
/// delivered before. The repetition is no failed credential.
pub(crate) const ON_RETIRED_SECRET: OnRetiredSecret =
    OnRetiredSecret(|req, tokenry, id| Box::pin(repeated_rotation(req, tokenry, id)));

async fn repeated_rotation(req: HttpRequest, tokenry: Data<Tokenry>, id: TokenId) -> Option<ApiError> {
    let is_own_rotation = req.match_info().get("id")?.parse() == Ok(id);
    let key = idempotency_key(req.headers()).ok()?.filter(|_| is_own_rotation)?;
    match blocking(move || tokenry.is_rotation_delivered(id, &key)).await {
        Ok(true) => Some(RotateError::Delivered.into()),
        Ok(false) => None,
        Err(error) => Some(error),
    }
}

/// Holds the answer back until another rotation is no longer taken for a parallel one.
async fn settle(rotated: UnixMillis) {
    let settled = rotated.checked_add(Tokenry::ROTATION_SETTLES).unwrap_or(rotated);
    let left = settled.since(clock::now());
    if !left.is_zero() {
        sleep(left + Duration::from_millis(1)).await;
    }
}
