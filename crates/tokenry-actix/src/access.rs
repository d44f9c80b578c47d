//! Who may call a route, as declared by the extractor that its handler takes first.

use std::{
    convert::Infallible,
    future::{Ready, ready},
};

use actix_web::{FromRequest, Handler, HttpRequest, dev::Payload};

use crate::declared_errors::{DeclareErrors, Errors};

/// Who may call a route. Exhaustive: a match decides for every kind of access what it permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anyone: the response reveals nothing about tokens or users that the caller does not already have.
    Public,
    /// The bearer of a live token; other credentials are rejected.
    AnyToken,
    /// Any authenticated caller.
    AnyCaller,
    /// The bearer of a credential that can start a session: a live token with `tokens:read`, a JWT, or the identity
    /// asserted by a trusted proxy.
    SignIn,
    /// The bearer of a live token with this scope, or a caller with another credential whose role has it.
    Scope(&'static str),
    /// The bearer of a live token with this scope; other credentials are rejected.
    TokenScope(&'static str),
    /// The bearer of a live token with the scopes that the request asks about; other credentials are rejected.
    TokenAskedScope,
}

/// An extractor that enforces who may call a handler.
///
/// SECURITY: every handler takes one as its first argument; a handler without one does not compile into the table of
/// routes.
pub(crate) trait DeclareAccess {
    const ACCESS: Access;
}

/// The access that the first argument of a handler enforces.
pub(crate) const fn access_of<F: Handler<Args>, Args: DeclareAccess>(_: &F) -> Access {
    Args::ACCESS
}

macro_rules! first_argument {
    ($($rest:ident)*) => {
        impl<A: DeclareAccess, $($rest),*> DeclareAccess for (A, $($rest,)*) {
            const ACCESS: Access = A::ACCESS;
        }
    };
}

first_argument!();
first_argument!(B);
first_argument!(B C);
first_argument!(B C D);
first_argument!(B C D E);

/// The extractor of public routes: it accepts every request.
pub(crate) struct Public;

impl DeclareAccess for Public {
    const ACCESS: Access = Access::Public;
}

impl DeclareErrors for Public {
    fn errors() -> Errors {
        Errors::default()
    }
}

impl FromRequest for Public {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(_: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self))
    }
}
