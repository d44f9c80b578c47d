//! The credential that a request presents, before anything is verified.

use actix_web::{HttpRequest, http::header::AUTHORIZATION, web::Data};
/// A JWT has its own limit of 8 KiB.
pub(crate) use tokenry_service::presented::MAX_CREDENTIAL;
use tokenry_service::presented::{self, BearerError};

use crate::{
    error::ApiError,
    session::{
        cookie::{self, Cookie},
        proxy::ProxySignIn,
        request_origin::RequestOrigin,
    },
};

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

/// App data: whether a bearer credential takes precedence over a session cookie.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BearerOverSession(pub(crate) bool);

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
            // The cookie is not even read, so that an invalid bearer credential never falls back to it.
            Accepts::Everyone if has_bearer && is_bearer_over_session(req) => bearer(req).map(Self::Bearer),
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

fn is_bearer_over_session(req: &HttpRequest) -> bool {
    req.app_data::<BearerOverSession>().is_some_and(|setting| setting.0)
}

/// The bearer credential of a request, unchanged.
fn bearer(req: &HttpRequest) -> Result<&[u8], ApiError> {
    presented::bearer(req.headers().get_all(AUTHORIZATION).map(|line| line.as_bytes())).map_err(|error| {
        match error {
            BearerError::Missing => ApiError::AuthenticationRequired,
            BearerError::Malformed => ApiError::MalformedCredential,
        }
    })
}
