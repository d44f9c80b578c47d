//! The HTTP API: the table of its routes, and their registration in an app.
//!
//! To add a route, add a row here and a handler in a child module. Only the row has the method and the path. The first
//! argument of the handler enforces and declares the access, and every argument declares its errors. The handler's
//! `#[apply(endpoint)]` describes it for the OpenAPI document. The test matrix does not compile until the new route has an
//! expectation.

mod audit;
mod authzen;
mod catalog;
mod current;
mod discovery;
mod forward;
mod health;
mod inventory;
mod leaks;
mod metrics;
mod mount;
mod nodes;
mod oauth;
mod openapi;
mod path;
mod patterns;
mod policy;
mod protected_resource;
mod provider_sign_in;
mod rotate;
mod session;
mod token_events;
mod token_list;
mod tokens;
mod usage;
mod users;
mod verify;

use actix_web::web::{Data, ServiceConfig};
use tokenry_service::Tokenry;

pub use self::{
    openapi::{openapi, openapi_of},
    protected_resource::protected_resource_metadata,
};
#[cfg(feature = "route-quotas")]
use crate::credential::Accepts;
use crate::{
    access::{Access, access_of},
    credential::BearerOverSession,
    declared_errors::{Errors, errors_of},
    fallback::Endpoint,
    settings::{HttpSettings, RateLimits, TokensApi},
};

/// One route of the API.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteInfo {
    /// The name of the route, for exhaustive matches.
    pub name: RouteName,
    /// The method. GET includes HEAD; `ANY` is every method.
    pub method: &'static str,
    /// The path, with `{…}` for parameters.
    pub path: &'static str,
    /// Who may call the route.
    pub access: Access,
}

macro_rules! method_name {
    (get) => {
        "GET"
    };
    (post) => {
        "POST"
    };
    (patch) => {
        "PATCH"
    };
    (delete) => {
        "DELETE"
    };
    (any) => {
        "ANY"
    };
}

