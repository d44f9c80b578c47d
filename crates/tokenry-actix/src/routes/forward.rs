//! Forward-auth: a reverse proxy asks, before it passes a request on, whether the token in it may make it.

mod dialect;
mod forwarded;
mod identity;
mod required_scopes;

use actix_web::{
    HttpRequest, HttpResponse, ResponseError as _,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, HeaderValue},
    },
    web::Data,
};
use tokenry_service::{Caller, RouteDecision, ScopeSet, Tokenry, UsageEvent, VerifiedToken};

use self::dialect::ProxyDialect;
use crate::{
    authentication::{Authentication, authentication, record_forbidden},
    client_info::user_agent,
    client_ip,
    credential::Accepts,
    error::{ApiError, Problem},
};

/// Describes one way to ask: all answer alike.
macro_rules! forward {
    ($(#[$doc:meta])* $name:ident, $path:literal, $dialect:expr) => {
        $(#[$doc])*
        ///
        /// Any method is answered alike, and no body is read. Without `scope`, the catalog's routes decide.
        #[utoipa::path(get, path = $path, tag = "forward-auth", security(("token" = [])),
            params(("scope" = Option<String>, Query, description = "All of these scopes are needed, separated by spaces or commas; may be repeated.")),
            responses(
            (status = 200, description = "The token may. The headers say whose it is; what is not visible ASCII in them is percent-encoded.", headers(
                ("X-Resource-User" = String, description = "The id of the token's owner."),
                ("X-Resource-Subject" = String, description = "The id of the owner in the host system."),
                ("X-Resource-Role" = String, description = "The owner's role."),
                ("X-Resource-Scopes" = String, description = "What the token may do now, separated by spaces."),
                ("X-Resource-Token-Id" = String, description = "The id of the token."))),
            (status = 400, body = Problem, content_type = "application/problem+json"),
            (status = 401, body = Problem, content_type = "application/problem+json"),
            (status = 403, body = Problem, content_type = "application/problem+json"),
            (status = 429, body = Problem, content_type = "application/problem+json"),
            (status = 503, body = Problem, content_type = "application/problem+json"),
        ))]
        pub(crate) async fn $name(req: HttpRequest, tokenry: Data<Tokenry>) -> HttpResponse {
            answer($dialect, &req, &tokenry).await
        }
    };
}

forward! {
    /// For `auth_request` of nginx, which forwards `X-Original-Method` and `X-Original-URI`. It knows 200, 401 and 403
    /// only: any other status is 403 with the real one in `X-Tokenry-Status`.
    ask_by_nginx, "/auth/nginx", ProxyDialect::Nginx
}
forward! {
    /// For `forwardAuth` of Traefik, which forwards `X-Forwarded-Method` and `X-Forwarded-Uri`.
    ask_by_traefik, "/auth/traefik", ProxyDialect::Forwarded
}
forward! {
    /// For `forward_auth` of Caddy, which forwards `X-Forwarded-Method` and `X-Forwarded-Uri`.
    ask_by_caddy, "/auth/caddy", ProxyDialect::Forwarded
}
forward! {
    /// For `ext_authz` of Envoy without `path_prefix`, with `X-Forwarded-Method` and `X-Forwarded-Uri`.
    ask_by_envoy, "/auth/envoy", ProxyDialect::Forwarded
}

/// For `ext_authz` of Envoy with `path_prefix: /auth/envoy`: method, path and query are those of the client's request.
///
/// The catalog's routes decide; a `scope` in the query is the client's and means nothing. No body is read.
#[utoipa::path(get, path = "/auth/envoy/{path}", tag = "forward-auth", security(("token" = [])),
    params(("path" = String, Path, description = "The path of the client's request, slashes included.")), responses(
    (status = 200, description = "The token may; with the same headers as the others."),
    (status = 400, body = Problem, content_type = "application/problem+json"),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 429, body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn ask_by_envoy_path(req: HttpRequest, tokenry: Data<Tokenry>) -> HttpResponse {
    answer(ProxyDialect::EnvoyPath, &req, &tokenry).await
}

/// Every answer names the caller, or says that there is none: no proxy is left with what the client sent.
async fn answer(dialect: ProxyDialect, req: &HttpRequest, tokenry: &Tokenry) -> HttpResponse {
    let (mut response, verified) = match decide(dialect, req, tokenry).await {
        Ok(verified) => (HttpResponse::Ok().finish(), Some(verified)),
        Err(error) => (dialect.refusal(&error), None),
    };
    identity::write(response.headers_mut(), verified.as_ref());
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The credential first, then the question, then the answer to it.
async fn decide(
    dialect: ProxyDialect,
    req: &HttpRequest,
    tokenry: &Tokenry,
) -> Result<VerifiedToken, ApiError> {
    let authentication = authentication(req, Accepts::Tokens, false).await?;
    let verified = authentication.caller.verified().cloned().ok_or(ApiError::InvalidToken)?;
    match permit(dialect, req, tokenry, &authentication.caller) {
        Ok(needed) => {
            tokenry.record_scopes(&verified, needed.iter(), authentication.now);
            count(dialect, req, tokenry, &authentication, StatusCode::OK);
            Ok(verified)
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

/// Counts the client's request as a use of the token, by its method and the route that it falls under, as far as the
/// proxy tells them.
fn count(
    dialect: ProxyDialect,
    req: &HttpRequest,
    tokenry: &Tokenry,
    authentication: &Authentication,
    status: StatusCode,
) {
    let Some(verified) = authentication.caller.verified() else { return };
    let asked = dialect.forwarded(req).ok();
    let route = asked.as_ref().and_then(|it| tokenry.catalog().routes().pattern(it.method, &it.path));
    let agent = user_agent(req);
    tokenry.record_use(
        verified,
        &UsageEvent {
            method: asked.as_ref().map_or("", |it| it.method),
            route: route.unwrap_or_default(),
            user_agent: agent.as_deref(),
            ..UsageEvent::new(authentication.now, client_ip::of(req).known(), status.as_u16())
        },
    );
}

/// What the request needs, if the caller may do all of it.
fn permit(
    dialect: ProxyDialect,
    req: &HttpRequest,
    tokenry: &Tokenry,
    caller: &Caller,
) -> Result<ScopeSet, ApiError> {
    let needed = match dialect.configured(req)? {
        Some(query) => required_scopes::read(query, tokenry.catalog())?,
        None => mapped(dialect, req, tokenry)?,
    };
    let is_enough = caller.effective().is_some_and(|effective| effective.missing(&needed).is_empty());
    if is_enough { Ok(needed) } else { Err(ApiError::InsufficientScope { missing: needed.to_string() }) }
}

/// What the catalog's routes ask of the client's request; whatever they do not name is refused.
fn mapped(dialect: ProxyDialect, req: &HttpRequest, tokenry: &Tokenry) -> Result<ScopeSet, ApiError> {
    let forwarded = dialect.forwarded(req)?;
    match tokenry.catalog().routes().decide(forwarded.method, &forwarded.path) {
        RouteDecision::Needs(scope) => Ok(ScopeSet::from_iter([scope])),
        RouteDecision::Excluded => Err(forbidden("Tokens are not accepted at this path.")),
        RouteDecision::Unmapped => Err(forbidden("No route of the catalog fits this method and path.")),
    }
}

fn forbidden(detail: &'static str) -> ApiError {
    ApiError::Forbidden { detail: detail.into(), errors: Vec::new() }
}
