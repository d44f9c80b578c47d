//! The cookie with the secret of a session.
//!
//! SECURITY: parsed here and not by the `cookie` crate, which trims Unicode spaces around names. A browser sends
//! `\u{2000}__Host-tokenry` for a cookie that lacks the guarantees of the prefix `__Host-`; the crate would accept it as
//! the session cookie.

use std::time::Duration;

use actix_web::{
    HttpRequest,
    http::header::{COOKIE, HeaderValue},
};
use tokenry_service::{CredentialError, SessionSecret};

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
        _ => Err(CredentialError::Malformed.into()),
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

/// Name and value of each cookie of the request, exactly as the browser stored them: only ASCII spaces around a pair are
/// removed, and quotes are part of the value.
pub(super) fn pairs(req: &HttpRequest) -> impl Iterator<Item = (&[u8], &[u8])> {
    let all = req.headers().get_all(COOKIE).flat_map(|header| header.as_bytes().split(|b| *b == b';'));
    all.map(|pair| {
        let pair = pair.trim_ascii();
        let end = pair.iter().position(|b| *b == b'=').unwrap_or(pair.len());
        (pair.get(..end).unwrap_or_default(), pair.get(end + 1..).unwrap_or_default())
    })
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    /// The session cookie in these `Cookie` headers, sent over TLS.
    fn read(headers: &[&[u8]]) -> Result<Option<Vec<u8>>, ApiError> {
        let mut req = TestRequest::default().insert_header(("host", "tokens.test"));
        for value in headers {
            req = req.append_header((COOKIE, HeaderValue::from_bytes(value).unwrap()));
        }
        let req = req.to_http_request();
        presented(&req).map(|cookie| cookie.map(|cookie| cookie.value.to_vec()))
    }

    #[test]
    fn the_value_is_read_as_the_browser_stored_it() {
        for (header, value) in [
            ("__Host-tokenry=a", "a"),
            ("x=1; __Host-tokenry=a ; y", "a"),
            ("\u{e9}=1;__Host-tokenry=a", "a"),
            ("__Host-tokenry=a=b", "a=b"),
            ("__Host-tokenry=\"a\"", "\"a\""),
            ("__Host-tokenry=a\u{a0}", "a\u{a0}"),
            ("__Host-tokenry", ""),
        ] {
            assert_eq!(read(&[header.as_bytes()]), Ok(Some(value.as_bytes().to_vec())), "{header:?}");
        }
        assert_eq!(read(&[b"\xff=1; __Host-tokenry=a"]), Ok(Some(b"a".to_vec())));
    }

    #[test]
    fn a_similar_name_is_another_cookie() {
        for header in [
            "__Host-tokenry =a",
            "\u{a0}__Host-tokenry=a",
            "\u{2000}__Host-tokenry=a",
            "__Host-tokenry\u{3000}=a",
            "__host-tokenry=a",
            "__Host-tokenry2=a",
            "\"__Host-tokenry\"=a",
            "$Version=1; $Path=__Host-tokenry=a",
            "x=\"1; __Host-tokenr\"y=a",
            "tokenry=a",
        ] {
            assert_eq!(read(&[header.as_bytes()]), Ok(None), "{header:?}");
        }
    }

    #[test]
    fn two_session_cookies_are_malformed() {
        for headers in [
            &[&b"__Host-tokenry=a; __Host-tokenry=a"[..]][..],
            &[b"__Host-tokenry=a", b"__Host-tokenry=b"],
            &[b"__Host-tokenry; __Host-tokenry=a"],
        ] {
            assert_eq!(read(headers), Err(CredentialError::Malformed.into()), "{headers:?}");
        }
    }
}
