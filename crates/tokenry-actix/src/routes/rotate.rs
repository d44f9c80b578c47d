//! Rotation: replaces the secret of a token.

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{CACHE_CONTROL, ETAG},
    rt::time::sleep,
    web::Data,
};
use macro_rules_attribute::apply;
use tokenry_service::{RotateError, Rotated, Rotation, TokenId, Tokenry, UnixMillis};

use super::{
    endpoint,
    path::{IdPath, IdempotencyKey, IfMatch, idempotency_key},
};
use crate::{
    api_caller::ApiCaller,
    authentication::OnRetiredSecret,
    blocking::blocking,
    body::{OptionalJson, Sequential},
    clock,
    error::ApiError,
    query::StrictQuery,
    scopes::TokensWrite,
    wire,
};

/// Replaces the secret of a token and keeps everything else. The new secret is only in this response.
#[apply(endpoint)]
#[openapi(tag = "tokens",
    params(
        ("id" = String, Path, format = "uuid", description = "The id of the token."),
        ("If-Match" = Option<String>, Header, pattern = r#"^(\*|"[0-9]+"( *, *"[0-9]+")*)$"#, description = "The version to rotate, in quotes; several are separated by commas, and `*` is any."),
        ("Idempotency-Key" = Option<String>, Header, pattern = "^[ -~]{1,255}$", description = "Identifies the request: a repetition is rejected with 409 and never creates a second secret."),
    ),
    request_body = Option<wire::RotateToken>, responses(
    (status = 200, body = wire::CreatedToken, headers(("ETag" = String, description = "The version of the token, in quotes."))),
    (status = 409, description = "Rotated by another request at the same time, already delivered, another version, revoked or expired."),
))]
pub(crate) async fn rotate_token(
    Sequential(caller, Sequential(head, OptionalJson(body))): Sequential<
        ApiCaller<TokensWrite>,
        Sequential<Head, OptionalJson<wire::RotateToken>>,
    >,
    tokenry: Data<Tokenry>,
) -> Result<HttpResponse, ApiError> {
    let (IdPath(id), IfMatch(if_version), IdempotencyKey(idempotency_key), _) = head;
    let rotation =
        Rotation::try_from(body)?.with_if_version(if_version).with_idempotency_key(idempotency_key);
    let (context, service) = (caller.context().clone(), tokenry.clone());
    let Rotated { token, owner, secret, .. } =
        blocking(move || service.rotate_token(&context, id, rotation)).await?;
    settle(token.secret_at).await;
    let rotated = wire::CreatedToken {
        attributes: wire::Token::new(&token, &owner, &tokenry, caller.context().now),
        token: secret.reveal_once(),
    };
    Ok(HttpResponse::Ok()
        .insert_header((ETAG, format!("\"{}\"", token.version)))
        // Here too, for an app without the outer middleware: the response has a secret.
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(rotated))
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

/// Delays the response until another rotation no longer counts as concurrent.
async fn settle(rotated: UnixMillis) {
    let settles_at = rotated.checked_add(Tokenry::ROTATION_SETTLES).unwrap_or(rotated);
    let remaining = settles_at.since(clock::now());
    if !remaining.is_zero() {
        sleep(remaining + Duration::from_millis(1)).await;
    }
}
