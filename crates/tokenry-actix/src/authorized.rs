//! [`Authorized`]: an extractor that requires a scope.

use std::{marker::PhantomData, pin::Pin};

use actix_web::{FromRequest, HttpRequest, ResponseError as _, dev::Payload, http::StatusCode, web::Data};
use tokenry_service::{
    CredentialError, RequestContext, Scope, Token, Tokenry, UnixMillis, User, VerifiedToken,
};

use crate::{
    authentication::authentication,
    client_info::client_info,
    credential::{Accepts, offers},
    error::ApiError,
    usage,
};

/// A scope that a route requires, as a type. Implemented by [`scope!`](crate::scope).
pub trait RequiredScope: 'static {
    /// The scope; `None` accepts any live token.
    fn scope() -> Option<&'static Scope>;
}

/// Defines a type for a scope, for use with [`Authorized`](crate::Authorized).
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

/// Accepts any live token, regardless of its scopes.
#[derive(Debug, Clone, Copy)]
pub struct AnyToken;

impl RequiredScope for AnyToken {
    fn scope() -> Option<&'static Scope> {
        None
    }
}

/// The bearer of a live token with the scope `S`. Otherwise the handler does not run and the response is 401 or 403. Works
/// with and without the middleware [`authenticate`](crate::authenticate()).
pub struct Authorized<S> {
    verified: VerifiedToken,
    now: UnixMillis,
    scope: PhantomData<S>,
}

impl<S> Authorized<S> {
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

    /// The context for service calls; `req` is the request of this token, for the audit log.
    #[must_use]
    pub fn context(&self, req: &HttpRequest) -> RequestContext {
        RequestContext::new(self.verified.clone().into(), self.now).with_client(client_info(req))
    }
}

impl<S: RequiredScope> FromRequest for Authorized<S> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let req = req.clone();
        Box::pin(async move {
            let authorized = authorize(&req, S::scope()).await;
            let (verified, now) =
                authorized.map_err(|error| error.offering(offers(&req, Accepts::Tokens)))?;
            Ok(Self { verified, now, scope: PhantomData })
        })
    }
}

/// The token of the request, if it is live and has the scope, and when it was verified.
async fn authorize(
    req: &HttpRequest,
    scope: Option<&'static Scope>,
) -> Result<(VerifiedToken, UnixMillis), ApiError> {
    let authentication = authentication(req, Accepts::Tokens, false).await?;
    // A caller with another credential has no token to use.
    let verified = authentication.caller.verified().cloned().ok_or(CredentialError::InvalidToken)?;
    let right = scope.map_or(Ok(()), |scope| authentication.require_for_use(req, scope));
    let status = right.as_ref().map_or_else(ApiError::status_code, |()| StatusCode::OK);
    usage::count(req, &authentication, status);
    right?;
    record_scope(req, &verified, scope, authentication.now);
    Ok((verified, authentication.now))
}

/// Records that a scope of the token was required.
pub(crate) fn record_scope(
    req: &HttpRequest,
    verified: &VerifiedToken,
    scope: Option<&'static Scope>,
    now: UnixMillis,
) {
    if let (Some(scope), Some(tokenry)) = (scope, req.app_data::<Data<Tokenry>>()) {
        tokenry.record_scopes(verified, [scope], now);
    }
}
