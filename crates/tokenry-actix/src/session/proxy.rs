//! A trusted proxy that has authenticated the user and names them in a header.

use actix_web::{HttpRequest, http::header::HeaderName, web::Data};
use thiserror::Error;
use tokenry_service::{Caller, SessionProof, Subject};

use crate::{client_ip, error::ApiError};

/// Headers that mean something else.
const TAKEN: &[&str] = &[
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

/// How a proxy of [`TrustedProxies`](crate::TrustedProxies) names the user who signs in: for `POST /session` without an
/// `Authorization` header, and for nothing else.
///
/// SECURITY: whoever can reach this server as such a proxy can sign in as anybody. The proxy must set the header itself on
/// each request, and delete the client's in every spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxySignIn {
    header: HeaderName,
    subject_prefix: String,
    creates_users: bool,
}

/// Why this cannot be how a proxy names users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProxySignInError {
    /// Not the name of a header, or that of one which means something else.
    #[error(
        "must be a header's name of letters, digits and `-`, such as X-Forwarded-User, that means nothing else"
    )]
    Header,
    /// Longer than any subject or with characters that none has.
    #[error("must be at most 100 characters on one line")]
    Prefix,
}

impl ProxySignIn {
    /// The proxy names the user in `header`; their subject is that behind `subject_prefix`, so that it cannot speak of
    /// others' users. With `creates_users` somebody who was never seen becomes a user with the least role.
    ///
    /// # Errors
    /// [`ProxySignInError`].
    pub fn new(header: &str, subject_prefix: &str, creates_users: bool) -> Result<Self, ProxySignInError> {
        let is_plain = header.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let name = HeaderName::from_bytes(header.as_bytes()).map_err(|_| ProxySignInError::Header)?;
        if !is_plain || TAKEN.contains(&name.as_str()) {
            return Err(ProxySignInError::Header);
        }
        let is_prefix = subject_prefix.is_empty()
            || (subject_prefix.chars().count() <= 100 && Subject::parse(subject_prefix).is_ok());
        if !is_prefix {
            return Err(ProxySignInError::Prefix);
        }
        Ok(Self { header: name, subject_prefix: subject_prefix.to_owned(), creates_users })
    }

    /// Whether somebody who was never seen becomes a user.
    pub(crate) fn creates_users(&self) -> bool {
        self.creates_users
    }

    /// The subject of the user whom a trusted proxy names; `None` where none does.
    pub(crate) fn subject(&self, req: &HttpRequest) -> Result<Option<String>, ApiError> {
        if !client_ip::is_trusted(req) {
            return Ok(None);
        }
        // Some systems read `_` as `-`: the proxy may have deleted the client's header in one spelling alone.
        let is_twin = |name: &HeaderName| {
            *name != self.header && name.as_str().replace('_', "-") == self.header.as_str()
        };
        if req.headers().keys().any(is_twin) {
            return Err(invalid("The header that names the user was sent in another spelling."));
        }
        let mut values = req.headers().get_all(&self.header);
        let value = match (values.next(), values.next()) {
            (None, _) => return Ok(None),
            (Some(value), None) => value.as_bytes(),
            _ => return Err(invalid("The header that names the user was sent twice.")),
        };
        let name = std::str::from_utf8(value).map_err(|_| invalid("The name of the user is not UTF-8."))?;
        if name.is_empty() {
            return Ok(None);
        }
        // Two values that something joined on the way.
        if name.contains(',') {
            return Err(invalid("The header that names the user holds a list."));
        }
        let subject = Subject::parse(format!("{}{name}", self.subject_prefix));
        subject.map(|subject| Some(subject.to_string())).map_err(|_| invalid("The header names no user."))
    }
}

/// Refuses a session that a proxy's word began if the proxy now names somebody else: another person at the same browser. A
/// proxy that names people only when they sign in says nothing here.
pub(crate) fn check_same_user(req: &HttpRequest, caller: &Caller) -> Result<(), ApiError> {
    let is_by_proxy = caller.session().is_some_and(|session| session.proof == SessionProof::Proxy);
    let (Some(proxy), Some(user)) = (req.app_data::<Data<ProxySignIn>>(), caller.user()) else {
        return Ok(());
    };
    if !is_by_proxy {
        return Ok(());
    }
    let is_same = |subject: String| subject == user.subject.as_str();
    if proxy.subject(req)?.is_none_or(is_same) { Ok(()) } else { Err(ApiError::InvalidToken) }
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

    fn named(peer: &str, headers: &[(&'static str, &str)]) -> Result<Option<String>, ApiError> {
        let proxies = TrustedProxies::new(IpList::parse(&["10.0.0.1"]).unwrap());
        let mut req = TestRequest::default().app_data(Data::new(proxies));
        for header in headers {
            req = req.append_header(*header);
        }
        let req = req.peer_addr(format!("{peer}:5000").parse().unwrap()).to_http_request();
        ProxySignIn::new("X-Forwarded-User", "sso:", false).unwrap().subject(&req)
    }

    #[test]
    fn one_name_of_a_trusted_proxy_counts_and_no_other() {
        let alice = ("x-forwarded-user", "alice");
        assert_eq!(named("10.0.0.1", &[alice]), Ok(Some("sso:alice".to_owned())));
        assert_eq!(named("192.0.2.1", &[alice]), Ok(None));
        assert_eq!(named("10.0.0.1", &[]), Ok(None));
        assert_eq!(named("10.0.0.1", &[("x-forwarded-user", "")]), Ok(None));
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
            assert!(matches!(named("10.0.0.1", wrong), Err(ApiError::InvalidRequest { .. })), "{wrong:?}");
        }
    }

    #[test]
    fn a_header_that_means_something_else_names_nobody() {
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
