//! [`OAuthClient`]: the client of an endpoint of OAuth, which authenticates by its headers or in its form.

use std::pin::Pin;

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use tokenry_service::{CredentialError, UnixMillis};
use zeroize::Zeroizing;

use crate::{
    access::{Access, DeclareAccess},
    api_caller::Introspector,
    authentication::authentication_by_client_secret,
    credential::{Accepts, has_token, offers_basic},
    declared_errors::{DeclareErrors, Errors},
    error::ApiError,
    query::{FromQuery, StrictForm, StrictQuery},
};

/// A form in which a client may authenticate by `client_secret_post` (RFC 6749, section 2.3.1).
pub(super) trait ClientForm: FromQuery {
    /// The secret, if the form has one.
    fn take_client_secret(&mut self) -> Option<Zeroizing<String>>;
}

/// A client with `introspect`, and its form. The secret of a client is a token; its client id is ignored.
pub(crate) struct OAuthClient<F> {
    /// When the client was authenticated.
    pub(super) now: UnixMillis,
    pub(super) form: F,
}

impl<F> DeclareAccess for OAuthClient<F> {
    const ACCESS: Access = Introspector::ACCESS;
}

impl<F: FromQuery> DeclareErrors for OAuthClient<F> {
    fn errors() -> Errors {
        Introspector::errors().and(StrictQuery::<()>::errors()).and(StrictForm::<F>::errors())
    }
}

impl<F: ClientForm + 'static> FromRequest for OAuthClient<F> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (req, payload) = (req.clone(), payload.take());
        Box::pin(async move {
            if has_token(&req, Accepts::Client) {
                by_headers(&req, payload).await
            } else {
                by_form(&req, payload).await
            }
        })
    }
}

/// The body is read only after the client is authenticated.
async fn by_headers<F: ClientForm + 'static>(
    req: &HttpRequest,
    mut payload: Payload,
) -> Result<OAuthClient<F>, ApiError> {
    let Introspector(caller) = Introspector::from_request(req, &mut payload).await?;
    StrictQuery::<()>::from_request(req, &mut payload).await?;
    let StrictForm(mut form) = StrictForm::<F>::from_request(req, &mut payload).await?;
    match form.take_client_secret() {
        // Two credentials: it is ambiguous which client asks.
        Some(_) => Err(CredentialError::Malformed.into()),
        None => Ok(OAuthClient { now: caller.now(), form }),
    }
}

async fn by_form<F: ClientForm + 'static>(
    req: &HttpRequest,
    mut payload: Payload,
) -> Result<OAuthClient<F>, ApiError> {
    let form = match StrictForm::<F>::from_request(req, &mut payload).await {
        Ok(StrictForm(form)) => Ok(form),
        // A body that is no form has no credential.
        Err(ApiError::UnsupportedMediaType) => Err(CredentialError::Required.into()),
        Err(error) => Err(error),
    };
    let offers_basic = offers_basic(req, Accepts::Client);
    let mut form = form.map_err(|error: ApiError| error.offering_basic(offers_basic))?;
    let Some(secret) = form.take_client_secret() else {
        return Err(ApiError::from(CredentialError::Required).offering_basic(offers_basic));
    };
    authentication_by_client_secret(req, secret.as_bytes()).await?;
    let Introspector(caller) = Introspector::from_request(req, &mut payload).await?;
    StrictQuery::<()>::from_request(req, &mut payload).await?;
    Ok(OAuthClient { now: caller.now(), form })
}
