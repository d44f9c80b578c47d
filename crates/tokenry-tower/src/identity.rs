//! [`Identity`]: whose token a request has.

use std::net::IpAddr;

use tokenry_service::{
    Caller, ClientInfo, Offers, RequestContext, Token, Tokenry, UnixMillis, User, VerifiedToken,
};

/// Request extension: the verified token of the request. Only [`Authenticate`](crate::Authenticate) makes one. With axum
/// it is an argument of handlers. Cheap to clone.
#[derive(Clone)]
pub struct Identity {
    pub(crate) tokenry: Tokenry,
    pub(crate) verified: VerifiedToken,
    pub(crate) now: UnixMillis,
    pub(crate) source: Option<IpAddr>,
    /// What the challenge offers if the identity lacks a scope.
    pub(crate) offers: Offers,
}

impl Identity {
    /// The presented token.
    #[must_use]
    pub fn token(&self) -> &Token {
        self.verified.token()
    }

    /// The owner of the token.
    #[must_use]
    pub fn owner(&self) -> &User {
        self.verified.owner()
    }

    /// The verified token with its effective permissions.
    #[must_use]
    pub fn verified(&self) -> &VerifiedToken {
        &self.verified
    }

    /// When the token was verified; all rules of this request are evaluated at this instant.
    #[must_use]
    pub fn now(&self) -> UnixMillis {
        self.now
    }

    /// The source address; `None` if it is unknown.
    #[must_use]
    pub fn source(&self) -> Option<IpAddr> {
        self.source
    }

    /// The context for service calls on behalf of this caller. Make those on a thread that may wait for the database.
    #[must_use]
    pub fn context(&self) -> RequestContext {
        let mut context = RequestContext::new(Caller::from(self.verified.clone()), self.now);
        context.client = ClientInfo::new(self.source, None, None);
        context
    }
}

#[cfg(feature = "axum")]
impl<S: Sync> axum::extract::FromRequestParts<S> for Identity {
    type Rejection = axum::response::Response;

    /// Without the layer nobody is admitted: 500, and the log names the cause.
    async fn from_request_parts(parts: &mut http::request::Parts, _: &S) -> Result<Self, Self::Rejection> {
        parts.extensions.get::<Self>().cloned().ok_or_else(crate::rejected::without_identity)
    }
}
