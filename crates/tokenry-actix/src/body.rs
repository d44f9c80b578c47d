//! Request bodies: [`StrictJson`], its optional form, and [`Sequential`] to keep them behind authentication.

use std::{pin::Pin, time::Duration};

use actix_web::{
    Error, FromRequest, HttpRequest,
    dev::Payload,
    http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName},
    rt::time::timeout,
    web::{self, Bytes},
};
use serde::de::DeserializeOwned;

use crate::{error::ApiError, json};

/// Largest body, in bytes.
pub const MAX_BODY: usize = 16 * 1024;

/// How long a whole body may take to arrive, counted from the moment someone waits for it. As app data it
/// replaces the default of 10 seconds.
#[derive(Debug, Clone, Copy)]
pub struct BodyTimeout(pub Duration);

impl Default for BodyTimeout {
    fn default() -> Self {
        Self(Duration::from_secs(10))
    }
}

type LocalFuture<T> = Pin<Box<dyn Future<Output = T>>>;

/// A JSON body, read by the rules of [`json::read`].
///
/// Refused with 415 unless the content type is `application/json` (in UTF-8) without content encoding; with
/// 413 above [`MAX_BODY`]; with 408 if it does not arrive within [`BodyTimeout`].
#[derive(Debug)]
pub struct StrictJson<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for StrictJson<T> {
    type Error = ApiError;
    type Future = LocalFuture<Result<Self, ApiError>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = read(req, payload, "application/json");
        Box::pin(async move { json::read(&body.await?).map(Self) })
    }
}

/// As [`StrictJson`], for routes whose every field is optional: no body at all means `T::default()`.
#[derive(Debug)]
pub struct OptionalJson<T>(pub T);

impl<T: DeserializeOwned + Default + 'static> FromRequest for OptionalJson<T> {
    type Error = ApiError;
    type Future = LocalFuture<Result<Self, ApiError>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let acceptable = check_type(req, "application/json");
        let body = collect(req, payload);
        Box::pin(async move {
            let body = body.await?;
            if body.is_empty() {
                return Ok(Self(T::default()));
            }
            acceptable?;
            json::read(&body).map(Self)
        })
    }
}

/// Two extractors, the second only after the first succeeded.
///
/// SECURITY: actix-web polls the arguments of a handler side by side. While authentication waits for the
/// database, a body beside it is already read, and its error wins. `Sequential<Caller, StrictJson<T>>` reads nothing
/// for a caller who may not come in.
#[derive(Debug)]
pub struct Sequential<A, B>(pub A, pub B);

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

/// The bytes of a body of the type `media_type`. Reads nothing before it is polled.
pub(crate) fn read(
    req: &HttpRequest,
    payload: &mut Payload,
    media_type: &str,
) -> impl Future<Output = Result<Bytes, ApiError>> + use<> {
    let acceptable = check_type(req, media_type);
    let body = collect(req, payload);
    async {
        acceptable?;
        body.await
    }
}

/// The bytes of a body of any type, within the limits of size and time.
fn collect(
    req: &HttpRequest,
    payload: &mut Payload,
) -> impl Future<Output = Result<Bytes, ApiError>> + use<> {
    let BodyTimeout(limit) = req.app_data().copied().unwrap_or_default();
    let length = req.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let stream = web::Payload::from_request(req, payload);
    async move {
        if length.is_some_and(|length: u64| length > MAX_BODY as u64) {
            return Err(ApiError::PayloadTooLarge);
        }
        let whole = async { Ok::<_, Error>(stream.await?.to_bytes_limited(MAX_BODY).await) };
        match timeout(limit, whole).await {
            Ok(Ok(Ok(Ok(bytes)))) => Ok(bytes),
            Ok(Ok(Err(_))) => Err(ApiError::PayloadTooLarge),
            Ok(Ok(Ok(Err(_))) | Err(_)) => {
                Err(ApiError::InvalidRequest { detail: "The body did not arrive whole.".into() })
            }
            Err(_) => Err(ApiError::RequestTimeout),
        }
    }
}

/// Checks what the head says of the body: one content type, no encoding.
fn check_type(req: &HttpRequest, media_type: &str) -> Result<(), ApiError> {
    let mut types = texts(req, &CONTENT_TYPE);
    let (Some(content_type), None) = (types.next(), types.next()) else {
        return Err(ApiError::UnsupportedMediaType);
    };
    let mut parts = content_type.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    let utf8 = |part: &str| {
        part.eq_ignore_ascii_case("charset=utf-8") || part.eq_ignore_ascii_case("charset=\"utf-8\"")
    };
    let plain = texts(req, &CONTENT_ENCODING).all(|encoding| encoding.eq_ignore_ascii_case("identity"));
    if essence.eq_ignore_ascii_case(media_type) && parts.all(utf8) && plain {
        Ok(())
    } else {
        Err(ApiError::UnsupportedMediaType)
    }
}

/// The values of one header; what is not text reads as the empty text.
fn texts<'a>(req: &'a HttpRequest, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    req.headers().get_all(name).map(|value| value.to_str().unwrap_or_default())
}
