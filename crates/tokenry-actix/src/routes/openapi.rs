//! The OpenAPI document, generated from the table of routes, the handlers and their types.

mod completion;
mod of_settings;

use std::sync::LazyLock;

use actix_web::{HttpResponse, web::Data};
use macro_rules_attribute::apply;
use utoipa::{
    OpenApi as _,
    openapi::{
        OpenApi,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

pub use self::of_settings::openapi_of;
use super::{Operations, RouteName, default_path, endpoint, is_also_put, oauth::OAuthError};
use crate::{
    access::Public,
    declared_errors::{DeclareErrors, Errors},
    error::Problem,
    settings::TokensApi,
    wire::schema,
};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Tokenry",
        description = "Personal access tokens for any service.",
        contact(name = "Tokenry", url = "https://github.com/tokenry/tokenry"),
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    servers((url = "/", description = "The server that serves this document.")),
    tags(
        (name = "tokens", description = "The caller, and the caller's own tokens."),
        (name = "admin", description = "Users, the tokens of all users, and the audit log, for administrators."),
        (name = "verification", description = "Checks of presented tokens, for other services."),
        (name = "forward-auth", description = "Decisions about requests, for reverse proxies."),
        (name = "session", description = "Sign-in and sign-out of the web page."),
        (name = "operations", description = "Health, metrics, and this document."),
    ),
    components(schemas(
        OAuthError,
        Problem,
        schema::EventKind,
        schema::Risk,
        schema::Scope,
        schema::TokenSort,
        schema::TokenStatus,
    ))
)]
struct Document;

/// The name of the security scheme: a token in `Authorization: Bearer`.
const TOKEN: &str = "token";

/// The name of the security scheme of OAuth clients: a token as the secret in `Authorization: Basic`.
const CLIENT: &str = "client";

/// The OpenAPI document of this version, as pretty-printed JSON with a trailing line feed.
///
/// # Panics
/// Never: the document consists of constants, and a test generates it.
#[must_use]
pub fn openapi() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let text = document().to_pretty_json().unwrap_or_default();
        format!("{text}\n")
    });
    &TEXT
}

fn document() -> OpenApi {
    let mut api = Document::openapi();
    api.merge(Operations::openapi());
    let bearer = SecurityScheme::Http(
        HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("A personal access token, or a JWT of a configured issuer."))
            .build(),
    );
    let basic = SecurityScheme::Http(
        HttpBuilder::new()
            .scheme(HttpAuthScheme::Basic)
            .description(Some(
                "A service that checks tokens: any client id, and its own token as the secret.",
            ))
            .build(),
    );
    let components = api.components.get_or_insert_default();
    components.add_security_scheme(TOKEN, bearer);
    components.add_security_scheme(CLIENT, basic);
    completion::complete(&mut api);
    api
}

/// Whether PUT does the same as PATCH at this path of the table.
fn is_updated_by_put(path: &str, api: &TokensApi) -> bool {
    is_also_put(RouteName::UpdateToken, api) && path == default_path(RouteName::UpdateToken)
}

/// The document of an app.
pub(crate) struct AppDocument(String);

impl AppDocument {
    pub(super) fn of(api: &TokensApi) -> Self {
        Self(openapi_of(api))
    }
}

/// This document.
#[apply(endpoint)]
#[openapi(tag = "operations", responses(
    (status = 200, description = "The OpenAPI document.", content_type = "application/json"),
))]
pub(crate) async fn show_openapi(_: Public, document: Data<AppDocument>) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(document.0.clone())
}

impl DeclareErrors for Data<AppDocument> {
    fn errors() -> Errors {
        Errors::default()
    }
}
