//! [`Authorized`]: the argument that a handler cannot have without the scope it names.

use std::{marker::PhantomData, pin::Pin};

use actix_web::{FromRequest, HttpRequest, ResponseError as _, dev::Payload, http::StatusCode, web::Data};
use tokenry_service::{RequestContext, Scope, Token, Tokenry, UnixMillis, User, VerifiedToken};

use crate::{
    authentication::authentication, client_info::client_info, credential::Accepts, error::ApiError, usage,
};

/// The scope that a route needs, as a type. Made by [`scope!`](crate::scope).
pub trait RequiredScope: 'static {
    /// The scope; `None` means any live token will do.
    fn scope() -> Option<&'static Scope>;
}

/// Makes a type that names a scope, for [`Authorized`](crate::Authorized).
///
/// ```
/// tokenry_actix::scope! {
///     /// Reading projects.
///     pub ProjectsRead = "projects:read";
/// }
/// # use tokenry_actix::RequiredScope;
/// assert_eq!(ProjectsRead::scope().unwrap().to_string(), "projects:read");
/// ```
#[macro_export]
macro_rules! scope {
    ($(#[$doc:meta])* $visibility:vis $name:ident = $text:literal;) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        $visibility struct $name;

        impl $crate::RequiredScope for $name {
            fn scope() -> Option<&'static $crate::Scope> {
                static SCOPE: ::std::sync::LazyLock<$crate::Scope> =
                    ::std::sync::LazyLock::new(|| match $text.parse() {
                        Ok(scope) => scope,
                        Err(_) => panic!(concat!("not a scope: ", $text)),
                    });
                Some(&SCOPE)
            }
        }
    };
}

/// Any live token, whatever its scopes.
#[derive(Debug, Clone, Copy)]
pub struct AnyToken;

impl RequiredScope for AnyToken {
    fn scope() -> Option<&'static Scope> {
        None
    }
}

/// A caller who presented a live token that grants `S`. Without one the handler does not run: 401 or 403 is the
/// answer. It works behind [`authenticate`](crate::authenticate()) and without it.
pub struct Authorized<S> {
    verified: VerifiedToken,
    now: UnixMillis,
    scope: PhantomData<S>,
}

impl<S> Authorized<S> {
    /// The token that was presented.
    #[must_use]
    pub fn token(&self) -> &Token {
        self.verified.token()
    }

    /// Its owner.
    #[must_use]
    pub fn owner(&self) -> &User {
        self.verified.owner()
    }

    /// What it may do.
    #[must_use]
    pub fn verified(&self) -> &VerifiedToken {
        &self.verified
    }

    /// The instant at which it was let in, which every rule of this request is decided at.
    #[must_use]
    pub fn now(&self) -> UnixMillis {
        self.now
    }

    /// The call to make use cases with; `req` is the request that the token came with, for the audit log.
    #[must_use]
    pub fn call(&self, req: &HttpRequest) -> RequestContext {
        RequestContext { caller: self.verified.clone().into(), now: self.now, client: client_info(req) }
    }
}

impl<S: RequiredScope> FromRequest for Authorized<S> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let req = req.clone();
        Box::pin(async move {
            let authentication = authentication(&req, Accepts::Tokens, false).await?;
            // A caller who came with something else has no token to use.
            let verified = authentication.caller.verified().cloned().ok_or(ApiError::InvalidToken)?;
            let right = S::scope().map_or(Ok(()), |scope| authentication.require_for_use(&req, scope));
            let status = right.as_ref().map_or_else(ApiError::status_code, |()| StatusCode::OK);
            usage::count(&req, &authentication, status);
            right?;
            note_scope(&req, &verified, S::scope(), authentication.now);
            Ok(Self { verified, now: authentication.now, scope: PhantomData })
        })
    }
}

/// Notes which scope a token was let in for.
pub(crate) fn note_scope(
    req: &HttpRequest,
    verified: &VerifiedToken,
    scope: Option<&'static Scope>,
    now: UnixMillis,
) {
    if let (Some(scope), Some(tokenry)) = (scope, req.app_data::<Data<Tokenry>>()) {
        tokenry.record_scopes(verified, [scope], now);
    }
}
