//! [`RequireScopes`]: the layer that requires scopes.

use std::{
    future::{Future, ready},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tokenry_service::{Caller, CredentialError, Denial, Scope, ScopeSet};
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    identity::Identity,
    rejected::{Rejected, without_identity},
};

/// A layer inside of [`Authenticate`](crate::Authenticate) that admits only identities with all of these scopes. Cheap to
/// clone.
#[derive(Clone)]
pub struct RequireScopes(Arc<ScopeSet>);

impl RequireScopes {
    /// Requires these scopes. An empty list admits nobody: it is a mistake, since [`Authenticate`](crate::Authenticate)
    /// alone admits every identity.
    #[must_use]
    pub fn new(scopes: impl IntoIterator<Item = Scope>) -> Self {
        Self(Arc::new(scopes.into_iter().collect()))
    }
}

impl<S> Layer<S> for RequireScopes {
    type Service = RequireScopesService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RequireScopesService { scopes: self.0.clone(), inner }
    }
}

/// The service that [`RequireScopes`] makes.
#[derive(Clone)]
pub struct RequireScopesService<S> {
    scopes: Arc<ScopeSet>,
    inner: S,
}

impl<S, RequestBody, ResponseBody> Service<Request<RequestBody>> for RequireScopesService<S>
where
    S: Service<Request<RequestBody>, Response = Response<ResponseBody>>,
    S::Future: Send + 'static,
    ResponseBody: From<Vec<u8>> + Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<ResponseBody>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        let checked = match request.extensions().get::<Identity>() {
            Some(identity) => {
                check(identity, &self.scopes).map_err(|rejected| rejected.into_response(&identity.offers))
            }
            None => Err(without_identity()),
        };
        match checked {
            Ok(()) => Box::pin(self.inner.call(request)),
            Err(response) => Box::pin(ready(Ok(response))),
        }
    }
}

/// Requires the scopes for the use of a token; a retired secret within its grace period is good enough. A denial is
/// recorded in the audit log.
fn check(identity: &Identity, scopes: &ScopeSet) -> Result<(), Rejected> {
    let Identity { tokenry, verified, now, source, .. } = identity;
    // SECURITY: nothing is granted by absence (CVE-2026-72826: an empty list was everything).
    if scopes.is_empty() {
        tracing::error!("RequireScopes has no scopes: every request is rejected");
        return Err(Rejected::Internal);
    }
    match verified.require(scopes) {
        Ok(()) => {
            tokenry.record_scopes(verified, scopes.iter(), *now);
            Ok(())
        }
        Err(denial) => {
            let error = CredentialError::InsufficientScope(match denial {
                Denial::MissingScopes(missing) => missing,
                // No other denial is about scopes; whatever it is, the request gets no further.
                _ => scopes.clone(),
            });
            let caller = Caller::from(verified.clone());
            tokenry.record_forbidden(&caller, error.code(), *source, *now);
            Err(error.into())
        }
    }
}
