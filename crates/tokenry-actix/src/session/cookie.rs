//! The cookie with the secret of a session.

use std::time::Duration;

use actix_web::{
    HttpRequest,
    http::header::{COOKIE, HeaderValue},
};
use tokenry_service::SessionSecret;

use super::request_origin::RequestOrigin;
use crate::error::ApiError;

/// The name over TLS. With this prefix a browser accepts the cookie only over TLS, for this host and all its paths.
const SECURE: &str = "__Host-tokenry";
/// The name without TLS, for connections within this machine only.
const LOCAL: &str = "tokenry";

/// The session cookie of a request, and the origin that the request was sent to.
pub(crate) struct Cookie<'r> {
    pub(crate) origin: RequestOrigin,
    pub(crate) value: &'r [u8],
}

/// The session cookie of this request. Only the cookie name that this origin sets is accepted; a cookie of the other name
/// has another source.
pub(crate) fn presented(req: &HttpRequest) -> Result<Option<Cookie<'_>>, ApiError> {
    // Without a session cookie, the origin does not matter and need not be valid.
    if pairs(req).all(|(name, _)| name != SECURE.as_bytes() && name != LOCAL.as_bytes()) {
        return Ok(None);
    }
    let origin = RequestOrigin::of(req)?;
    Ok(find(req, &origin)?.map(|value| Cookie { origin, value }))
}

/// The value of the cookie that this origin sets. Two cookies of this name are an error: their sources are unknown.
pub(crate) fn find<'r>(req: &'r HttpRequest, origin: &RequestOrigin) -> Result<Option<&'r [u8]>, ApiError> {
    let mut values =
        pairs(req).filter(|(known, _)| *known == name(origin).as_bytes()).map(|(_, value)| value);
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        _ => Err(ApiError::MalformedCredential),
    }
}

/// `Set-Cookie` for a new session that expires after `left`.
pub(crate) fn set(
    origin: &RequestOrigin,
    secret: SessionSecret,
    left: Duration,
) -> Result<HeaderValue, ApiError> {
    let secret = secret.reveal_once();
    let text = format!("{}={}{}", name(origin), *secret, attributes(origin, left.as_secs()));
    let mut value = HeaderValue::from_str(&text).map_err(ApiError::internal)?;
    // Hides the value in debug output of headers.
    value.set_sensitive(true);
    Ok(value)
}

/// `Set-Cookie` that removes the cookie.
pub(crate) fn clear(origin: &RequestOrigin) -> Result<HeaderValue, ApiError> {
    let text = format!("{}={}", name(origin), attributes(origin, 0));
    HeaderValue::from_str(&text).map_err(ApiError::internal)
}

fn name(origin: &RequestOrigin) -> &'static str {
    if origin.is_local() { LOCAL } else { SECURE }
}

fn attributes(origin: &RequestOrigin, seconds: u64) -> String {
    let secure = if origin.is_local() { "" } else { "; Secure" };
    format!("; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}")
}

/// Name and value of each cookie of the request.
fn pairs(req: &HttpRequest) -> impl Iterator<Item = (&[u8], &[u8])> {
    let all = req.headers().get_all(COOKIE).flat_map(|header| header.as_bytes().split(|b| *b == b';'));
    all.map(|pair| {
        let pair = pair.trim_ascii();
        let end = pair.iter().position(|b| *b == b'=').unwrap_or(pair.len());
        (pair.get(..end).unwrap_or_default(), pair.get(end + 1..).unwrap_or_default())
    })
}
