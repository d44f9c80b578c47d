//! Extractors for path parameters and headers of the management routes.

mod if_match;

use std::str::FromStr;

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::header::{HeaderMap, HeaderValue},
};

use tokenry_service::{TokenId, UserId};

use crate::{
    declared_errors::{DeclareErrors, Errors},
    error::ApiError,
};

pub(crate) use self::if_match::IfMatch;

/// The id in the path. An invalid id is 404, like an unknown one.
pub(crate) struct IdPath<T>(pub(crate) T);

impl<T: FromStr> FromRequest for IdPath<T> {
    type Error = ApiError;
    type Future = std::future::Ready<Result<Self, ApiError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let id = req.match_info().get("id").and_then(|text| text.parse().ok());
        std::future::ready(id.map(Self).ok_or(ApiError::NotFound))
    }
}

impl DeclareErrors for IdPath<TokenId> {
    fn errors() -> Errors {
        Errors::default().with(404, "The token does not exist, or another user owns it.")
    }
}

impl DeclareErrors for IdPath<UserId> {
    fn errors() -> Errors {
        Errors::default().with(404, "The user does not exist.")
    }
}

/// The key that identifies repetitions of a request (draft-ietf-httpapi-idempotency-key-header), with or without quotes.
pub(crate) struct IdempotencyKey(pub(crate) Option<String>);

impl FromRequest for IdempotencyKey {
    type Error = ApiError;
    type Future = std::future::Ready<Result<Self, ApiError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(idempotency_key(req.headers()).map(Self))
    }
}

impl DeclareErrors for IdempotencyKey {
    fn errors() -> Errors {
        Errors::default().with(400, "Idempotency-Key is malformed.")
    }
}

/// The idempotency key in the headers, if any.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut values = headers.get_all("idempotency-key");
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => parse_key(value).map(Some),
        (Some(_), Some(_)) => Err(invalid_key()),
    }
}

fn parse_key(value: &HeaderValue) -> Result<String, ApiError> {
    let text = value.to_str().map_err(|_| invalid_key())?;
    let bare = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    let is_valid = (1..=255).contains(&bare.len()) && bare.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
    if is_valid { Ok(bare.to_owned()) } else { Err(invalid_key()) }
}

fn invalid_key() -> ApiError {
    ApiError::InvalidRequest {
        detail: "Idempotency-Key must be sent once, with 1 to 255 ASCII characters.".into(),
    }
}
