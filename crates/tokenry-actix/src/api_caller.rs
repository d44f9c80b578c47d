//! The extractors of the API's own handlers: each enforces who may call a route and declares it as its [`Access`].

use std::{marker::PhantomData, pin::Pin};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use tokenry_service::{Caller, CredentialError, RequestContext, UnixMillis, User};

use crate::{
    access::{Access, DeclareAccess},
    authentication::{Authentication, authentication, declared_errors},
    authorized::{Authorized, RequiredScope, record_scope},
    client_info::client_info,
    credential::{Accepts, offers},
    declared_errors::{DeclareErrors, Errors},
    error::ApiError,
    scopes::{ApiScope, Introspect},
};

type LocalFuture<T> = Pin<Box<dyn Future<Output = Result<T, ApiError>>>>;

/// A caller of the management API with any credential and the scope `S`. Management does not count as a use of the token.
pub(crate) struct ApiCaller<S> {
    context: RequestContext,
    user: User,
    scope: PhantomData<S>,
}

impl<S> ApiCaller<S> {
    /// The context for service calls.
    pub(crate) fn context(&self) -> &RequestContext {
        &self.context
    }

    /// The authenticated caller.
    pub(crate) fn caller(&self) -> &Caller {
        &self.context.caller
    }

    /// The user on whose behalf the request is made.
    pub(crate) fn user(&self) -> &User {
        &self.user
    }
}

impl<S: ApiScope> DeclareAccess for ApiCaller<S> {
    const ACCESS: Access = S::ACCESS;
}

impl<S> DeclareErrors for ApiCaller<S> {
    fn errors() -> Errors {
        declared_errors()
    }
}

impl<S: RequiredScope> FromRequest for ApiCaller<S> {
    type Error = ApiError;
    type Future = LocalFuture<Self>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let req = req.clone();
        Box::pin(async move {
            let authentication = authentication(&req, Accepts::Everyone, false).await?;
            authentication.require(&req, S::scope()).await?;
            let Authentication { caller, now, .. } = authentication;
            // Management is no use of the token, but it is a use of the scope, which was required.
            if let Some(verified) = caller.verified() {
                record_scope(&req, verified, S::scope(), now);
            }
            // SECURITY: the operator acts on the machine itself and never over HTTP.
            let user = caller.user().cloned().ok_or(CredentialError::InvalidToken)?;
            let context = RequestContext::new(caller, now).with_client(client_info(&req));
            Ok(Self { context, user, scope: PhantomData })
        })
    }
}

/// A caller with a credential that can start a session.
pub(crate) struct SignInCaller {
    pub(crate) caller: Caller,
    pub(crate) now: UnixMillis,
}

impl DeclareAccess for SignInCaller {
    const ACCESS: Access = Access::SignIn;
}

impl DeclareErrors for SignInCaller {
    fn errors() -> Errors {
        declared_errors()
    }
}

impl FromRequest for SignInCaller {
    type Error = ApiError;
    type Future = LocalFuture<Self>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let req = req.clone();
        Box::pin(async move {
            let Authentication { caller, now, .. } = authentication(&req, Accepts::SignIn, false).await?;
            Ok(Self { caller, now })
        })
    }
}

/// A token that may ask about the tokens of others. A retired secret is rejected even within its grace period.
pub(crate) struct Introspector(pub(crate) Authorized<Introspect>);

impl DeclareAccess for Introspector {
    const ACCESS: Access = match Introspect::ACCESS {
        Access::Scope(scope) => Access::TokenScope(scope),
        other => other,
    };
}

impl DeclareErrors for Introspector {
    fn errors() -> Errors {
        declared_errors()
    }
}

impl FromRequest for Introspector {
    type Error = ApiError;
    type Future = LocalFuture<Self>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (req, authorized) = (req.clone(), Authorized::from_request(req, payload));
        Box::pin(async move {
            authentication(&req, Accepts::Client, false).await?.require(&req, None).await?;
            let authorized = authorized.await;
            authorized.map(Self).map_err(|error| error.offering(offers(&req, Accepts::Client)))
        })
    }
}

/// A token that reads or revokes itself. A retired secret within its grace period is accepted: possession is enough.
pub(crate) struct OwnToken(pub(crate) RequestContext);

impl DeclareAccess for OwnToken {
    const ACCESS: Access = Access::AnyToken;
}

impl DeclareErrors for OwnToken {
    fn errors() -> Errors {
        declared_errors()
    }
}

impl FromRequest for OwnToken {
    type Error = ApiError;
    type Future = LocalFuture<Self>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let req = req.clone();
        Box::pin(async move {
            let Authentication { caller, now, .. } = authentication(&req, Accepts::Everyone, false).await?;
            Ok(Self(RequestContext::new(caller, now).with_client(client_info(&req))))
        })
    }
}
