//! [`RequestId`]: identifies one request in its response, the log and the audit log.

use std::{fmt, sync::Arc};

use actix_web::{
    HttpMessage, HttpRequest,
    http::header::{HeaderMap, HeaderValue},
};
use uuid::{Uuid, fmt::Simple};

/// The header that carries a [`RequestId`] in both directions.
pub(crate) const X_REQUEST_ID: &str = "x-request-id";

/// Maximum length of an id that is accepted from a request.
const MAX_LENGTH: usize = 64;

/// 1–64 characters of `[A-Za-z0-9._-]`: safe in headers, logs and JSON without escaping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestId(Arc<str>);

impl RequestId {
    /// The id of `req`, assigned by the first call: its `X-Request-Id` header if that is sent once and valid, else a random
    /// UUID as 32 hexadecimal digits.
    #[must_use]
    pub(crate) fn of(req: &HttpRequest) -> Self {
        Self::assign(req.headers(), req)
    }

    /// As [`of`](Self::of), for any type of request.
    pub(crate) fn assign(headers: &HeaderMap, message: &impl HttpMessage) -> Self {
        if let Some(known) = message.extensions().get::<Self>() {
            return known.clone();
        }
        let id = Self::from_headers(headers).unwrap_or_else(Self::random);
        message.extensions_mut().insert(id.clone());
        id
    }

    /// The id as text.
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The id as a header's value.
    pub(crate) fn header(&self) -> HeaderValue {
        HeaderValue::from_str(&self.0).unwrap_or(HeaderValue::from_static("-"))
    }

    /// The id in the headers, if it is sent once and valid.
    fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(X_REQUEST_ID);
        let (Some(value), None) = (values.next(), values.next()) else { return None };
        let text = value.to_str().ok()?;
        let is_valid = (1..=MAX_LENGTH).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        is_valid.then(|| Self(Arc::from(text)))
    }

    #[allow(clippy::disallowed_methods, reason = "a request id is not a secret and only needs to be unique")]
    fn random() -> Self {
        let mut text = [0; Simple::LENGTH];
        Self(Arc::from(&*Uuid::new_v4().simple().encode_lower(&mut text)))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn id_for(sent: &[&[u8]]) -> String {
        let mut req = TestRequest::default();
        for value in sent {
            req = req.append_header((X_REQUEST_ID, HeaderValue::from_bytes(value).unwrap()));
        }
        RequestId::of(&req.to_http_request()).to_string()
    }

    #[test]
    fn a_valid_id_is_kept() {
        let longest = "x".repeat(64);
        for id in ["a", "A-b_c.9", &longest] {
            assert_eq!(id_for(&[id.as_bytes()]), id);
        }
    }

    #[test]
    fn an_invalid_id_is_replaced() {
        let too_long = "x".repeat(65);
        let cases: [&[&[u8]]; 7] =
            [&[], &[b""], &[b"a b"], &[b"a\"b"], &["é".as_bytes()], &[too_long.as_bytes()], &[b"a", b"a"]];
        for sent in cases {
            let id = id_for(sent);
            assert!(id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{sent:?} gave {id}");
        }
    }

    #[test]
    fn a_request_keeps_its_id() {
        let req = TestRequest::default().to_http_request();
        assert_eq!(RequestId::of(&req), RequestId::of(&req));
        assert_ne!(RequestId::of(&req), RequestId::of(&TestRequest::default().to_http_request()));
    }
}
