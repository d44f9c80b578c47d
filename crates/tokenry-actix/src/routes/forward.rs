//! Forward-auth: a reverse proxy asks whether the token of a request permits it, before passing the request on.

mod dialect;
mod forwarded;
mod identity;
mod required_scopes;

use std::{
    convert::Infallible,
    future::{Ready, ready},
};

use actix_web::{
    FromRequest, HttpRequest, HttpResponse, ResponseError as _,
    dev::Payload,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, HeaderValue},
    },
    web::Data,
};
use macro_rules_attribute::apply;
use tokenry_service::{Caller, CredentialError, RouteDecision, ScopeSet, Tokenry, UsageEvent, VerifiedToken};

use self::dialect::ProxyDialect;
pub(super) use self::forwarded::Forwarded;
use super::endpoint;
use crate::{
    access::{Access, DeclareAccess},
    authentication::{Authentication, authentication, declared_errors, record_forbidden},
    client_info::user_agent,
    client_ip,
    credential::{Accepts, offers},
    declared_errors::{DeclareErrors, Errors},
    error::ApiError,
    identity_headers::IdentityHeaders,
};

/// A request of a reverse proxy. The handler authenticates it: its rejections have a form that the proxy understands.
pub(crate) struct ForwardAuth(HttpRequest);

impl DeclareAccess for ForwardAuth {
    const ACCESS: Access = Access::TokenAskedScope;
}

impl DeclareErrors for ForwardAuth {
    fn errors() -> Errors {
        declared_errors().with(400, "The proxy does not describe the request as configured.")
    }
}

impl FromRequest for ForwardAuth {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(req.clone())))
    }
}

/// Defines the endpoint for one kind of proxy; all share one implementation.
macro_rules! forward {
    ($(#[$($doc:tt)*])* $name:ident, $dialect:expr) => {
        $(#[$($doc)*])*
        ///
        /// All methods are equivalent, and no body is read. Without `scope`, the routes of the catalog decide.
        #[apply(endpoint)]
        #[openapi(tag = "forward-auth",
            params(("scope" = Option<String>, Query, pattern = r"^(\*|[a-z][a-z0-9_.-]*(:[a-z][a-z0-9_.-]*)?)([ ,](\*|[a-z][a-z0-9_.-]*(:[a-z][a-z0-9_.-]*)?)){0,31}$", description = "All of these scopes are required, separated by spaces or commas; may be repeated.")),
            responses(
            (status = 200, description = "The token permits the request. The headers identify the token and its owner; other characters than visible ASCII are percent-encoded.", headers(
                ("X-Resource-User" = String, description = "The id of the token's owner."),
                ("X-Resource-Subject" = String, description = "The id of the owner in the host system."),
                ("X-Resource-Role" = String, description = "The owner's role."),
                ("X-Resource-Scopes" = String, description = "The effective scopes of the token, separated by spaces."),
                ("X-Resource-Token-Id" = String, description = "The id of the token."))),
        ))]
        pub(crate) async fn $name(ForwardAuth(req): ForwardAuth, tokenry: Data<Tokenry>) -> HttpResponse {
            respond($dialect, &req, &tokenry).await
        }
    };
}

forward! {
    /// For `auth_request` of nginx, which forwards `X-Original-Method` and `X-Original-URI`. nginx supports only 200, 401 and
    /// 403: any other status is sent as 403, with the original one in `X-Tokenry-Status`. nginx passes no body on, so
    /// `X-Tokenry-Problem` has that of a rejection.
    ask_by_nginx, ProxyDialect::Nginx
}
forward! {
    /// For `forwardAuth` of Traefik, which forwards `X-Forwarded-Method` and `X-Forwarded-Uri`.
    ask_by_traefik, ProxyDialect::Forwarded
}
forward! {
    /// For `forward_auth` of Caddy, which forwards `X-Forwarded-Method` and `X-Forwarded-Uri`.
    ask_by_caddy, ProxyDialect::Forwarded
}
forward! {
    /// For `ext_authz` of Envoy without `path_prefix`, with `X-Forwarded-Method` and `X-Forwarded-Uri`.
    ask_by_envoy, ProxyDialect::Forwarded
}

