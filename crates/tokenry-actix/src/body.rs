//! Request bodies: [`StrictJson`], [`OptionalJson`], and [`Sequential`] to read them only after authentication.

use std::{pin::Pin, time::Duration};

use actix_web::{
    Error, FromRequest, HttpRequest,
    dev::Payload,
    http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName},
    rt::time::timeout,
    web::{self, Bytes},
};
use serde::de::DeserializeOwned;

use crate::{
    access::{Access, DeclareAccess},
    declared_errors::{DeclareErrors, Errors},
    error::ApiError,
    field_names::FieldNames,
    json,
};

/// Maximum size of a body, in bytes.
pub(crate) const MAX_BODY: usize = 16 * 1024;

/// Timeout for receiving a whole body, from the moment it is first read. Register it as app data to replace the default of
/// 10 seconds.
#[derive(Debug, Clone, Copy)]
pub struct BodyTimeout(pub Duration);

impl Default for BodyTimeout {
    fn default() -> Self {
        Self(Duration::from_secs(10))
    }
}

/// The media type of forms.
pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

type LocalFuture<T> = Pin<Box<dyn Future<Output = T>>>;

/// A JSON body: one UTF-8 value, nested at most 32 levels deep, without duplicate keys.
///
/// Rejected with 415 unless the content type is `application/json` (in UTF-8) without content encoding, with 413 above
/// 16 KiB, and with 408 if it does not arrive within [`BodyTimeout`].
#[derive(Debug)]
pub struct StrictJson<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for StrictJson<T> {
    type Error = ApiError;
    type Future = LocalFuture<Result<Self, ApiError>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = read(req, payload, "application/json");
        let names = req.app_data::<FieldNames>().cloned();
        Box::pin(async move { json::read(&body.await?, names.as_ref()).map(Self) })
    }
}

impl<T> DeclareErrors for StrictJson<T> {
    fn errors() -> Errors {
        json_errors()
    }
}

/// As [`StrictJson`], but a missing body is `T::default()`.
#[derive(Debug)]
pub struct OptionalJson<T>(pub T);

impl<T: DeserializeOwned + Default + 'static> FromRequest for OptionalJson<T> {
    type Error = ApiError;
    type Future = LocalFuture<Result<Self, ApiError>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let acceptable = check_type(req, "application/json");
        let body = collect(req, payload, MAX_BODY);
        let names = req.app_data::<FieldNames>().cloned();
        Box::pin(async move {
            let body = body.await?;
            if body.is_empty() {
                return Ok(Self(T::default()));
            }
            acceptable?;
            json::read(&body, names.as_ref()).map(Self)
        })
    }
}

impl<T> DeclareErrors for OptionalJson<T> {
    fn errors() -> Errors {
        json_errors()
    }
}

fn json_errors() -> Errors {
    read_errors()
        .with(400, "The body is not one JSON value.")
        .with(422, "A field is unknown, missing or invalid.")
}

/// Two extractors; the second runs only after the first succeeded.
///
/// SECURITY: actix-web polls the arguments of a handler concurrently. While authentication waits for the database, a body
/// in another argument is already read, and its error wins. `Sequential<Caller, StrictJson<T>>` reads nothing before the
/// caller is authenticated.
#[derive(Debug)]
pub struct Sequential<A, B>(pub A, pub B);

impl<A: DeclareAccess, B> DeclareAccess for Sequential<A, B> {
    const ACCESS: Access = A::ACCESS;
}

impl<A: DeclareErrors, B: DeclareErrors> DeclareErrors for Sequential<A, B> {
    fn errors() -> Errors {
        A::errors().and(B::errors())
    }
}

impl<A: FromRequest + 'static, B: FromRequest + 'static> FromRequest for Sequential<A, B> {
    type Error = Error;
    type Future = LocalFuture<Result<Self, Error>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (req, mut payload) = (req.clone(), payload.take());
        Box::pin(async move {
            let first = A::from_request(&req, &mut payload).await.map_err(Into::into)?;
            let second = B::from_request(&req, &mut payload).await.map_err(Into::into)?;
            Ok(Self(first, second))
        })
    }
}

