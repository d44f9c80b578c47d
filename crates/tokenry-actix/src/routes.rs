//! The HTTP API: the table of its routes, and how they are put into an app.

pub(crate) mod audit;
pub(crate) mod catalog;
pub(crate) mod current;
pub(crate) mod forward;
pub(crate) mod health;
pub(crate) mod inventory;
pub(crate) mod path;
pub(crate) mod policy;
pub(crate) mod rotate;
pub(crate) mod scopes;
pub(crate) mod session;
pub(crate) mod token_events;
pub(crate) mod token_list;
pub(crate) mod tokens;
pub(crate) mod usage;
pub(crate) mod users;
pub(crate) mod verify;

use actix_web::web::{Data, ServiceConfig};
use tokenry_service::Tokenry;

#[cfg(feature = "route-quotas")]
use crate::credential::Accepts;
use crate::{
    api_doc,
    fallback::Endpoint,
    settings::{HttpSettings, RateLimits},
};

/// One route of the API and who may call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteInfo {
    /// The method. GET brings HEAD along; `ANY` is every method there is.
    pub method: &'static str,
    /// The path, with `{…}` for what varies.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
}

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody: it tells nothing about tokens or users that the caller does not hold already.
    Public,
    /// Any live token, and nobody without one.
    AnyToken,
    /// Any live token, and anybody who signed in otherwise.
    AnyCaller,
    /// Whoever brings what a session begins with: a live token that grants `tokens:read`, a JWT, or the word of a
    /// trusted proxy.
    SignIn,
    /// A live token that grants this scope, or somebody who signed in otherwise and whose role has it.
    Scope(&'static str),
    /// A live token that grants this scope, and nothing else.
    TokenScope(&'static str),
    /// A live token that grants what the request asks about, and nothing else.
    TokenAskedScope,
}

/// Every route there is; whatever is not here is 404 or 405.
pub const ROUTES: &[RouteInfo] = &[
    route("GET", "/healthz", Access::Public),
    route("GET", "/readyz", Access::Public),
    route("GET", "/openapi.json", Access::Public),
    route("GET", "/session", Access::Public),
    route("POST", "/session", Access::SignIn),
    route("DELETE", "/session", Access::Public),
    route("GET", "/api/v1/me", Access::AnyCaller),
    route("GET", "/api/v1/scopes", Access::AnyCaller),
    route("GET", "/api/v1/policy", Access::AnyCaller),
    route("GET", "/api/v1/token", Access::AnyToken),
    route("DELETE", "/api/v1/token", Access::AnyToken),
    route("GET", "/api/v1/tokens", Access::Scope("tokens:read")),
    route("POST", "/api/v1/tokens", Access::Scope("tokens:write")),
    route("GET", "/api/v1/tokens/{id}", Access::Scope("tokens:read")),
    route("PATCH", "/api/v1/tokens/{id}", Access::Scope("tokens:write")),
    route("DELETE", "/api/v1/tokens/{id}", Access::Scope("tokens:write")),
    route("POST", "/api/v1/tokens/{id}/rotate", Access::Scope("tokens:write")),
    route("GET", "/api/v1/tokens/{id}/usage", Access::Scope("tokens:read")),
    route("GET", "/api/v1/tokens/{id}/usage/summary", Access::Scope("tokens:read")),
    route("GET", "/api/v1/tokens/{id}/events", Access::Scope("tokens:read")),
    route("GET", "/api/v1/users", Access::Scope("admin:read")),
    route("POST", "/api/v1/users", Access::Scope("admin:write")),
    route("GET", "/api/v1/users/{id}", Access::Scope("admin:read")),
    route("PATCH", "/api/v1/users/{id}", Access::Scope("admin:write")),
    route("DELETE", "/api/v1/users/{id}", Access::Scope("admin:write")),
    route("GET", "/api/v1/users/{id}/tokens", Access::Scope("admin:read")),
    route("POST", "/api/v1/users/{id}/revoke-tokens", Access::Scope("admin:write")),
    route("GET", "/api/v1/admin/tokens", Access::Scope("admin:read")),
    route("POST", "/api/v1/admin/cleanup", Access::Scope("admin:write")),
    route("GET", "/api/v1/audit", Access::Scope("admin:read")),
    route("GET", "/api/v1/audit/chain", Access::Scope("admin:read")),
    route("POST", "/api/v1/verify", Access::TokenScope("introspect")),
    route("POST", "/oauth/introspect", Access::TokenScope("introspect")),
    route("POST", "/oauth/revoke", Access::Public),
    route("ANY", "/auth/nginx", Access::TokenAskedScope),
    route("ANY", "/auth/traefik", Access::TokenAskedScope),
    route("ANY", "/auth/caddy", Access::TokenAskedScope),
    route("ANY", "/auth/envoy", Access::TokenAskedScope),
    route("ANY", "/auth/envoy/{path}", Access::TokenAskedScope),
];

const fn route(method: &'static str, path: &'static str, access: Access) -> RouteInfo {
    RouteInfo { method, path, access }
}

/// Puts the API into an app: `App::new().configure(configure(tokenry, HttpSettings::default()))`.
///
/// The routes bring their own authentication. Wrap the app in [`outer_middleware`](crate::outer_middleware::outer_middleware) for request ids, the
/// request log and security headers on every answer.
pub fn configure(tokenry: Tokenry, settings: HttpSettings) -> impl FnOnce(&mut ServiceConfig) {
    move |app| {
        app.app_data(Data::new(tokenry)).app_data(Data::new(settings.trusted_proxies.clone()));
        app.app_data(Data::new(RateLimits::of(&settings)));
        if let Some(failures) = &settings.failures {
            app.app_data(Data::new(failures.clone()));
        }
        if let Some(proxy) = &settings.proxy_sign_in {
            app.app_data(Data::new(proxy.clone()));
        }
        let managed = |path| managed(path, &settings);
        app.service(Endpoint::new("/healthz").get(health::show_health))
            .service(Endpoint::new("/readyz").get(health::show_readiness))
            .service(Endpoint::new("/openapi.json").get(api_doc::show_openapi))
            .service(signed_in_at(&settings))
            .service(managed("/api/v1/me").get(current::show_me))
            .service(managed("/api/v1/scopes").get(catalog::show_scopes))
            .service(managed("/api/v1/policy").get(policy::show_policy))
            .service(managed("/api/v1/token").get(current::show_own_token).delete(current::revoke_own_token))
            .service(managed("/api/v1/tokens").get(token_list::list_tokens).post(tokens::create_token))
            .service(
                managed("/api/v1/tokens/{id}")
                    .get(tokens::show_token)
                    .patch(tokens::update_token)
                    .delete(tokens::revoke_token),
            )
            .service(
                managed("/api/v1/tokens/{id}/rotate")
                    .app_data(rotate::ON_RETIRED_SECRET)
                    .post(rotate::rotate_token),
            )
            .service(managed("/api/v1/tokens/{id}/usage").get(usage::show_usage))
            .service(managed("/api/v1/tokens/{id}/usage/summary").get(usage::show_usage_summary))
            .service(managed("/api/v1/tokens/{id}/events").get(token_events::list_token_events))
            .service(managed("/api/v1/users").get(users::list_users).post(users::create_user))
            .service(
                managed("/api/v1/users/{id}")
                    .get(users::show_user)
                    .patch(users::update_user)
                    .delete(users::delete_user),
            )
            .service(managed("/api/v1/users/{id}/tokens").get(inventory::list_user_tokens))
            .service(managed("/api/v1/users/{id}/revoke-tokens").post(users::revoke_user_tokens))
            .service(managed("/api/v1/admin/tokens").get(inventory::list_all_tokens))
            .service(managed("/api/v1/admin/cleanup").post(inventory::clean_up))
            .service(managed("/api/v1/audit").get(audit::list_events))
            .service(managed("/api/v1/audit/chain").get(audit::check_chain))
            .service(Endpoint::new("/api/v1/verify").post(verify::verify_token))
            .service(Endpoint::new("/oauth/introspect").post(verify::introspect_token))
            .service(Endpoint::new("/oauth/revoke").post(verify::revoke_presented))
            .service(Endpoint::new("/auth/nginx").any(forward::ask_by_nginx))
            .service(Endpoint::new("/auth/traefik").any(forward::ask_by_traefik))
            .service(Endpoint::new("/auth/caddy").any(forward::ask_by_caddy))
            .service(Endpoint::new("/auth/envoy").any(forward::ask_by_envoy))
            .service(Endpoint::new("/auth/envoy/{path:.*}").any(forward::ask_by_envoy_path));
    }
}

/// Only to sign in counts against the quota; the rest is for everybody.
fn signed_in_at(settings: &HttpSettings) -> Endpoint {
    let endpoint = Endpoint::new("/session").get(session::show_session).delete(session::end_session);
    #[cfg(feature = "route-quotas")]
    if let Some(quota) = settings.management.clone() {
        let wrapped = endpoint.wrapped(move |route| quota.wrap(route, Accepts::SignIn));
        return wrapped.post(session::start_session);
    }
    let _ = settings;
    endpoint.post(session::start_session)
}

/// A path whose requests count against the quota of management requests.
fn managed(path: &str, settings: &HttpSettings) -> Endpoint {
    let endpoint = Endpoint::new(path);
    #[cfg(feature = "route-quotas")]
    if let Some(quota) = settings.management.clone() {
        return endpoint.wrapped(move |route| quota.wrap(route, Accepts::Everyone));
    }
    let _ = settings;
    endpoint
}
