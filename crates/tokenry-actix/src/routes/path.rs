//! What the management routes read from a path and the headers.

use std::str::FromStr;

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::header::{HeaderMap, HeaderValue, IF_MATCH},
};

use crate::error::ApiError;

/// The id in the path. What is no id belongs to nothing.
pub(crate) struct IdPath<T>(pub(crate) T);

impl<T: FromStr> FromRequest for IdPath<T> {
    type Error = ApiError;
    type Future = std::future::Ready<Result<Self, ApiError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let id = req.match_info().get("id").and_then(|text| text.parse().ok());
        std::future::ready(id.map(Self).ok_or(ApiError::NotFound))
    }
}

/// The version that a change is meant for (RFC 9110, section 13.1.1); `*` is any.
pub(crate) struct IfMatch(pub(crate) Option<i64>);

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

/// What names one request among its repetitions (draft-ietf-httpapi-idempotency-key-header), with or without quotes.
pub(crate) struct IdempotencyKey(pub(crate) Option<String>);

impl FromRequest for IdempotencyKey {
    type Error = ApiError;
    type Future = std::future::Ready<Result<Self, ApiError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(idempotency_key(req.headers()).map(Self))
    }
}

/// The key that a request bears, if it bears one.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut values = headers.get_all("idempotency-key");
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => key(value).map(Some),
        (Some(_), Some(_)) => Err(one_key()),
    }
}

fn key(value: &HeaderValue) -> Result<String, ApiError> {
    let text = value.to_str().map_err(|_| one_key())?;
    let bare = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    let fits = (1..=255).contains(&bare.len()) && bare.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
    if fits { Ok(bare.to_owned()) } else { Err(one_key()) }
}

fn one_key() -> ApiError {
    ApiError::InvalidRequest {
        detail: "Idempotency-Key must be one text of 1 to 255 ASCII characters.".into(),
    }
}
