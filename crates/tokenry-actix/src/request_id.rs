//! [`RequestId`]: the name of one request in its answer, the log and the audit trail.

use std::{
    cell::RefCell,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use actix_web::{
    HttpMessage, HttpRequest,
    http::header::{HeaderMap, HeaderValue},
};

/// The header that carries a [`RequestId`] in both directions.
pub const X_REQUEST_ID: &str = "x-request-id";

/// Longest id taken over from a request.
const MAX_LENGTH: usize = 64;

/// 1–64 characters of `[A-Za-z0-9._-]`: safe in headers, logs and JSON without escaping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// The id of `req`, decided at the first call: what the request itself says, if it says one acceptable
    /// thing, else 32 random hexadecimal digits.
    #[must_use]
    pub fn of(req: &HttpRequest) -> Self {
        Self::assign(req.headers(), req)
    }

    /// As [`of`](Self::of), for a request in whichever form it is in.
    pub(crate) fn assign(headers: &HeaderMap, message: &impl HttpMessage) -> Self {
        if let Some(known) = message.extensions().get::<Self>() {
            return known.clone();
        }
        let id = Self::sent(headers).unwrap_or_else(Self::make);
        message.extensions_mut().insert(id.clone());
        id
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id as a header's value.
    pub(crate) fn header(&self) -> HeaderValue {
        HeaderValue::from_str(&self.0).unwrap_or(HeaderValue::from_static("-"))
    }

    /// What the request says, if it says it once and in acceptable characters.
    fn sent(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(X_REQUEST_ID);
        let (Some(value), None) = (values.next(), values.next()) else { return None };
        let text = value.to_str().ok()?;
        let fits = (1..=MAX_LENGTH).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        fits.then(|| Self(Arc::from(text)))
    }

    fn make() -> Self {
        Self(Arc::from(format!("{:032x}", random())))
    }
}

/// Sixteen random bytes out of a store of this thread, so that only one request in many asks the system for more.
#[allow(
    clippy::disallowed_methods,
    reason = "an id in the log is not a secret; only its distinctness counts"
)]
fn random() -> u128 {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    thread_local! {
        static STORE: RefCell<(usize, [u8; 1024])> = const { RefCell::new((1024, [0; 1024])) };
    }
    STORE.with_borrow_mut(|(used, bytes)| {
        if *used == bytes.len() {
            if getrandom::fill(bytes).is_err() {
                // An id must be distinct, not secret: without randomness it still counts.
                return COUNT.fetch_add(1, Ordering::Relaxed).into();
            }
            *used = 0;
        }
        *used += 16;
        let drawn = bytes.get(*used - 16..*used).and_then(|drawn| drawn.try_into().ok());
        drawn.map_or(0, u128::from_be_bytes)
    })
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
    fn an_acceptable_id_is_taken_over() {
        let longest = "x".repeat(64);
        for id in ["a", "A-b_c.9", &longest] {
            assert_eq!(id_for(&[id.as_bytes()]), id);
        }
    }

    #[test]
    fn every_other_id_is_replaced_by_a_new_one() {
        let too_long = "x".repeat(65);
        let cases: [&[&[u8]]; 7] =
            [&[], &[b""], &[b"a b"], &[b"a\"b"], &["é".as_bytes()], &[too_long.as_bytes()], &[b"a", b"a"]];
        for sent in cases {
            let id = id_for(sent);
            assert!(id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{sent:?} gave {id}");
        }
    }

    #[test]
    fn one_request_keeps_one_id() {
        let req = TestRequest::default().to_http_request();
        assert_eq!(RequestId::of(&req), RequestId::of(&req));
        assert_ne!(RequestId::of(&req), RequestId::of(&TestRequest::default().to_http_request()));
    }
}