/// Describes a handler for the OpenAPI document. The attribute `#[openapi(…)]` has what `utoipa::path` accepts, except
/// method and path, which come from the row of the handler in the table of routes. `openapi` adds security and errors.
///
/// ```text
/// #[apply(endpoint)]
/// #[openapi(tag = "tokens", responses((status = 200, body = wire::Me)))]
/// pub(crate) async fn show_me(…) -> Result<Json<wire::Me>, ApiError> { … }
/// ```
macro_rules! endpoint {
    ($(#[doc = $doc:tt])* #[openapi($($openapi:tt)*)] pub(crate) async fn $handler:ident $($rest:tt)*) => {
        $crate::routes::row_of! {
            $handler [$(#[doc = $doc])*] [$($openapi)*] [pub(crate) async fn $handler $($rest)*]
        }
    };
}
use endpoint;

/// Gives a handler the `utoipa::path` attribute with its method and path. OpenAPI cannot express `any`: `get` stands for it.
macro_rules! describe {
    (any $($rest:tt)*) => {
        $crate::routes::describe! { get $($rest)* }
    };
    ($method:ident $path:tt [$($docs:tt)*] [$($openapi:tt)*] [$($item:tt)*]) => {
        $($docs)*
        #[utoipa::path($method, path = $path, $($openapi)*)]
        $($item)*
    };
}
use describe;

/// Generates everything that lists the routes: [`RouteName`], [`ROUTES`], the registration, and for the OpenAPI document
/// `row_of!`, which passes the method and the path of a handler to [`describe!`]. `$d` is a dollar sign.
macro_rules! routes {
    (($d:tt) $($path:tt $(with $data:expr)? => { $($method:ident $name:ident $module:ident::$handler:ident,)* })*) => {
        /// The name of a route. Exhaustive: the test matrix must have an expectation for every route.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs, reason = "the names say what the routes do")]
        pub enum RouteName {
            $($($name,)*)*
        }

        impl RouteName {
            /// The errors that the arguments of the handler declare.
            fn errors(self) -> Errors {
                match self {
                    $($(Self::$name => errors_of(&$module::$handler),)*)*
                }
            }
        }

        /// All routes; every other request is answered with 404 or 405.
        pub const ROUTES: &[RouteInfo] = &[
            $($(RouteInfo {
                name: RouteName::$name,
                method: method_name!($method),
                path: $path,
                access: access_of(&$module::$handler),
            },)*)*
        ];

        /// Registers all routes.
        fn register(app: &mut ServiceConfig, settings: &HttpSettings) {
            $(
                let endpoint = new_endpoint($path, &settings.tokens_api);
                $(let endpoint = endpoint.app_data($data);)?
                $(
                    let access = const { access_of(&$module::$handler) };
                    let endpoint = with_quota(endpoint, access, settings).$method($module::$handler);
                    let endpoint = match is_also_put(RouteName::$name, &settings.tokens_api) {
                        true => endpoint.put($module::$handler),
                        false => endpoint,
                    };
                )*
                app.service(endpoint);
            )*
        }

        /// The OpenAPI operations of all routes.
        #[derive(utoipa::OpenApi)]
        #[openapi(paths($($($module::$handler,)*)*))]
        struct Operations;

        macro_rules! row_of {
            $($(($handler $d($described:tt)*) => {
                $crate::routes::describe! { $method $path $d($described)* }
            };)*)*
        }
        use row_of;
    };
}

routes! { ($)
    "/healthz" => { get ShowHealth health::show_health, }
    "/readyz" => { get ShowReadiness health::show_readiness, }
    "/metrics" => { get ShowMetrics metrics::show_metrics, }
    "/openapi.json" => { get ShowOpenapi openapi::show_openapi, }
    "/session" => {
        get ShowSession session::show_session,
        post StartSession session::start_session,
        delete EndSession session::end_session,
    }
    "/session/oidc/{id}" => { post BeginProviderSignIn provider_sign_in::begin_provider_sign_in, }
    "/session/oidc/{id}/callback" => {
        get FinishProviderSignIn provider_sign_in::finish_provider_sign_in,
    }
    "/api/v1/me" => { get ShowMe current::show_me, }
    "/api/v1/scopes" => { get ShowScopes catalog::show_scopes, }
    "/api/v1/policy" => { get ShowPolicy policy::show_policy, }
    "/api/v1/token" => {
        get ShowOwnToken current::show_own_token,
        delete RevokeOwnToken current::revoke_own_token,
    }
    "/api/v1/tokens" => {
        get ListTokens token_list::list_tokens,
        post CreateToken tokens::create_token,
    }
    "/api/v1/tokens/{id}" => {
        get ShowToken tokens::show_token,
        patch UpdateToken tokens::update_token,
        delete RevokeToken tokens::revoke_token,
    }
    "/api/v1/tokens/{id}/rotate" with rotate::ON_RETIRED_SECRET => { post RotateToken rotate::rotate_token, }
    "/api/v1/tokens/{id}/usage" => { get ShowUsage usage::show_usage, }
    "/api/v1/tokens/{id}/usage/summary" => { get ShowUsageSummary usage::show_usage_summary, }
    "/api/v1/tokens/{id}/events" => { get ListTokenEvents token_events::list_token_events, }
    "/api/v1/users" => {
        get ListUsers users::list_users,
        post CreateUser users::create_user,
    }
    "/api/v1/users/{id}" => {
        get ShowUser users::show_user,
        patch UpdateUser users::update_user,
        delete DeleteUser users::delete_user,
    }
    "/api/v1/users/{id}/tokens" => { get ListUserTokens inventory::list_user_tokens, }
    "/api/v1/users/{id}/revoke-tokens" => { post RevokeUserTokens users::revoke_user_tokens, }
    "/api/v1/admin/tokens" => { get ListAllTokens inventory::list_all_tokens, }
    "/api/v1/admin/cleanup" => { post CleanUp inventory::clean_up, }
    "/api/v1/admin/nodes" => { get ListNodes nodes::list_nodes, }
    "/api/v1/audit" => { get ListEvents audit::list_events, }
    "/api/v1/audit/chain" => { get CheckChain audit::check_chain, }
    "/api/v1/verify" => { post VerifyToken verify::verify_token, }
    "/api/v1/leaks" => { post ReportLeaks leaks::report_leaks, }
    "/.well-known/tokenry/patterns" => { get ShowPatterns patterns::show_patterns, }
    "/access/v1/evaluation" => { post EvaluateAccess authzen::evaluate_access, }
    "/access/v1/evaluations" => { post EvaluateAccesses authzen::evaluate_accesses, }
    "/.well-known/authzen-configuration" => { get ShowAuthzenMetadata authzen::show_authzen_metadata, }
    "/oauth/introspect" => { post IntrospectToken oauth::introspect_token, }
    "/oauth/revoke" => { post RevokePresented oauth::revoke_presented, }
    "/.well-known/oauth-authorization-server" => { get ShowOauthMetadata oauth::show_oauth_metadata, }
    "/.well-known/oauth-protected-resource" => { get ShowResource protected_resource::show_resource, }
    "/.well-known/oauth-protected-resource/{path}" => {
        get ShowResourceAtPath protected_resource::show_resource_at_path,
    }
    "/auth/nginx" => { any AskByNginx forward::ask_by_nginx, }
    "/auth/traefik" => { any AskByTraefik forward::ask_by_traefik, }
    "/auth/caddy" => { any AskByCaddy forward::ask_by_caddy, }
    "/auth/envoy" => { any AskByEnvoy forward::ask_by_envoy, }
    "/auth/envoy/{path}" => { any AskByEnvoyPath forward::ask_by_envoy_path, }
}

/// Registers the API in an app: `App::new().configure(configure(tokenry, HttpSettings::default()))`.
///
/// The routes authenticate by themselves. Wrap the app in [`outer_middleware`](crate::outer_middleware()) for request ids,
/// the request log and security headers on every response.
pub fn configure(tokenry: Tokenry, settings: HttpSettings) -> impl FnOnce(&mut ServiceConfig) {
    move |app| {
        app.app_data(Data::new(tokenry)).app_data(Data::new(settings.trusted_proxies.clone()));
        app.app_data(Data::new(RateLimits::of(&settings))).app_data(Data::new(settings.metrics.clone()));
        app.app_data(settings.tokens_api.path.clone());
        app.app_data(Data::new(settings.identity_headers.clone()));
        app.app_data(BearerOverSession(settings.bearer_over_session));
        app.app_data(settings.credentials.clone());
        app.app_data(Data::new(settings.leak_limit.clone()));
        if let Some(resource) = &settings.protected_resource {
            app.app_data(resource.clone());
        }
        #[cfg(feature = "github")]
        if let Some(reports) = &settings.github_reports {
            app.app_data(Data::from(reports.clone()));
        }
        app.app_data(Data::new(openapi::AppDocument::of(&settings.tokens_api)));
        if let Some(failures) = &settings.failures {
            app.app_data(Data::new(failures.clone()));
        }
        if let Some(proxy) = &settings.proxy_sign_in {
            app.app_data(Data::new(proxy.clone()));
        }
        register(app, &settings);
    }
}

/// The endpoint of a path of the table, where the settings mount it.
fn new_endpoint(path: &str, api: &TokensApi) -> Endpoint {
    // SECURITY: set here and not only by the outer middleware, which an app that embeds the routes may leave out: a cache
    // that keeps a verdict would answer for a token that has been revoked since.
    let endpoint = Endpoint::new(&pattern(&api.path.of(path))).uncached();
    if oauth::is_of_oauth(path) {
        return endpoint.wrapped_outside(oauth::wrap);
    }
    // The routes of tokens, whose fields can have other names.
    let tokens = [RouteName::ListTokens, RouteName::ShowToken, RouteName::RotateToken];
    if api.fields.is_default() || !tokens.into_iter().any(|name| default_path(name) == path) {
        return endpoint;
    }
    let names = api.fields.clone();
    endpoint.app_data(names.clone()).wrapped_outside(move |route| names.wrap(route))
}

/// Whether PUT does the same as this route.
fn is_also_put(name: RouteName, api: &TokensApi) -> bool {
    api.put_updates && name == RouteName::UpdateToken
}

/// The path of a route in the table.
fn default_path(name: RouteName) -> &'static str {
    ROUTES.iter().find(|route| route.name == name).map_or("", |route| route.path)
}

/// The pattern that actix-web matches: `{path}` includes slashes.
fn pattern(path: &str) -> String {
    path.replace("{path}", "{path:.*}")
}

/// Counts the methods that are added next against the quota of management requests, if `access` makes them such.
fn with_quota(endpoint: Endpoint, access: Access, settings: &HttpSettings) -> Endpoint {
    #[cfg(feature = "route-quotas")]
    if let Some(quota) = settings.management.clone() {
        let accepts = match access {
            Access::AnyCaller | Access::AnyToken | Access::Scope(_) => Accepts::Everyone,
            Access::SignIn => Accepts::SignIn,
            Access::Public | Access::TokenScope(_) | Access::TokenAskedScope => {
                return endpoint.wrapped(|route| route);
            }
        };
        return endpoint.wrapped(move |route| quota.wrap(route, accepts));
    }
    let _ = (access, settings);
    endpoint
}
