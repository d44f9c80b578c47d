//! The API's description in OpenAPI, made of the handlers and their types.

use std::sync::LazyLock;

use actix_web::HttpResponse;
use utoipa::{
    Modify, OpenApi,
    openapi::security::{Http, HttpAuthScheme, SecurityScheme},
};

use crate::{error, routes, wire};

#[derive(OpenApi)]
#[openapi(
    info(title = "Tokenry", description = "Personal access tokens for any service.", license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")),
    paths(
        routes::health::show_health,
        routes::health::show_readiness,
        show_openapi,
        routes::session::show_session,
        routes::session::start_session,
        routes::session::end_session,
        routes::current::show_me,
        routes::current::show_own_token,
        routes::current::revoke_own_token,
        routes::token_list::list_tokens,
        routes::tokens::create_token,
        routes::tokens::show_token,
        routes::tokens::update_token,
        routes::tokens::revoke_token,
        routes::rotate::rotate_token,
        routes::usage::show_usage,
        routes::usage::show_usage_summary,
        routes::token_events::list_token_events,
        routes::catalog::show_scopes,
        routes::policy::show_policy,
        routes::users::list_users,
        routes::users::create_user,
        routes::users::show_user,
        routes::users::update_user,
        routes::users::delete_user,
        routes::users::revoke_user_tokens,
        routes::inventory::list_user_tokens,
        routes::inventory::list_all_tokens,
        routes::inventory::clean_up,
        routes::audit::list_events,
        routes::audit::check_chain,
        routes::verify::verify_token,
        routes::verify::introspect_token,
        routes::verify::revoke_presented,
        routes::forward::ask_by_nginx,
        routes::forward::ask_by_traefik,
        routes::forward::ask_by_caddy,
        routes::forward::ask_by_envoy,
        routes::forward::ask_by_envoy_path,
    ),
    components(schemas(
        wire::Token, wire::CreatedToken, wire::CreateToken, wire::UpdateToken, wire::RotateToken, wire::TokenPage,
        wire::Usage, wire::UsageRow, wire::UsageSummary, wire::UsageHour, wire::UsageRoute, wire::UsageAddress, wire::ScopeUse,
        wire::TokenEvent, wire::TokenEventPage,
        wire::SessionState, wire::Session, wire::SessionUser, wire::Me, wire::Limits, wire::Policy, wire::TokenFormat, wire::LifetimeRules, wire::RotationRules, wire::Retention, wire::UsageRules,
        wire::PolicyLimits, wire::SessionRules, wire::RoleInfo, wire::Scopes, wire::ScopeGroup, wire::ScopeResource, wire::ScopeInfo, wire::User, wire::UserPage, wire::CreateUser,
        wire::UpdateUser, wire::RevokeTokens, wire::Revoked, wire::InventoryToken, wire::InventoryPage, wire::CleanupReport,
        wire::AuditEvent, wire::AuditPage, wire::AuditChain, wire::VerifyToken, wire::Verdict, wire::VerdictUser, wire::Introspection,
        wire::IntrospectionClaims, wire::Health, wire::Readiness, error::ReadinessCheck, error::Problem, error::FieldProblem
    )),
    modifiers(&Bearer)
)]
struct ApiDoc;

/// Every guarded route takes a token as a bearer credential.
struct Bearer;

impl Modify for Bearer {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        api.components.get_or_insert_with(Default::default).add_security_scheme("token", scheme);
    }
}

/// The OpenAPI document of this version, as pretty-printed JSON with a line feed at its end.
///
/// # Panics
/// Never: the document is made of constants, and a test makes it.
#[must_use]
pub fn openapi() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let text = ApiDoc::openapi().to_pretty_json().unwrap_or_default();
        format!("{text}\n")
    });
    &TEXT
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "operations", responses(
    (status = 200, description = "The OpenAPI document.", content_type = "application/json"),
))]
pub(crate) async fn show_openapi() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(openapi())
}
