//! [`IdentityHeaders`]: the names of the headers that identify a caller to the guarded system.

use actix_web::http::header::HeaderName;
use thiserror::Error;

/// The headers that forward-auth sets in every response. A proxy must delete each of them from the requests of clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityHeaders {
    names: [HeaderName; 5],
}

/// Why a name cannot be that of an identity header.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IdentityHeaderError {
    /// It is not the name of a header.
    #[error("must be the name of a header, such as X-Resource-User")]
    Malformed,
    /// HTTP, proxies or this server use the header themselves.
    #[error("is a header that HTTP or proxies use; choose another, such as X-Resource-User")]
    Reserved,
    /// Two headers have the name.
    #[error("is the name of two headers")]
    Double,
}

/// Headers with a meaning of their own, where a value of an identity would be harmful.
const RESERVED: &[&str] = &[
    "accept",
    "age",
    "allow",
    "authorization",
    "cache-control",
    "connection",
    "cookie",
    "date",
    "etag",
    "expect",
    "expires",
    "forwarded",
    "from",
    "host",
    "keep-alive",
    "link",
    "location",
    "origin",
    "pragma",
    "range",
    "referer",
    "retry-after",
    "server",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "vary",
    "via",
    "warning",
    "www-authenticate",
    "x-request-id",
    "x-tokenry-problem",
    "x-tokenry-status",
];
/// The beginnings of such headers.
const RESERVED_BEGINNINGS: &[&str] = &[
    "accept-",
    "access-control-",
    "content-",
    "if-",
    "proxy-",
    "sec-",
    "x-forwarded-",
    "x-original-",
    "x-real-",
];

impl IdentityHeaders {
    /// What the headers have, in the order of [`new`](Self::new).
    pub const VALUES: [&str; 5] = ["user", "subject", "role", "scopes", "token_id"];

    /// The default names, in the same order.
    pub const DEFAULTS: [&str; 5] = [
        "X-Resource-User",
        "X-Resource-Subject",
        "X-Resource-Role",
        "X-Resource-Scopes",
        "X-Resource-Token-Id",
    ];

    /// The names of the headers with the id of the owner, their subject, their role, the effective scopes and the id of
    /// the token.
    ///
    /// # Errors
    /// The index of the first wrong name, and why.
    pub fn new(names: [&str; 5]) -> Result<Self, (usize, IdentityHeaderError)> {
        let mut parsed: Vec<HeaderName> = Vec::with_capacity(names.len());
        for (index, name) in names.into_iter().enumerate() {
            // SECURITY: systems that map `X_User` and `X-User` to one variable would let a client choose.
            let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            let name = HeaderName::try_from(name).ok().filter(|_| is_plain);
            let name = name.ok_or((index, IdentityHeaderError::Malformed))?;
            let text = name.as_str();
            if RESERVED.contains(&text) || RESERVED_BEGINNINGS.iter().any(|start| text.starts_with(start)) {
                return Err((index, IdentityHeaderError::Reserved));
            }
            if parsed.contains(&name) {
                return Err((index, IdentityHeaderError::Double));
            }
            parsed.push(name);
        }
        let names = parsed.try_into().map_err(|_| (0, IdentityHeaderError::Malformed))?;
        Ok(Self { names })
    }

    /// The names, in the order of [`new`](Self::new).
    #[must_use]
    pub fn names(&self) -> &[HeaderName; 5] {
        &self.names
    }
}

impl Default for IdentityHeaders {
    fn default() -> Self {
        Self {
            names: [
                HeaderName::from_static("x-resource-user"),
                HeaderName::from_static("x-resource-subject"),
                HeaderName::from_static("x-resource-role"),
                HeaderName::from_static("x-resource-scopes"),
                HeaderName::from_static("x-resource-token-id"),
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_names_are_valid() {
        assert_eq!(IdentityHeaders::new(IdentityHeaders::DEFAULTS), Ok(IdentityHeaders::default()));
    }

    #[test]
    fn a_header_with_another_meaning_is_rejected() {
        for (name, error) in [
            ("Authorization", IdentityHeaderError::Reserved),
            ("cookie", IdentityHeaderError::Reserved),
            ("Content-Length", IdentityHeaderError::Reserved),
            ("X-Forwarded-For", IdentityHeaderError::Reserved),
            ("Transfer-Encoding", IdentityHeaderError::Reserved),
            ("x-resource-user", IdentityHeaderError::Double),
            ("X Resource", IdentityHeaderError::Malformed),
            ("X_User", IdentityHeaderError::Malformed),
            ("X.User", IdentityHeaderError::Malformed),
            ("X-A\r\nX-B", IdentityHeaderError::Malformed),
            ("", IdentityHeaderError::Malformed),
        ] {
            let [user, subject, role, scopes, _] = IdentityHeaders::DEFAULTS;
            let rejected = IdentityHeaders::new([user, subject, role, scopes, name]);
            assert_eq!(rejected, Err((4, error)), "{name}");
        }
    }
}
