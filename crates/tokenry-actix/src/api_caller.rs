//! [`ApiCaller`]: the argument that a handler of the API's own routes cannot have without the right it names.

use std::{marker::PhantomData, pin::Pin};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use tokenry_service::{Caller, RequestContext, UnixMillis, User};

use crate::{
    authentication::{Authentication, authentication},
    authorized::{Authorized, RequiredScope, note_scope},
    client_info::client_info,
    credential::Accepts,
    error::ApiError,
    routes::scopes::Introspect,
};

/// A caller of the management API, with whatever credential, who has the right `S`. Managing tokens is no use of the
/// token it is done with.
pub(crate) struct ApiCaller<S> {
    context: RequestContext,
    user: User,
    scope: PhantomData<S>,
}

impl<S> ApiCaller<S> {
    /// The call to make use cases with.
    pub(crate) fn call(&self) -> &RequestContext {
        &self.context
    }

    /// Who asks.
    pub(crate) fn caller(&self) -> &Caller {
        &self.context.caller
    }

    /// On whose behalf.
    pub(crate) fn user(&self) -> &User {
        &self.user
    }
}

impl<S: RequiredScope> FromRequest for ApiCaller<S> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let req = req.clone();
        Box::pin(async move {
            let authentication = authentication(&req, Accepts::Everyone, false).await?;
            authentication.require(&req, S::scope()).await?;
            let Authentication { caller, now, .. } = authentication;
            // No use of the token, but one of its scope: without it this would be refused.
            if let Some(verified) = caller.verified() {
                note_scope(&req, verified, S::scope(), now);
            }
            // SECURITY: an operator is whoever has the machine, and never comes by HTTP.
            let user = caller.user().cloned().ok_or(ApiError::InvalidToken)?;
            let context = RequestContext { caller, now, client: client_info(&req) };
            Ok(Self { context, user, scope: PhantomData })
        })
    }
}

/// Somebody who brings what a session begins with.
pub(crate) struct SignInCaller {
    pub(crate) caller: Caller,
    pub(crate) now: UnixMillis,
}

impl FromRequest for SignInCaller {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let req = req.clone();
        Box::pin(async move {
            let Authentication { caller, now, .. } = authentication(&req, Accepts::SignIn, false).await?;
            Ok(Self { caller, now })
        })
    }
}

/// A token that may ask about the tokens of others. An old secret may not, although it is within its grace.
pub(crate) struct Asking(pub(crate) Authorized<Introspect>);

impl FromRequest for Asking {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (req, authorized) = (req.clone(), Authorized::from_request(req, payload));
        Box::pin(async move {
            authentication(&req, Accepts::Tokens, false).await?.require(&req, None).await?;
            authorized.await.map(Self)
        })
    }
}

/// A token that asks about itself or ends itself: with an old secret as well, for possession is enough.
pub(crate) struct AboutItself(pub(crate) RequestContext);

impl FromRequest for AboutItself {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let req = req.clone();
        Box::pin(async move {
            let Authentication { caller, now, .. } = authentication(&req, Accepts::Everyone, false).await?;
            Ok(Self(RequestContext { caller, now, client: client_info(&req) }))
        })
    }
}
