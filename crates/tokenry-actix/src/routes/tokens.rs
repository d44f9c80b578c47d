//! Create, show, change and revoke one token.

use actix_web::{
    FromRequest, HttpRequest, HttpResponse,
    dev::Payload,
    http::header::{ETAG, HeaderValue, IF_MATCH, LOCATION},
    web::Data,
};
use tokenry_service::{Issued, NewToken, Reason, TokenChanges, TokenId, Tokenry};

use super::{
    blocking,
    scopes::{TokensRead, TokensWrite},
};
use crate::{
    authorized::Authorized,
    body::{StrictJson, Then},
    error::ApiError,
    problem::Problem,
    query::{FromQuery, Query, StrictQuery},
    wire,
};

/// Makes a token. Its text is in this answer and nowhere else.
#[utoipa::path(post, path = "/api/v1/tokens", tag = "tokens", security(("token" = [])),
    request_body = wire::CreateToken, responses(
    (status = 201, body = wire::CreatedToken, headers(("Location" = String))),
    (status = 400, body = Problem, content_type = "application/problem+json"),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "Too many live tokens.", body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json"),
    (status = 429, description = "Too many tokens within the hour.", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn create_token(
    Then(caller, Then(_, StrictJson(body))): Then<
        Authorized<TokensWrite>,
        Then<StrictQuery<()>, StrictJson<wire::CreateToken>>,
    >,
    tokenry: Data<Tokenry>,
) -> Result<HttpResponse, ApiError> {
    let new = NewToken::try_from(body)?;
    let (call, owner) = (caller.call().clone(), caller.owner().id);
    let service = tokenry.clone();
    let Issued { token, owner, secret } = blocking(move || service.issue(&call, owner, new)).await?;
    let created = wire::CreatedToken {
        attributes: wire::Token::new(&token, &owner, tokenry.catalog(), caller.call().now),
        token: secret.reveal_once().to_string(),
    };
    Ok(HttpResponse::Created()
        .insert_header((LOCATION, format!("/api/v1/tokens/{}", token.id)))
        .insert_header((ETAG, format!("\"{}\"", token.version)))
        .json(created))
}

/// One of the caller's tokens.
#[utoipa::path(get, path = "/api/v1/tokens/{id}", tag = "tokens", security(("token" = [])),
    params(("id" = String, Path)), responses(
    (status = 200, body = wire::Token),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "Unknown, or somebody else's.", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn show_token(
    Then(caller, (TokenIdPath(id), _)): Then<Authorized<TokensRead>, (TokenIdPath, StrictQuery<()>)>,
    tokenry: Data<Tokenry>,
) -> Result<HttpResponse, ApiError> {
    let (call, service) = (caller.call().clone(), tokenry.clone());
    let (token, owner) = blocking(move || service.find(&call, id)).await?;
    let shown = wire::Token::new(&token, &owner, tokenry.catalog(), caller.call().now);
    Ok(HttpResponse::Ok().insert_header((ETAG, format!("\"{}\"", token.version))).json(shown))
}

/// Changes attributes of a token, all or none.
#[utoipa::path(patch, path = "/api/v1/tokens/{id}", tag = "tokens", security(("token" = [])),
    params(("id" = String, Path), ("If-Match" = Option<String>, Header, description = "The version to change, in quotes.")),
    request_body = wire::UpdateToken, responses(
    (status = 200, body = wire::Token),
    (status = 400, body = Problem, content_type = "application/problem+json"),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "Unknown, or somebody else's.", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "Another version, or revoked.", body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn update_token(
    Then(caller, Then((TokenIdPath(id), IfMatch(if_version), _), StrictJson(body))): Then<
        Authorized<TokensWrite>,
        Update,
    >,
    tokenry: Data<Tokenry>,
) -> Result<HttpResponse, ApiError> {
    let changes = TokenChanges { if_version, ..TokenChanges::try_from(body)? };
    let (call, service) = (caller.call().clone(), tokenry.clone());
    let (token, owner) = blocking(move || service.update(&call, id, changes)).await?;
    let shown = wire::Token::new(&token, &owner, tokenry.catalog(), caller.call().now);
    Ok(HttpResponse::Ok().insert_header((ETAG, format!("\"{}\"", token.version))).json(shown))
}

/// Ends a token for good; doing it again changes nothing.
#[utoipa::path(delete, path = "/api/v1/tokens/{id}", tag = "tokens", security(("token" = [])),
    params(("id" = String, Path), ("reason" = Option<String>, Query, description = "Kept beside the token.")), responses(
    (status = 204, description = "Revoked, now or before."),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "Unknown, or somebody else's.", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn revoke_token(
    Then(caller, (TokenIdPath(id), StrictQuery(query))): Then<
        Authorized<TokensWrite>,
        (TokenIdPath, StrictQuery<RevokeQuery>),
    >,
    tokenry: Data<Tokenry>,
) -> Result<HttpResponse, ApiError> {
    let call = caller.call().clone();
    blocking(move || tokenry.revoke(&call, id, query.reason)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// All that an update brings along; its body is read last.
type Update = Then<(TokenIdPath, IfMatch, StrictQuery<()>), StrictJson<wire::UpdateToken>>;

/// The id in the path. What is no id belongs to no token.
pub(crate) struct TokenIdPath(TokenId);

impl FromRequest for TokenIdPath {
    type Error = ApiError;
    type Future = std::future::Ready<Result<Self, ApiError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let id = req.match_info().get("id").and_then(|text| text.parse().ok());
        std::future::ready(id.map(Self).ok_or(ApiError::NotFound))
    }
}

/// The version that a change is meant for (RFC 9110, section 13.1.1); `*` is any.
pub(crate) struct IfMatch(Option<i64>);

impl FromRequest for IfMatch {
    type Error = ApiError;
    type Future = std::future::Ready<Result<Self, ApiError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let mut values = req.headers().get_all(IF_MATCH);
        let version = match (values.next(), values.next()) {
            (None, _) => Ok(Self(None)),
            (Some(value), None) => version(value).map(Self),
            (Some(_), Some(_)) => Err(one_version()),
        };
        std::future::ready(version)
    }
}

fn version(value: &HeaderValue) -> Result<Option<i64>, ApiError> {
    let text = value.to_str().map_err(|_| one_version())?.trim();
    if text == "*" {
        return Ok(None);
    }
    let digits = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).ok_or_else(one_version)?;
    // A tag that is no version of ours matches no version.
    Ok(Some(digits.parse().unwrap_or(-1)))
}

fn one_version() -> ApiError {
    ApiError::InvalidRequest { detail: "If-Match must be one version in quotes, such as \"3\", or *.".into() }
}

/// Why a token is revoked.
pub(crate) struct RevokeQuery {
    reason: Option<Reason>,
}

impl FromQuery for RevokeQuery {
    const NAMES: &'static [&'static str] = &["reason"];

    fn from_query(query: &mut Query) -> Self {
        let reason = query.text("reason", Reason::MAX).map(Reason::parse);
        let reason = reason.and_then(|parsed| match parsed {
            Ok(reason) => Some(reason),
            Err(error) => {
                query.refuse("reason", "invalid_reason", error.to_string());
                None
            }
        });
        Self { reason }
    }
}
