//! The credential that a request presents, before anything is verified.

use actix_web::{HttpRequest, http::header::AUTHORIZATION, web::Data};

use crate::{
    error::ApiError,
    session::{
        cookie::{self, Cookie},
        proxy::ProxySignIn,
        request_origin::RequestOrigin,
    },
};

/// Maximum length of an `Authorization` header in bytes; no token is longer. A JWT has its own limit of 8 KiB.
pub(crate) const MAX_CREDENTIAL: usize = 512;

/// Which credentials a route accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accepts {
    /// Personal access tokens.
    Tokens,
    /// Personal access tokens, JWTs of configured issuers, and sessions.
    Everyone,
    /// Credentials that can start a session: tokens, JWTs, and the identity asserted by a trusted proxy.
    SignIn,
    /// Sessions.
    Session,
}

/// The credential of a request.
///
/// SECURITY: the kind is decided once, by the route and by the header that carries the credential; a credential is never
/// retried as another kind.
pub(crate) enum Presented<'r> {
    /// The value of `Authorization: Bearer`.
    Bearer(&'r [u8]),
    /// The value of the session cookie.
    Session(&'r [u8]),
    /// The subject asserted by a trusted proxy.
    ProxySubject(String),
}

impl<'r> Presented<'r> {
    /// The credential of `req` on a route that accepts `accepts`. Requests that use or start a session must come from
    /// the server's own origin.
    pub(crate) fn of(req: &'r HttpRequest, accepts: Accepts) -> Result<Self, ApiError> {
        let has_bearer = req.headers().contains_key(AUTHORIZATION);
        match accepts {
            Accepts::Tokens => bearer(req).map(Self::Bearer),
            Accepts::Everyone | Accepts::Session => match cookie::presented(req)? {
                // Two credentials: it is ambiguous whom the request acts for.
                Some(_) if has_bearer && accepts == Accepts::Everyone => Err(ApiError::MalformedCredential),
                Some(Cookie { origin, value }) => origin.check(req).map(|()| Self::Session(value)),
                None if accepts == Accepts::Session => Err(ApiError::AuthenticationRequired),
                None => bearer(req).map(Self::Bearer),
            },
            Accepts::SignIn => {
                RequestOrigin::of(req)?.check(req)?;
                match req.app_data::<Data<ProxySignIn>>() {
                    Some(proxy) if !has_bearer => {
                        proxy.subject(req)?.map(Self::ProxySubject).ok_or(ApiError::AuthenticationRequired)
                    }
                    _ => bearer(req).map(Self::Bearer),
                }
            }
        }
    }
}

/// The bearer credential of a request, unchanged.
fn bearer(req: &HttpRequest) -> Result<&[u8], ApiError> {
    let mut headers = req.headers().get_all(AUTHORIZATION);
    let Some(header) = headers.next() else { return Err(ApiError::AuthenticationRequired) };
    if headers.next().is_some() {
        return Err(ApiError::MalformedCredential);
    }
    let header = header.as_bytes();
    let (scheme, rest) = match header.iter().position(|b| *b == b' ') {
        Some(space) => header.split_at(space),
        None => (header, &[][..]),
    };
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        // Another scheme counts as no credential (RFC 6750, section 3.1: no error code).
        return Err(ApiError::AuthenticationRequired);
    }
    let credential = rest.trim_ascii();
    // A credential is one word; a second one must not be dropped silently.
    let is_one_word = !credential.is_empty() && !credential.iter().any(|b| matches!(b, b' ' | b'\t' | b','));
    if is_one_word { Ok(credential) } else { Err(ApiError::MalformedCredential) }
}

#[cfg(test)]
mod tests {
    use actix_web::{http::header::HeaderValue, test::TestRequest};

    use super::*;

    fn read(headers: &[&[u8]]) -> Result<Vec<u8>, ApiError> {
        let mut req = TestRequest::default();
        for value in headers {
            req = req.append_header((AUTHORIZATION, HeaderValue::from_bytes(value).unwrap()));
        }
        bearer(&req.to_http_request()).map(<[u8]>::to_vec)
    }

    #[test]
    fn the_bearer_scheme_is_case_insensitive() {
        for header in ["Bearer pat_x", "bearer pat_x", "BEARER   pat_x", "Bearer pat_x "] {
            assert_eq!(read(&[header.as_bytes()]), Ok(b"pat_x".to_vec()), "{header}");
        }
    }

    #[test]
    fn a_missing_header_and_other_schemes_count_as_no_credential() {
        assert_eq!(read(&[]), Err(ApiError::AuthenticationRequired));
        for header in ["Basic cGF0", "Token pat_x", "pat_x", "Bearerpat_x", ""] {
            assert_eq!(read(&[header.as_bytes()]), Err(ApiError::AuthenticationRequired), "{header}");
        }
    }

    #[test]
    fn repeated_and_malformed_credentials_are_rejected() {
        for headers in [
            &[&b"Bearer pat_x"[..], b"Bearer pat_x"][..],
            &[b"Bearer pat_x", b"Basic cGF0"],
            &[b"Bearer"],
            &[b"Bearer "],
            &[b"Bearer pat_x pat_y"],
            &[b"Bearer pat_x, Bearer pat_y"],
            &[b"Bearer pat_x,pat_y"],
        ] {
            assert_eq!(read(headers), Err(ApiError::MalformedCredential), "{headers:?}");
        }
    }
}
