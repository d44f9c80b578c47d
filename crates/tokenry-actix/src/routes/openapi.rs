//! The OpenAPI document, generated from the table of routes, the handlers and their types.

mod of_settings;

use std::sync::LazyLock;

use actix_web::{HttpResponse, web::Data};
use macro_rules_attribute::apply;
use utoipa::{
    OpenApi as _, ToSchema as _,
    openapi::{
        Content, OpenApi, PathItem, Ref, RefOr, Response,
        path::Operation,
        security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme},
    },
};

pub use self::of_settings::openapi_of;
use super::{
    Operations, ROUTES, RouteInfo, RouteName, default_path, endpoint, is_also_put,
    oauth::{self, OAuthError},
};
use crate::{
    access::{Access, Public},
    declared_errors::{DeclareErrors, Errors},
    error::{PROBLEM_JSON, Problem},
    settings::TokensApi,
};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Tokenry",
        description = "Personal access tokens for any service.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    components(schemas(Problem, OAuthError))
)]
struct Document;

/// The name of the security scheme: a token in `Authorization: Bearer`.
const TOKEN: &str = "token";

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
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    api.components.get_or_insert_default().add_security_scheme(TOKEN, bearer);
    for route in ROUTES {
        let item = api.paths.paths.get_mut(route.path);
        if let Some(operation) = item.and_then(|item| operation(item, route.method)) {
            describe_access(operation, route);
            describe_errors(operation, route);
        }
    }
    api
}

/// The operation of a route, which `describe!` generated from its handler.
fn operation<'i>(item: &'i mut PathItem, method: &str) -> Option<&'i mut Operation> {
    match method {
        "GET" | "ANY" => item.get.as_mut(),
        "POST" => item.post.as_mut(),
        "PATCH" => item.patch.as_mut(),
        "DELETE" => item.delete.as_mut(),
        _ => None,
    }
}

fn describe_access(operation: &mut Operation, route: &RouteInfo) {
    if route.access != Access::Public {
        operation.security = Some(vec![SecurityRequirement::new(TOKEN, [""; 0])]);
    }
}

/// Adds the errors that the arguments of the handler declare to those of its description. The body of each is a problem.
fn describe_errors(operation: &mut Operation, route: &RouteInfo) {
    let responses = &mut operation.responses.responses;
    let is_of_oauth = oauth::is_of_oauth(route.path);
    for (status, sentence) in route.name.errors() {
        let status = if is_of_oauth { oauth::oauth_status(status) } else { status };
        let response = responses.entry(status.to_string()).or_insert_with(|| RefOr::T(Response::new("")));
        if let RefOr::T(response) = response {
            let separator = if response.description.is_empty() { "" } else { " " };
            response.description = format!("{}{separator}{sentence}", response.description);
        }
    }
    for (status, response) in responses {
        if let RefOr::T(response) = response
            && status.starts_with(['4', '5'])
        {
            let (media_type, schema) = if is_of_oauth {
                ("application/json", OAuthError::name())
            } else {
                (PROBLEM_JSON, Problem::name())
            };
            let body = Content::new(Some(Ref::from_schema_name(schema)));
            response.content.insert(media_type.to_owned(), body.into());
        }
    }
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
