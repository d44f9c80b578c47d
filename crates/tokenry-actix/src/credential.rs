//! The credential that a request presents, before anything is verified.

use actix_web::{HttpRequest, http::header::HeaderValue, web::Data};
use tokenry_service::{
    CredentialError, CredentialForms, Offers, ProtectedResource, Tokenry,
    presented::{self, PresentedError},
};

use crate::{
    credentials::{Credentials, PresentedTo},
    error::ApiError,
    session::{
        cookie::{self, Cookie},
        proxy::ProxySignIn,
        request_origin::{self, RequestOrigin},
    },
};

/// Which credentials a route accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accepts {
    /// Personal access tokens.
    Tokens,
    /// Personal access tokens that authenticate an OAuth client (RFC 6749, section 2.3).
    Client,
    /// Personal access tokens, JWTs of configured issuers, and sessions.
    Everyone,
    /// Credentials that can start a session: tokens, JWTs, and the identity asserted by a trusted proxy.
    SignIn,
    /// Sessions.
    Session,
}

impl Accepts {
    /// Whether no other credential than a token is accepted.
    pub(crate) fn only_tokens(self) -> bool {
        matches!(self, Self::Tokens | Self::Client)
    }

    /// Whether a token that was presented where `self` is accepted can have been presented in the same form for `other`.
    pub(crate) fn has_forms_of(self, other: Self) -> bool {
        // Introspection first authenticates its client, and then requires the scope like a guarded route.
        self.presented_to() == other.presented_to() || (self, other) == (Self::Client, Self::Tokens)
    }

    fn presented_to(self) -> PresentedTo {
        match self {
            Self::Tokens => PresentedTo::Guarded,
            Self::Client => PresentedTo::Client,
            Self::Everyone | Self::SignIn | Self::Session => PresentedTo::Api,
        }
    }
}

/// App data: whether a bearer credential takes precedence over a session cookie.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BearerOverSession(pub(crate) bool);

/// The credential of a request.
///
/// SECURITY: the kind is decided once, by the route and by the header that carries the credential; a credential is never
/// retried as another kind.
pub(crate) enum Presented<'r> {
    /// A token or a JWT.
    Token(presented::Presented<'r>),
    /// The value of the session cookie.
    Session(&'r [u8]),
    /// The subject asserted by a trusted proxy.
    ProxySubject(String),
}

impl<'r> Presented<'r> {
    /// The credential of `req` on a route that accepts `accepts`. Requests that use or start a session must come from
    /// the server's own origin.
    pub(crate) fn of(req: &'r HttpRequest, accepts: Accepts, tokenry: &Tokenry) -> Result<Self, ApiError> {
        let has_token = has_token(req, accepts);
        match accepts {
            Accepts::Tokens | Accepts::Client => token(req, accepts, tokenry),
            // The cookie is not even read, so that an invalid token never falls back to it.
            Accepts::Everyone if has_token && is_bearer_over_session(req) => token(req, accepts, tokenry),
            Accepts::Everyone | Accepts::Session => match cookie::presented(req)? {
                // Two credentials: it is ambiguous whom the request acts for.
                Some(_) if has_token && accepts == Accepts::Everyone => {
                    Err(CredentialError::Malformed.into())
                }
                Some(Cookie { origin, value }) => origin.check(req).map(|()| Self::Session(value)),
                None if accepts == Accepts::Session => Err(CredentialError::Required.into()),
                None => token(req, accepts, tokenry),
            },
            Accepts::SignIn => {
                RequestOrigin::of(req)?.check(req)?;
                match req.app_data::<Data<ProxySignIn>>() {
                    Some(proxy) if !has_token => {
                        let subject = proxy.subject(req)?.ok_or(CredentialError::Required)?;
                        Ok(Self::ProxySubject(subject))
                    }
                    _ => token(req, accepts, tokenry),
                }
            }
        }
    }
}

/// Whether a request has a header that can carry a token on a route that accepts `accepts`.
pub(crate) fn has_token(req: &HttpRequest, accepts: Accepts) -> bool {
    presented::has_credential(forms(req, accepts), |name| lines(req, name))
}

/// What the challenge of such a route offers. A page of the API is not offered Basic, because a browser would ask for a
/// password.
pub(crate) fn offers(req: &HttpRequest, accepts: Accepts) -> Offers {
    let is_page = accepts.presented_to() == PresentedTo::Api && req.headers().contains_key("sec-fetch-site");
    // The protected resource is what Tokenry guards, not its own API.
    let resource = match accepts.presented_to() {
        PresentedTo::Guarded => req.app_data::<ProtectedResource>(),
        PresentedTo::Api | PresentedTo::Client => None,
    };
    Offers::default().with_basic(forms(req, accepts).offers_basic() && !is_page).with_resource(resource)
}

fn is_bearer_over_session(req: &HttpRequest) -> bool {
    req.app_data::<BearerOverSession>().is_some_and(|setting| setting.0)
}

/// The token of a request, unchanged.
///
/// SECURITY: a browser that knows a user name and password sends them with requests of any site, so the API accepts them
/// only from its own origin and from programs that are no browsers.
fn token<'r>(req: &'r HttpRequest, accepts: Accepts, tokenry: &Tokenry) -> Result<Presented<'r>, ApiError> {
    let is_token = |text: &[u8]| tokenry.has_token_form(text);
    let token =
        presented::presented(forms(req, accepts), |name| lines(req, name), is_token).map_err(|error| {
            match error {
                PresentedError::Missing => CredentialError::Required,
                PresentedError::Malformed => CredentialError::Malformed,
            }
        })?;
    if token.is_basic() && accepts.presented_to() != PresentedTo::Guarded {
        request_origin::check_browser(req)?;
    }
    Ok(Presented::Token(token))
}

/// The forms of tokens that such a route accepts.
fn forms(req: &HttpRequest, accepts: Accepts) -> &CredentialForms {
    let credentials = req.app_data::<Credentials>().unwrap_or_else(|| Credentials::default_of_app());
    credentials.forms(accepts.presented_to())
}

fn lines<'r>(req: &'r HttpRequest, name: &str) -> impl Iterator<Item = &'r [u8]> + use<'r> {
    req.headers().get_all(name).map(HeaderValue::as_bytes)
}
