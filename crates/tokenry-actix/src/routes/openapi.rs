//! The OpenAPI document, generated from the handlers and their types.

use std::sync::LazyLock;

use actix_web::HttpResponse;
use utoipa::{
    OpenApi as _,
    openapi::security::{Http, HttpAuthScheme, SecurityScheme},
};

use super::{Operations, RouteName};
use crate::access::Public;

#[derive(utoipa::OpenApi)]
#[openapi(info(
    title = "Tokenry",
    description = "Personal access tokens for any service.",
    license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
))]
struct Document;

/// The OpenAPI document of this version, as pretty-printed JSON with a trailing line feed.
///
/// # Panics
/// Never: the document consists of constants, and a test generates it.
#[must_use]
pub fn openapi() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let mut api = Document::openapi();
        api.merge(Operations::openapi());
        let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        api.components.get_or_insert_with(Default::default).add_security_scheme("token", bearer);
        let text = api.to_pretty_json().unwrap_or_default();
        format!("{text}\n")
    });
    &TEXT
}

/// This document.
#[utoipa::path(get, path = RouteName::ShowOpenapi.path(), tag = "operations", responses(
    (status = 200, description = "The OpenAPI document.", content_type = "application/json"),
))]
pub(crate) async fn show_openapi(_: Public) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(openapi())
}
