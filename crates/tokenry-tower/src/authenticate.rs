//! [`Authenticate`]: the layer that requires a live token.

use std::{
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{HeaderValue, Request, Response, StatusCode, header::USER_AGENT};
use tokenry_service::{
    CredentialError, CredentialForms, Offers, ProtectedResource, Tokenry, client_ip::TrustedProxies,
    usage::OpenUse,
};
use tower_layer::Layer;
use tower_service::Service;

use crate::{clock, credential::credential, identity::Identity, peer, rejected::Rejected};

/// A layer that admits only requests with a live token, and leaves an [`Identity`] in their extensions. Cheap to clone.
///
/// Every request is verified on the token as it is now; its use is recorded with the status of the response.
#[derive(Clone)]
pub struct Authenticate {
    tokenry: Tokenry,
    proxies: TrustedProxies,
    forms: Arc<CredentialForms>,
    resource: Option<ProtectedResource>,
}

impl Authenticate {
    /// The layer of this service. No proxy is trusted.
    #[must_use]
    pub fn new(tokenry: Tokenry) -> Self {
        Self { tokenry, proxies: TrustedProxies::default(), forms: Arc::default(), resource: None }
    }

    /// Trusts the `X-Forwarded-For` of these proxies.
    #[must_use]
    pub fn with_trusted_proxies(self, proxies: TrustedProxies) -> Self {
        Self { proxies, ..self }
    }

    /// Accepts tokens that are presented in these ways, besides `Authorization: Bearer`.
    #[must_use]
    pub fn with_credential_forms(self, forms: CredentialForms) -> Self {
        Self { forms: Arc::new(forms), ..self }
    }

    /// Names the metadata of this resource (RFC 9728) in each challenge, also of [`RequireScopes`](crate::RequireScopes). The
    /// program serves the metadata itself, at [`ProtectedResource::metadata_url`] and outside of the layer. Default:
    /// challenges name only the error.
    #[must_use]
    pub fn with_protected_resource(self, resource: impl Into<Option<ProtectedResource>>) -> Self {
        Self { resource: resource.into(), ..self }
    }

    /// What the challenges offer.
    fn offers(&self) -> Offers {
        Offers::default().with_basic(self.forms.offers_basic()).with_resource(self.resource.as_ref())
    }

    /// The identity of a request, or why it is rejected.
    async fn identify<B>(&self, request: &Request<B>) -> Result<Identity, Rejected> {
        let (now, source) = (clock::now(), peer::source(request, &self.proxies).address());
        let verified = match credential(request.headers(), &self.forms, &self.tokenry) {
            Ok(presented) => {
                self.tokenry.verify(presented.token(), now, source).await.map_err(Rejected::from)
            }
            Err(error) => Err(error.into()),
        };
        match verified {
            Ok(verified) => {
                let (tokenry, offers) = (self.tokenry.clone(), self.offers());
                Ok(Identity { tokenry, verified, now, source, offers })
            }
            Err(rejected) => {
                // Refusals with a valid secret are recorded by the service.
                if rejected == Rejected::Credential(CredentialError::InvalidToken) {
                    self.tokenry.record_failure(rejected.code(), source, now);
                }
                Err(rejected)
            }
        }
    }
}

impl<S> Layer<S> for Authenticate {
    type Service = AuthenticateService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        AuthenticateService { layer: self.clone(), inner }
    }
}

/// The service that [`Authenticate`] makes.
#[derive(Clone)]
pub struct AuthenticateService<S> {
    layer: Authenticate,
    inner: S,
}

impl<S, RequestBody, ResponseBody> Service<Request<RequestBody>> for AuthenticateService<S>
where
    S: Service<Request<RequestBody>, Response = Response<ResponseBody>> + Clone + Send + 'static,
    S::Future: Send,
    RequestBody: Send + 'static,
    ResponseBody: From<Vec<u8>>,
{
    type Response = Response<ResponseBody>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<RequestBody>) -> Self::Future {
        // The clone is not ready; the one that was polled is.
        let clone = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, clone);
        let layer = self.layer.clone();
        Box::pin(async move {
            let identity = {
                // A body need not be `Sync`, so the request is not shared across the wait.
                let (parts, body) = request.into_parts();
                let head = Request::from_parts(parts, ());
                let identity = layer.identify(&head).await;
                request = Request::from_parts(head.into_parts().0, body);
                identity
            };
            let identity = match identity {
                Ok(identity) => identity,
                Err(rejected) => return Ok(rejected.into_response(&layer.offers())),
            };
            let open = open_use(&request, &identity);
            request.extensions_mut().insert(identity);
            let response = inner.call(request).await;
            let status = response.as_ref().map_or(StatusCode::INTERNAL_SERVER_ERROR, Response::status);
            open.close(status.as_u16());
            response
        })
    }
}

/// The use of its token by a request.
fn open_use<B>(request: &Request<B>, identity: &Identity) -> OpenUse<HeaderValue> {
    let Identity { tokenry, verified, now, source, .. } = identity;
    OpenUse::new(tokenry, verified, *now, *source, request.method().as_str())
        .with_details(|| route(request), || request.headers().get(USER_AGENT).cloned())
}

/// The pattern of the route; never the path, which may contain secrets.
#[cfg(feature = "axum")]
fn route<B>(request: &Request<B>) -> Option<String> {
    request.extensions().get::<axum::extract::MatchedPath>().map(|path| path.as_str().to_owned())
}

#[cfg(not(feature = "axum"))]
fn route<B>(_: &Request<B>) -> Option<String> {
    None
}
