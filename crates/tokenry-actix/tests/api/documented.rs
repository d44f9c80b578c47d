//! The OpenAPI document lists every status that a route responds with.

use std::sync::LazyLock;

use serde_json::Value;
use tokenry_actix::{ROUTES, RouteInfo, openapi};

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(openapi()).unwrap());

/// Asserts that the document lists `status` for the route of this request, if the request has one.
pub(crate) fn assert_documented(method: &str, path: &str, status: u16) {
    for route in ROUTES.iter().filter(|route| handles(route, method, path)) {
        let method = if route.method == "ANY" { "get" } else { &route.method.to_lowercase() };
        let listed = &DOCUMENT["paths"][route.path][method]["responses"];
        let is_listed = listed[status.to_string()].is_object();
        assert!(
            is_listed,
            "{method} {} responds with {status}, which the document does not list",
            route.path
        );
    }
}

fn handles(route: &RouteInfo, method: &str, path: &str) -> bool {
    let is_method = match route.method {
        "ANY" => true,
        "GET" => matches!(method, "GET" | "HEAD"),
        other => method == other,
    };
    is_method && matches(route.path, path)
}

/// Whether a path has the pattern of a route: `{id}` is one segment, `{path}` the rest.
fn matches(pattern: &str, path: &str) -> bool {
    if let Some(prefix) = pattern.strip_suffix("{path}") {
        return path.starts_with(prefix);
    }
    let mut segments = path.split('/');
    pattern.split('/').all(|part| segments.next().is_some_and(|segment| part == "{id}" || part == segment))
        && segments.next().is_none()
}