/// The errors of [`read`].
pub(crate) fn read_errors() -> Errors {
    Errors::default()
        .with(408, "The body did not arrive in time.")
        .with(413, "The body is larger than 16 KiB.")
        .with(415, "The body has another type or an encoding.")
}

/// The bytes of a body of the type `media_type`. Nothing is read before the future is polled.
pub(crate) fn read(
    req: &HttpRequest,
    payload: &mut Payload,
    media_type: &str,
) -> impl Future<Output = Result<Bytes, ApiError>> + use<> {
    read_up_to(req, payload, media_type, MAX_BODY)
}

/// The same with another maximum size, in bytes.
pub(crate) fn read_up_to(
    req: &HttpRequest,
    payload: &mut Payload,
    media_type: &str,
    max: usize,
) -> impl Future<Output = Result<Bytes, ApiError>> + use<> {
    let acceptable = check_type(req, media_type);
    let body = collect(req, payload, max);
    async {
        acceptable?;
        body.await
    }
}

/// The bytes of a body of any type, within the limits of size and time.
fn collect(
    req: &HttpRequest,
    payload: &mut Payload,
    max: usize,
) -> impl Future<Output = Result<Bytes, ApiError>> + use<> {
    let BodyTimeout(limit) = req.app_data().copied().unwrap_or_default();
    let length = req.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let stream = web::Payload::from_request(req, payload);
    async move {
        if length.is_some_and(|length: u64| length > max as u64) {
            return Err(ApiError::PayloadTooLarge);
        }
        let whole = async { Ok::<_, Error>(stream.await?.to_bytes_limited(max).await) };
        match timeout(limit, whole).await {
            Ok(Ok(Ok(Ok(bytes)))) => Ok(bytes),
            Ok(Ok(Err(_))) => Err(ApiError::PayloadTooLarge),
            Ok(Ok(Ok(Err(_))) | Err(_)) => {
                Err(ApiError::InvalidRequest { detail: "The body is incomplete.".into() })
            }
            Err(_) => Err(ApiError::RequestTimeout),
        }
    }
}

/// Checks the headers of the body: one content type, no encoding.
fn check_type(req: &HttpRequest, media_type: &str) -> Result<(), ApiError> {
    let mut types = header_texts(req, &CONTENT_TYPE);
    let (Some(content_type), None) = (types.next(), types.next()) else {
        return Err(ApiError::UnsupportedMediaType);
    };
    let mut parts = content_type.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    let is_unencoded =
        header_texts(req, &CONTENT_ENCODING).all(|encoding| encoding.eq_ignore_ascii_case("identity"));
    // A form is ASCII in every charset: everything else in it is percent-encoded.
    let is_readable = |parameter: &str| media_type == FORM && is_charset(parameter) || is_utf8(parameter);
    if essence.eq_ignore_ascii_case(media_type) && parts.all(is_readable) && is_unencoded {
        Ok(())
    } else {
        Err(ApiError::UnsupportedMediaType)
    }
}

/// Whether a parameter of a content type names a charset.
fn is_charset(parameter: &str) -> bool {
    parameter.get(..8).is_some_and(|name| name.eq_ignore_ascii_case("charset="))
}

/// Whether a parameter of a content type says UTF-8.
fn is_utf8(parameter: &str) -> bool {
    parameter.eq_ignore_ascii_case("charset=utf-8") || parameter.eq_ignore_ascii_case("charset=\"utf-8\"")
}

/// The values of one header; one that is not visible ASCII becomes the empty text.
fn header_texts<'a>(req: &'a HttpRequest, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    req.headers().get_all(name).map(|value| value.to_str().unwrap_or_default())
}

#[cfg(test)]
mod tests;
