//! Create, show, update and revoke one token.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{CACHE_CONTROL, ETAG, LOCATION},
    web::Data,
};
use macro_rules_attribute::apply;
use tokenry_service::{Issued, NewToken, Reason, TokenChanges, TokenId, Tokenry};

use super::{
    endpoint,
    path::{IdPath, IfMatch},
};
use crate::{
    api_caller::ApiCaller,
    blocking::blocking,
    body::{Sequential, StrictJson},
    error::ApiError,
    query::{FromQuery, Query, StrictQuery},
    scopes::{TokensRead, TokensWrite},
    tokens_path::TokensPath,
    wire,
};

/// Creates a token. Its secret is only in this response.
#[apply(endpoint)]
#[openapi(tag = "tokens",
    request_body = wire::CreateToken, responses(
    (status = 201, body = wire::CreatedToken, headers(("Location" = String, description = "The path of the token."), ("ETag" = String, description = "The version of the token, in quotes."))),
    (status = 409, description = "The maximum number of live tokens is reached."),
    (status = 429, description = "Too many tokens were created within an hour."),
))]
pub(crate) async fn create_token(
    Sequential(caller, Sequential(_, StrictJson(body))): Sequential<
        ApiCaller<TokensWrite>,
        Sequential<StrictQuery<()>, StrictJson<wire::CreateToken>>,
    >,
    req: HttpRequest,
    tokenry: Data<Tokenry>,
) -> Result<HttpResponse, ApiError> {
    let new = NewToken::try_from(body)?;
    let (context, owner) = (caller.context().clone(), caller.user().id);
    let service = tokenry.clone();
    let Issued { token, owner, secret, .. } =
        blocking(move || service.issue_token(&context, owner, new)).await?;
    let created = wire::CreatedToken {
        attributes: wire::Token::new(&token, &owner, &tokenry, caller.context().now),
        token: secret.reveal_once(),
    };
    let path = req.app_data::<TokensPath>().cloned().unwrap_or_default();
    Ok(HttpResponse::Created()
        .insert_header((LOCATION, format!("{path}/{}", token.id)))
        .insert_header((ETAG, format!("\"{}\"", token.version)))
        // Here too, for an app without the outer middleware: the response has a secret.
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(created))
}

/// Shows one of the caller's tokens.
#[apply(endpoint)]
#[openapi(tag = "tokens",
    params(("id" = String, Path, format = "uuid", description = "The id of the token.")), responses(
    (status = 200, body = wire::Token, headers(("ETag" = String, description = "The version of the token, in quotes."))),
))]
pub(crate) async fn show_token(
    Sequential(caller, (IdPath(id), _)): Sequential<
        ApiCaller<TokensRead>,
        (IdPath<TokenId>, StrictQuery<()>),
    >,
    tokenry: Data<Tokenry>,
) -> Result<HttpResponse, ApiError> {
    let (context, service) = (caller.context().clone(), tokenry.clone());
    let (token, owner) = blocking(move || service.find_token(&context, id)).await?;
    let shown = wire::Token::new(&token, &owner, &tokenry, caller.context().now);
    Ok(HttpResponse::Ok().insert_header((ETAG, format!("\"{}\"", token.version))).json(shown))
}

/// Updates attributes of a token, all or none.
#[apply(endpoint)]
#[openapi(tag = "tokens",
    params(("id" = String, Path, format = "uuid", description = "The id of the token."), ("If-Match" = Option<String>, Header, pattern = r#"^(\*|"[0-9]+"( *, *"[0-9]+")*)$"#, description = "The version to change, in quotes; several are separated by commas, and `*` is any.")),
    request_body = wire::UpdateToken, responses(
    (status = 200, body = wire::Token, headers(("ETag" = String, description = "The version of the token, in quotes."))),
    (status = 409, description = "Another version, revoked or expired."),
))]
pub(crate) async fn update_token(
    Sequential(caller, Sequential((IdPath(id), IfMatch(if_version), _), StrictJson(body))): Sequential<
        ApiCaller<TokensWrite>,
        Update,
    >,
    tokenry: Data<Tokenry>,
) -> Result<HttpResponse, ApiError> {
    let changes = TokenChanges::try_from(body)?.with_if_version(if_version);
    let (context, service) = (caller.context().clone(), tokenry.clone());
    let (token, owner) = blocking(move || service.update_token(&context, id, changes)).await?;
    let shown = wire::Token::new(&token, &owner, &tokenry, caller.context().now);
    Ok(HttpResponse::Ok().insert_header((ETAG, format!("\"{}\"", token.version))).json(shown))
}

/// Revokes a token permanently; repetitions change nothing.
#[apply(endpoint)]
#[openapi(tag = "tokens",
    params(("id" = String, Path, format = "uuid", description = "The id of the token."), ("reason" = Option<String>, Query, max_length = 200, description = "Stored with the token: one line. An empty reason is none.")), responses(
    (status = 204, description = "Revoked, now or earlier."),
))]
pub(crate) async fn revoke_token(
    Sequential(caller, (IdPath(id), StrictQuery(query))): Sequential<
        ApiCaller<TokensWrite>,
        (IdPath<TokenId>, StrictQuery<RevokeQuery>),
    >,
    tokenry: Data<Tokenry>,
) -> Result<HttpResponse, ApiError> {
    let context = caller.context().clone();
    blocking(move || tokenry.revoke_token(&context, id, query.reason)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The inputs of an update; the body is read last.
type Update = Sequential<(IdPath<TokenId>, IfMatch, StrictQuery<()>), StrictJson<wire::UpdateToken>>;

/// The reason of a revocation.
pub(crate) struct RevokeQuery {
    reason: Option<Reason>,
}

impl FromQuery for RevokeQuery {
    const NAMES: &'static [&'static str] = &["reason"];

    fn from_query(query: &mut Query) -> Self {
        let reason = query.text("reason", Reason::MAX).filter(|text| !text.is_empty()).map(Reason::parse);
        let reason = reason.and_then(|parsed| match parsed {
            Ok(reason) => Some(reason),
            Err(error) => {
                query.reject("reason", "invalid_reason", error.to_string());
                None
            }
        });
        Self { reason }
    }
}
