//! Sign-in at an OpenID provider.

use std::str::FromStr;

use actix_web::{HttpRequest, HttpResponse, web::Data};
use macro_rules_attribute::apply;
use tokenry_service::{Session, Tokenry};

use super::{endpoint, path::IdPath};
#[cfg(feature = "jwt")]
use crate::session::provider;
use crate::{
    access::Public,
    declared_errors::{DeclareErrors, Errors},
    error::ApiError,
    query::{FromQuery, Query, StrictQuery},
    wire,
};

/// The longest authorization code, in characters.
const MAX_CODE: usize = 3072;
/// The longest of the other parameters of a provider's answer, in characters. The path and query are limited as a whole
/// too.
const MAX_PARAMETER: usize = 512;

/// Begins a sign-in at an OpenID provider: returns the URL where the browser goes, and sets a cookie that binds the sign-in
/// to the browser. Requires the header `X-Tokenry-Request: 1` and the same origin, which must be that of
/// `server.public_url`.
#[apply(endpoint)]
#[openapi(tag = "session", params(("id" = String, Path, description = "The id of the provider.")), responses(
    (status = 200, body = wire::ProviderSignIn, headers(("Set-Cookie" = String, description = "The cookie of the sign-in, for ten minutes."))),
    (status = 403, description = "Another origin, or the header is missing."),
))]
pub(crate) async fn begin_provider_sign_in(
    _: Public,
    id: IdPath<ProviderId>,
    _: StrictQuery<()>,
    req: HttpRequest,
    tokenry: Data<Tokenry>,
) -> Result<HttpResponse, ApiError> {
    #[cfg(feature = "jwt")]
    return provider::begin(&req, &tokenry, id.0.0).await;
    #[cfg(not(feature = "jwt"))]
    Err(not_configured(&req, &tokenry, id))
}

/// Takes the answer of an OpenID provider, which the browser brings as a navigation. Starts a session if the provider has
/// authenticated a user; the page shows why not otherwise.
#[apply(endpoint)]
#[openapi(tag = "session", params(
    ("id" = String, Path, description = "The id of the provider."),
    ("code" = Option<String>, Query, max_length = 3072, description = "The authorization code."),
    ("state" = Option<String>, Query, max_length = 512, description = "The state of the request."),
    ("iss" = Option<String>, Query, max_length = 512, description = "The issuer (RFC 9207)."),
    ("error" = Option<String>, Query, max_length = 512, description = "The error, instead of a code."),
    ("error_description" = Option<String>, Query, max_length = 512, description = "The description of the error, for the log."),
), responses(
    (status = 303, description = "To the page: signed in, or with the reason in the fragment.",
        headers(("Location" = String, description = "The sign-in page, which continues."), ("Set-Cookie" = String, description = "The session cookie if the sign-in succeeded, and the removal of the cookie of the sign-in."))),
    (status = 400, description = "Two cookies of one name."),
    (status = 403, description = "The request was not sent to the public URL."),
    (status = 429, description = "Too many sign-ins at providers, or failed ones, from this source."),
))]
pub(crate) async fn finish_provider_sign_in(
    _: Public,
    id: IdPath<ProviderId>,
    query: StrictQuery<Answer>,
    req: HttpRequest,
    tokenry: Data<Tokenry>,
) -> Result<HttpResponse, ApiError> {
    #[cfg(feature = "jwt")]
    return provider::finish(&req, &tokenry, id.0.0, query.0.into()).await;
    #[cfg(not(feature = "jwt"))]
    {
        let _ = query;
        Err(not_configured(&req, &tokenry, id))
    }
}

/// The providers, for the page.
#[cfg(feature = "jwt")]
pub(super) fn providers(tokenry: &Tokenry) -> Vec<wire::SignInProvider> {
    let all = tokenry.providers();
    all.map(|(id, name)| wire::SignInProvider { id: id.to_owned(), name: name.to_owned() }).collect()
}

/// Where the browser goes after a sign-out.
#[cfg(feature = "jwt")]
pub(super) fn sign_out_url(tokenry: &Tokenry, session: &Session) -> Option<String> {
    tokenry.provider_sign_out_url(session)
}

#[cfg(not(feature = "jwt"))]
pub(super) fn providers(_: &Tokenry) -> Vec<wire::SignInProvider> {
    Vec::new()
}

#[cfg(not(feature = "jwt"))]
pub(super) fn sign_out_url(_: &Tokenry, _: &Session) -> Option<String> {
    None
}

/// A build without sign-in by JWT has no providers.
#[cfg(not(feature = "jwt"))]
fn not_configured(_: &HttpRequest, _: &Tokenry, _: IdPath<ProviderId>) -> ApiError {
    ApiError::NotFound
}

/// The id of a provider, as it is in a path.
pub(crate) struct ProviderId(#[cfg_attr(not(feature = "jwt"), expect(dead_code))] String);

impl FromStr for ProviderId {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl DeclareErrors for IdPath<ProviderId> {
    fn errors() -> Errors {
        Errors::default().with(404, "There is no provider with this id.")
    }
}

/// The answer of a provider; unknown parameters are ignored (RFC 6749, section 4.1.2).
#[cfg_attr(not(feature = "jwt"), expect(dead_code))]
pub(crate) struct Answer {
    code: Option<String>,
    state: Option<String>,
    issuer: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

impl FromQuery for Answer {
    const NAMES: &'static [&'static str] = &["code", "state", "iss", "error", "error_description"];
    const IGNORES_UNKNOWN: bool = true;
    const OPAQUE: &'static [&'static str] = &["error", "error_description"];

    fn from_query(query: &mut Query) -> Self {
        Self {
            code: query.text("code", MAX_CODE),
            state: query.text("state", MAX_PARAMETER),
            issuer: query.text("iss", MAX_PARAMETER),
            error: query.text("error", MAX_PARAMETER),
            error_description: query.text("error_description", MAX_PARAMETER),
        }
    }
}

#[cfg(feature = "jwt")]
impl From<Answer> for tokenry_service::AuthorizationResponse {
    fn from(answer: Answer) -> Self {
        let Answer { code, state, issuer, error, error_description } = answer;
        Self { code, state, issuer, error, error_description }
    }
}
