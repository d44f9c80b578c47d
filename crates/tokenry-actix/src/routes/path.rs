//! What the management routes read from a path and the headers.

mod if_match;

use std::str::FromStr;

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::header::{HeaderMap, HeaderValue},
};

use crate::error::ApiError;

pub(crate) use self::if_match::IfMatch;

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