/// For `ext_authz` of Envoy with `path_prefix: /auth/envoy`: method, path and query are those of the client's request.
///
/// The routes of the catalog decide; a `scope` in the query comes from the client and is ignored. No body is read.
#[apply(endpoint)]
#[openapi(tag = "forward-auth",
    params(("path" = String, Path, description = "The path of the client's request, slashes included.")), responses(
    (status = 200, description = "The token permits the request; with the same headers as the other endpoints."),
))]
pub(crate) async fn ask_by_envoy_path(ForwardAuth(req): ForwardAuth, tokenry: Data<Tokenry>) -> HttpResponse {
    respond(ProxyDialect::EnvoyPath, &req, &tokenry).await
}

/// The response to the proxy. Every response sets the identity headers, also for a rejected caller, so that a proxy never
/// passes on identity headers of the client.
async fn respond(dialect: ProxyDialect, req: &HttpRequest, tokenry: &Tokenry) -> HttpResponse {
    let (mut response, permitted) = match decide(dialect, req, tokenry).await {
        Ok(permitted) => (HttpResponse::Ok().finish(), Some(permitted)),
        Err(error) => {
            let error = error.offering(offers(req, Accepts::Tokens));
            (dialect.error_response(req, &error), None)
        }
    };
    let names = req.app_data::<Data<IdentityHeaders>>().map(|names| names.get_ref().clone());
    identity::write(response.headers_mut(), &names.unwrap_or_default(), permitted.as_ref());
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A token that permits the client's request, and the scopes that the request requires.
struct Permitted {
    verified: VerifiedToken,
    required: ScopeSet,
}

/// Authenticates the token, then decides about the request.
async fn decide(dialect: ProxyDialect, req: &HttpRequest, tokenry: &Tokenry) -> Result<Permitted, ApiError> {
    let authentication = authentication(req, Accepts::Tokens, false).await?;
    let verified = authentication.caller.verified().cloned().ok_or(CredentialError::InvalidToken)?;
    match require(dialect, req, tokenry, &authentication.caller) {
        Ok(required) => {
            tokenry.record_scopes(&verified, required.iter(), authentication.now);
            count(dialect, req, tokenry, &authentication, StatusCode::OK);
            Ok(Permitted { verified, required })
        }
        Err(error) => {
            record_forbidden(req, error.code());
            if error.status_code() == StatusCode::FORBIDDEN {
                count(dialect, req, tokenry, &authentication, StatusCode::FORBIDDEN);
            }
            Err(error)
        }
    }
}

/// Counts the client's request as a use of the token, with its method and matching route as far as the proxy forwards them.
fn count(
    dialect: ProxyDialect,
    req: &HttpRequest,
    tokenry: &Tokenry,
    authentication: &Authentication,
    status: StatusCode,
) {
    let Some(verified) = authentication.caller.verified() else { return };
    let forwarded = dialect.forwarded(req).ok();
    let route = forwarded
        .as_ref()
        .and_then(|request| tokenry.catalog().routes().pattern(request.method, &request.path));
    let agent = user_agent(req);
    tokenry.record_use(
        verified,
        &UsageEvent::new(authentication.now, client_ip::of(req).address(), status.as_u16())
            .with_method(forwarded.as_ref().map_or("", |request| request.method))
            .with_route(route.unwrap_or_default())
            .with_user_agent(agent.as_deref()),
    );
}

/// The scopes that the request requires, if the caller has all of them.
fn require(
    dialect: ProxyDialect,
    req: &HttpRequest,
    tokenry: &Tokenry,
    caller: &Caller,
) -> Result<ScopeSet, ApiError> {
    let required = match dialect.configured(req)? {
        Some(query) => required_scopes::read(query, tokenry.catalog())?,
        None => required_by_catalog(dialect, req, tokenry)?,
    };
    let is_permitted = caller.effective().is_some_and(|effective| effective.missing(&required).is_empty());
    if is_permitted { Ok(required) } else { Err(CredentialError::InsufficientScope(required).into()) }
}

/// The scopes that the routes of the catalog require of the client's request; a request without a route is rejected.
fn required_by_catalog(
    dialect: ProxyDialect,
    req: &HttpRequest,
    tokenry: &Tokenry,
) -> Result<ScopeSet, ApiError> {
    let forwarded = dialect.forwarded(req)?;
    match tokenry.catalog().routes().decide(forwarded.method, &forwarded.path) {
        RouteDecision::Requires(scope) => Ok(ScopeSet::from_iter([scope])),
        RouteDecision::Excluded => Err(forbidden("Tokens are not accepted at this path.")),
        RouteDecision::Unmapped => Err(forbidden("No route of the catalog matches this method and path.")),
    }
}

fn forbidden(detail: &'static str) -> ApiError {
    ApiError::Forbidden { detail: detail.into(), errors: Vec::new() }
}
