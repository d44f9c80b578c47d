//! Sign-in via a trusted proxy that has authenticated the user and sends their name in a header.

use actix_web::{HttpRequest, http::header::HeaderName, web::Data};
use thiserror::Error;
use tokenry_service::{Caller, CredentialError, SessionProof, Subject};

use crate::{client_ip, error::ApiError};

/// Headers that have another meaning.
const RESERVED: &[&str] = &[
    "authorization",
    "cookie",
    "forwarded",
    "host",
    "origin",
    "referer",
    "user-agent",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-request-id",
    "x-tokenry-request",
];

/// How a proxy of [`TrustedProxies`](crate::TrustedProxies) asserts the user who signs in. Used only for `POST /session`
/// without an `Authorization` header.
///
/// SECURITY: a client that reaches this server as such a proxy can sign in as any user. The proxy must set the header
/// itself on each request, and delete the client's header in every spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxySignIn {
    header: HeaderName,
    subject_prefix: String,
    creates_users: bool,
}

/// Why a [`ProxySignIn`] is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProxySignInError {
    /// Not a valid header name, or the name of a header with another meaning.
    #[error(
        "must be a header's name of letters, digits and `-`, such as X-Forwarded-User, that means nothing else"
    )]
    Header,
    /// Too long, or with characters that a subject cannot have.
    #[error("must be at most 100 characters on one line")]
    Prefix,
}

impl ProxySignIn {
    /// The proxy sends the user's name in `header`; their subject is `subject_prefix` followed by the name, so that the proxy
    /// cannot assert users of other sources. With `creates_users` an unknown user is created with the lowest role.
    ///
    /// # Errors
    /// [`ProxySignInError`].
    pub fn new(header: &str, subject_prefix: &str, creates_users: bool) -> Result<Self, ProxySignInError> {
        let is_plain = header.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let name = HeaderName::from_bytes(header.as_bytes()).map_err(|_| ProxySignInError::Header)?;
        if !is_plain || RESERVED.contains(&name.as_str()) {
            return Err(ProxySignInError::Header);
        }
        let is_prefix = subject_prefix.is_empty()
            || (subject_prefix.chars().count() <= 100 && Subject::parse(subject_prefix).is_ok());
        if !is_prefix {
            return Err(ProxySignInError::Prefix);
        }
        Ok(Self { header: name, subject_prefix: subject_prefix.to_owned(), creates_users })
    }

    /// Whether unknown users are created.
    pub(crate) fn creates_users(&self) -> bool {
        self.creates_users
    }

    /// Whether `name` is the header with some `-` written as `_`.
    fn is_other_spelling(&self, name: &HeaderName) -> bool {
        *name != self.header && name.as_str().replace('_', "-") == self.header.as_str()
    }

    /// The subject of the user that a trusted proxy asserts, if any.
    pub(crate) fn subject(&self, req: &HttpRequest) -> Result<Option<String>, ApiError> {
        if !client_ip::is_trusted(req) {
            return Ok(None);
        }
        // Some systems treat `_` as `-`: the proxy may have deleted only one spelling of the client's header.
        if req.headers().keys().any(|name| self.is_other_spelling(name)) {
            return Err(invalid("The header with the user's name was sent in another spelling."));
        }
        let mut values = req.headers().get_all(&self.header);
        let value = match (values.next(), values.next()) {
            (None, _) => return Ok(None),
            (Some(value), None) => value.as_bytes(),
            _ => return Err(invalid("The header with the user's name was sent twice.")),
        };
        let name = std::str::from_utf8(value)
            .map_err(|_| invalid("The header with the user's name is not UTF-8."))?;
        if name.is_empty() {
            return Ok(None);
        }
        // A list means that two values were joined in transit.
        if name.contains(',') {
            return Err(invalid("The header with the user's name contains a list."));
        }
        let subject = Subject::parse(format!("{}{name}", self.subject_prefix));
        subject
            .map(|subject| Some(subject.to_string()))
            .map_err(|_| invalid("The header with the user's name is not a valid subject."))
    }
}

/// Rejects a session that was started via a proxy if the proxy now asserts another user, such as another person at the same
/// browser. A proxy that sends the header only for sign-ins passes.
pub(crate) fn check_same_user(req: &HttpRequest, caller: &Caller) -> Result<(), ApiError> {
    let is_via_proxy = caller.session().is_some_and(|session| session.proof == SessionProof::Proxy);
    let (Some(proxy), Some(user)) = (req.app_data::<Data<ProxySignIn>>(), caller.user()) else {
        return Ok(());
    };
    if !is_via_proxy {
        return Ok(());
    }
    match proxy.subject(req)? {
        Some(subject) if subject != user.subject.as_str() => Err(CredentialError::InvalidToken.into()),
        _ => Ok(()),
    }
}

fn invalid(detail: &'static str) -> ApiError {
    ApiError::InvalidRequest { detail: detail.into() }
}

#[cfg(test)]
mod tests {
    use actix_web::{test::TestRequest, web::Data};
    use tokenry_service::IpList;

    use super::*;
    use crate::client_ip::TrustedProxies;

    fn subject_of(peer: &str, headers: &[(&'static str, &str)]) -> Result<Option<String>, ApiError> {
        let proxies = TrustedProxies::new(IpList::parse(&["10.0.0.1"]).unwrap());
        let mut req = TestRequest::default().app_data(Data::new(proxies));
        for header in headers {
            req = req.append_header(*header);
        }
        let req = req.peer_addr(format!("{peer}:5000").parse().unwrap()).to_http_request();
        ProxySignIn::new("X-Forwarded-User", "sso:", false).unwrap().subject(&req)
    }

    #[test]
    fn only_a_single_header_of_a_trusted_proxy_is_accepted() {
        let alice = ("x-forwarded-user", "alice");
        assert_eq!(subject_of("10.0.0.1", &[alice]), Ok(Some("sso:alice".to_owned())));
        assert_eq!(subject_of("192.0.2.1", &[alice]), Ok(None));
        assert_eq!(subject_of("10.0.0.1", &[]), Ok(None));
        assert_eq!(subject_of("10.0.0.1", &[("x-forwarded-user", "")]), Ok(None));
        let long = "x".repeat(260);
        for wrong in [
            &[alice, alice][..],
            &[alice, ("x_forwarded_user", "root")],
            &[alice, ("x-forwarded_user", "alice")],
            &[("x_forwarded-user", "root")],
            &[("x-forwarded-user", "alice, root")],
            &[("x-forwarded-user", &long)],
            &[("x-forwarded-user", "a\tb")],
        ] {
            assert!(
                matches!(subject_of("10.0.0.1", wrong), Err(ApiError::InvalidRequest { .. })),
                "{wrong:?}"
            );
        }
    }

    #[test]
    fn a_reserved_header_cannot_assert_the_user() {
        for header in
            ["", "a b", "X_Forwarded_User", "Authorization", "cookie", "HOST", "X-Forwarded-For", "é"]
        {
            assert_eq!(ProxySignIn::new(header, "", false), Err(ProxySignInError::Header), "{header}");
        }
        for prefix in [" ", "a\n", &"x".repeat(101)] {
            assert_eq!(ProxySignIn::new("Remote-User", prefix, false), Err(ProxySignInError::Prefix));
        }
        assert!(ProxySignIn::new("Remote-User", "", true).is_ok());
    }
}
