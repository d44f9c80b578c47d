//! The cookie that binds a sign-in at an OpenID provider to the browser in which it began.
//!
//! SECURITY: `SameSite=Lax`, because the provider's redirect back is a navigation from another site. The cookie alone
//! permits nothing: the answer must have the `state` that is derived from it.

use actix_web::{HttpRequest, http::header::HeaderValue};
use tokenry_service::{CredentialError, SignInSecret};

use super::{cookie::pairs, request_origin::RequestOrigin};
use crate::error::ApiError;

/// The names over TLS and within this machine, as those of the session cookie.
const SECURE: &str = "__Host-tokenry-sign-in";
const LOCAL: &str = "tokenry-sign-in";

/// How long a person may take at the provider, in seconds.
const LIFETIME: u64 = 600;

/// The value of the cookie that this origin sets. Two cookies of this name are an error: their sources are unknown.
pub(super) fn find<'r>(req: &'r HttpRequest, origin: &RequestOrigin) -> Result<Option<&'r [u8]>, ApiError> {
    let mut values =
        pairs(req).filter(|(known, _)| *known == name(origin).as_bytes()).map(|(_, value)| value);
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        _ => Err(CredentialError::Malformed.into()),
    }
}

/// `Set-Cookie` for a new sign-in.
pub(super) fn set(origin: &RequestOrigin, secret: SignInSecret) -> Result<HeaderValue, ApiError> {
    header(origin, &secret.reveal_once(), LIFETIME)
}

/// `Set-Cookie` that removes the cookie.
pub(super) fn clear(origin: &RequestOrigin) -> Result<HeaderValue, ApiError> {
    header(origin, "", 0)
}

fn header(origin: &RequestOrigin, value: &str, seconds: u64) -> Result<HeaderValue, ApiError> {
    let secure = if origin.is_local() { "" } else { "; Secure" };
    let attributes = format!("; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
    let text = format!("{}={value}{attributes}", name(origin));
    let mut header = HeaderValue::from_str(&text).map_err(ApiError::internal)?;
    // Hides the value in debug output of headers.
    header.set_sensitive(true);
    Ok(header)
}

fn name(origin: &RequestOrigin) -> &'static str {
    if origin.is_local() { LOCAL } else { SECURE }
}
