//! [`OAuthClient`]: the client of an endpoint of OAuth, which authenticates by its headers or in its form.

use std::pin::Pin;

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use tokenry_service::{CredentialError, UnixMillis};
use zeroize::Zeroizing;

use crate::{
    access::{Access, DeclareAccess},
    api_caller::Introspector,
    authentication::authentication_by_client_secret,
    credential::{Accepts, has_token, offers},
    declared_errors::{DeclareErrors, Errors},
    error::ApiError,
    query::{FromQuery, Query, StrictForm, StrictQuery, form_text},
};

/// A form in which a client may authenticate by `client_secret_post` (RFC 6749, section 2.3.1).
pub(super) trait ClientForm: FromQuery {
    /// Whether the form has a secret of the client.
    fn has_client_secret(&self) -> bool;
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
    let StrictForm(form) = StrictForm::<F>::from_request(req, &mut payload).await?;
    // Two credentials: it is ambiguous which client asks.
    if form.has_client_secret() {
        return Err(CredentialError::Malformed.into());
    }
    Ok(OAuthClient { now: caller.now(), form })
}

/// Of the form only the secret is looked at before the client is authenticated.
async fn by_form<F: ClientForm + 'static>(
    req: &HttpRequest,
    mut payload: Payload,
) -> Result<OAuthClient<F>, ApiError> {
    let required = || ApiError::from(CredentialError::Required).offering(offers(req, Accepts::Client));
    let text = match form_text(req, &mut payload).await {
        Ok(text) => text,
        // A body that is no form has no credential.
        Err(ApiError::UnsupportedMediaType) => return Err(required()),
        Err(error) => return Err(error),
    };
    let ClientSecret(secret) = Query::read(&text)?;
    let secret = secret.ok_or_else(required)?;
    authentication_by_client_secret(req, secret.as_bytes()).await?;
    let Introspector(caller) = Introspector::from_request(req, &mut payload).await?;
    StrictQuery::<()>::from_request(req, &mut payload).await?;
    Ok(OAuthClient { now: caller.now(), form: Query::read(&text)? })
}

/// The secret of a client in a form; all other parameters are passed over.
struct ClientSecret(Option<Zeroizing<String>>);

impl FromQuery for ClientSecret {
    const NAMES: &'static [&'static str] = &["client_secret"];
    const IGNORES_UNKNOWN: bool = true;
    const OPAQUE: &'static [&'static str] = &["client_secret"];

    fn from_query(query: &mut Query) -> Self {
        Self(query.secret("client_secret"))
    }
}
