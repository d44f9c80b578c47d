//! The cookie that holds a session's secret.

use std::time::Duration;

use actix_web::{
    HttpRequest,
    http::header::{COOKIE, HeaderValue},
};
use tokenry_service::SessionSecret;

use super::request_origin::RequestOrigin;
use crate::error::ApiError;

/// With this prefix a browser takes it only over TLS, for this host alone and for all its paths.
const SECURE: &str = "__Host-tokenry";
/// Without TLS, on this machine alone.
const LOCAL: &str = "tokenry";

/// A session's cookie as it was sent, and the site it was sent to.
pub(crate) struct Cookie<'r> {
    pub(crate) origin: RequestOrigin,
    pub(crate) value: &'r [u8],
}

/// The session's cookie of this request. Only the one name counts that this very origin sets: a cookie of the other name
/// was set by somebody else.
pub(crate) fn presented(req: &HttpRequest) -> Result<Option<Cookie<'_>>, ApiError> {
    // A request without any such cookie is nobody's session, wherever it was sent to.
    if pairs(req).all(|(name, _)| name != SECURE.as_bytes() && name != LOCAL.as_bytes()) {
        return Ok(None);
    }
    let origin = RequestOrigin::of(req)?;
    Ok(find(req, &origin)?.map(|value| Cookie { origin, value }))
}

/// The value of the cookie that this origin sets; of two of the same name nobody knows which is whose.
pub(crate) fn find<'r>(req: &'r HttpRequest, origin: &RequestOrigin) -> Result<Option<&'r [u8]>, ApiError> {
    let mut values =
        pairs(req).filter(|(known, _)| *known == name(origin).as_bytes()).map(|(_, value)| value);
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        _ => Err(ApiError::MalformedCredential),
    }
}

/// `Set-Cookie` for a new session that ends after `left`.
pub(crate) fn set(
    origin: &RequestOrigin,
    secret: SessionSecret,
    left: Duration,
) -> Result<HeaderValue, ApiError> {
    let secret = secret.reveal_once();
    let text = format!("{}={}{}", name(origin), *secret, attributes(origin, left.as_secs()));
    let mut value = HeaderValue::from_str(&text).map_err(ApiError::internal)?;
    // Kept out of whatever prints headers.
    value.set_sensitive(true);
    Ok(value)
}

/// `Set-Cookie` that takes the cookie away.
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

/// Name and value of each cookie that was sent.
fn pairs(req: &HttpRequest) -> impl Iterator<Item = (&[u8], &[u8])> {
    let all = req.headers().get_all(COOKIE).flat_map(|header| header.as_bytes().split(|b| *b == b';'));
    all.map(|pair| {
        let pair = pair.trim_ascii();
        let end = pair.iter().position(|b| *b == b'=').unwrap_or(pair.len());
        (pair.get(..end).unwrap_or_default(), pair.get(end + 1..).unwrap_or_default())
    })
}
