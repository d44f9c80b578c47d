//! Limits on request heads, and the security headers of every response.

use actix_web::{
    dev::RequestHead,
    http::header::{
        AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue,
        REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    },
};

use crate::error::ApiError;

/// Maximum length of one header value, in bytes; `Authorization` has a smaller limit of its own.
pub(crate) const MAX_HEADER: usize = 8 * 1024;

/// Maximum size of all headers, in bytes, including four bytes of separators for each.
pub(crate) const MAX_HEADERS: usize = 16 * 1024;

/// Maximum length of path and query together, in bytes.
pub(crate) const MAX_TARGET: usize = 8 * 1024;

/// Rejects a head over the limits. (actix-http itself accepts heads of up to 128 KiB.)
pub(crate) fn check(head: &RequestHead) -> Result<(), ApiError> {
    if head.uri.path_and_query().is_some_and(|target| target.as_str().len() > MAX_TARGET) {
        return Err(ApiError::InvalidRequest { detail: "The path and query are too long.".into() });
    }
    let mut sum = 0;
    for (name, value) in head.headers() {
        if value.len() > MAX_HEADER && name != AUTHORIZATION {
            return Err(ApiError::HeadersTooLarge);
        }
        sum += name.as_str().len() + value.len() + ": \r\n".len();
    }
    if sum > MAX_HEADERS { Err(ApiError::HeadersTooLarge) } else { Ok(()) }
}

/// Sets the security headers of a response. `Content-Security-Policy` and `Cache-Control` are kept if they are set.
pub(crate) fn set_security_headers(headers: &mut HeaderMap) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    );
    headers.insert(
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    );
    for (name, value) in
        [(CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"), (CACHE_CONTROL, "no-store")]
    {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn checked(name: &'static str, length: usize) -> Result<(), ApiError> {
        let req = TestRequest::get().insert_header((name, "x".repeat(length))).to_request();
        check(req.head())
    }

    #[test]
    fn one_header_is_limited_to_8_kib() {
        assert_eq!(checked("cookie", MAX_HEADER), Ok(()));
        assert_eq!(checked("cookie", MAX_HEADER + 1), Err(ApiError::HeadersTooLarge));
    }

    #[test]
    fn the_length_of_a_credential_is_checked_by_authentication() {
        assert_eq!(checked("authorization", MAX_HEADER + 1), Ok(()));
    }

    #[test]
    fn all_headers_together_are_limited_to_16_kib() {
        let half = "x".repeat(8 * 1024 - 5);
        let req = TestRequest::get().append_header(("a", half.as_str())).append_header(("a", half.as_str()));
        let mut req = req.to_request();
        assert_eq!(check(req.head()), Ok(()));
        req.headers_mut().append(HeaderName::from_static("b"), HeaderValue::from_static(""));
        assert_eq!(check(req.head()), Err(ApiError::HeadersTooLarge));
    }

    #[test]
    fn path_and_query_are_limited_to_8_kib() {
        for (length, is_accepted) in [(MAX_TARGET, true), (MAX_TARGET + 1, false)] {
            let req = TestRequest::with_uri(&format!("/{}", "x".repeat(length - 1))).to_request();
            assert_eq!(check(req.head()).is_ok(), is_accepted, "{length}");
        }
    }
}
