//! Sign-in, the current session, and sign-out.

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, SET_COOKIE, VARY},
    },
    web::Data,
};
use macro_rules_attribute::apply;
use tokenry_service::{CredentialError, RequestContext, Tokenry};

use super::{
    endpoint,
    provider_sign_in::{self, sign_out_url},
};
use crate::{
    access::Public,
    api_caller::SignInCaller,
    authentication::{authentication, count_ignored_failure},
    blocking::blocking,
    body::Sequential,
    client_info::client_info,
    clock,
    credential::Accepts,
    error::ApiError,
    query::StrictQuery,
    session::{
        cookie::{self, Cookie},
        proxy::ProxySignIn,
        request_origin::RequestOrigin,
    },
    wire,
};

/// Shows the sign-in methods and the session of the request, if any. A request with the cookie requires the header
/// `X-Tokenry-Request: 1` and the same origin.
#[apply(endpoint)]
#[openapi(tag = "session", responses(
    (status = 200, body = wire::SessionState),
    (status = 400, description = "Two session cookies."),
    (status = 403, description = "Another origin, or the header is missing."),
    (status = 429, description = "Too many invalid session cookies from this source."),
))]
pub(crate) async fn show_session(
    _: Public,
    req: HttpRequest,
    _: StrictQuery<()>,
    tokenry: Data<Tokenry>,
) -> Result<HttpResponse, ApiError> {
    let mut methods = vec!["pat"];
    methods.extend(tokenry.jwt_enabled().then_some("jwt"));
    let providers = provider_sign_in::providers(&tokenry);
    methods.extend((!providers.is_empty()).then_some("oidc"));
    methods.extend(req.app_data::<Data<ProxySignIn>>().map(|_| "proxy"));
    let mut response = uncached(StatusCode::OK);
    let session = match authentication(&req, Accepts::Session, false).await {
        Ok(known) => known
            .caller
            .session()
            .zip(known.caller.user())
            .map(|(session, user)| wire::Session::new(session, user, sign_out_url(&tokenry, session))),
        Err(ApiError::Credential { error: CredentialError::Required, .. }) => None,
        Err(error) if error.is_invalid_token() => {
            response.insert_header((SET_COOKIE, cookie::clear(&RequestOrigin::of(&req)?)?));
            None
        }
        Err(error) => return Err(error),
    };
    Ok(response.json(wire::SessionState { methods, providers, session }))
}

/// Exchanges a credential for a session, whose secret is only in the cookie of this response. The credential is a token with
/// `tokens:read` or a JWT in `Authorization`, or without that header the identity asserted by a trusted proxy, if the server
/// is configured for one. Requires the header `X-Tokenry-Request: 1` and the same origin; there is no body.
#[apply(endpoint)]
#[openapi(tag = "session", responses(
    (status = 201, body = wire::Session, headers(("Set-Cookie" = String, description = "The cookie with the secret of the session."))),
    (status = 403, description = "Another origin, the header is missing, or the token lacks tokens:read."),
))]
pub(crate) async fn start_session(
    Sequential(caller, _): Sequential<SignInCaller, StrictQuery<()>>,
    req: HttpRequest,
    tokenry: Data<Tokenry>,
) -> Result<HttpResponse, ApiError> {
    let origin = RequestOrigin::of(&req)?;
    let replaced = cookie::find(&req, &origin)?.map(<[u8]>::to_vec);
    let context = RequestContext::new(caller.caller, caller.now).with_client(client_info(&req));
    let started = blocking(move || tokenry.start_session(&context, replaced.as_deref())).await?;
    let session = wire::Session::new(&started.session, &started.user, None);
    let lifetime = started.session.expires_at.since(started.session.created_at);
    let cookie = cookie::set(&origin, started.secret, lifetime)?;
    Ok(uncached(StatusCode::CREATED).insert_header((SET_COOKIE, cookie)).json(session))
}

/// Signs out: ends the session of the cookie, if any, and removes the cookie.
#[apply(endpoint)]
#[openapi(tag = "session", responses(
    (status = 204, description = "Signed out, now or earlier."),
    (status = 400, description = "Two session cookies."),
    (status = 403, description = "Another origin, or the header is missing."),
    (status = 429, description = "Too many invalid session cookies from this source."),
))]
pub(crate) async fn end_session(
    _: Public,
    req: HttpRequest,
    _: StrictQuery<()>,
    tokenry: Data<Tokenry>,
) -> Result<HttpResponse, ApiError> {
    // SECURITY: without a cookie none is removed, so that another site cannot sign the user out.
    let Some(Cookie { origin, value }) = cookie::presented(&req)? else {
        return Ok(uncached(StatusCode::NO_CONTENT).finish());
    };
    origin.check(&req)?;
    let (value, client) = (value.to_vec(), client_info(&req));
    let service = tokenry.clone();
    if !blocking(move || service.end_session(&value, clock::now(), client)).await? {
        // Expired or invented: guesses count as failed credentials.
        count_ignored_failure(&req)?;
    }
    Ok(uncached(StatusCode::NO_CONTENT).insert_header((SET_COOKIE, cookie::clear(&origin)?)).finish())
}

/// A response that depends on the cookie and must not be cached.
pub(super) fn uncached(status: StatusCode) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response.insert_header((CACHE_CONTROL, "no-store")).insert_header((VARY, "Cookie"));
    response
}
