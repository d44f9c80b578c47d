//! What the descriptions of all operations have in common: security, errors, headers, and the descriptions of bodies.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::{
    ToSchema as _,
    openapi::{
        Components, Content, HeaderBuilder, KnownFormat, Object, ObjectBuilder, OpenApi, Ref, RefOr,
        Response, SchemaFormat,
        path::{Operation, PathItem},
        schema::{Schema, SchemaType, Type},
        security::SecurityRequirement,
    },
};

use super::{CLIENT, TOKEN};
use crate::{
    access::Access,
    error::{PROBLEM_JSON, Problem},
    routes::{
        ROUTES, RouteInfo, RouteName,
        oauth::{self, OAuthError},
    },
};

/// Completes the operation of every route.
pub(super) fn complete(api: &mut OpenApi) {
    if let Some(components) = &mut api.components {
        components.schemas.values_mut().for_each(complete_properties);
    }
    let components = api.components.clone().unwrap_or_default();
    for route in ROUTES {
        let item = api.paths.paths.get_mut(route.path);
        if let Some(operation) = item.and_then(|item| operation(item, route.method)) {
            describe_access(operation, route);
            describe_errors(operation, route);
            describe_parameters(operation);
            for (status, response) in &mut operation.responses.responses {
                if let RefOr::T(response) = response {
                    describe_body(response, &components);
                    describe_headers(response, status);
                }
            }
        }
    }
}

/// An omitted field has no default value: it leaves something as it is, which `null` does not. The description of a
/// field that may be `null` is one of the field, not of the type of its other values.
fn complete_properties(schema: &mut RefOr<Schema>) {
    let RefOr::T(Schema::Object(schema)) = schema else { return };
    for property in schema.properties.values_mut() {
        let default = match property {
            RefOr::T(Schema::Object(property)) => {
                widen(property);
                &mut property.default
            }
            RefOr::T(Schema::Array(property)) => &mut property.default,
            RefOr::T(Schema::OneOf(property)) => {
                for item in &mut property.items {
                    if let RefOr::Ref(item) = item
                        && !item.description.is_empty()
                    {
                        property.description = Some(std::mem::take(&mut item.description));
                    }
                }
                &mut property.default
            }
            _ => continue,
        };
        if default.as_ref().is_some_and(Value::is_null) {
            *default = None;
        }
    }
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

/// A public route says so, with an empty list. A caller that asks about the tokens of others may be an OAuth client.
fn describe_access(operation: &mut Operation, route: &RouteInfo) {
    let token = || SecurityRequirement::new(TOKEN, [""; 0]);
    operation.security = Some(match route.access {
        Access::Public => Vec::new(),
        Access::TokenScope(_) => vec![token(), SecurityRequirement::new(CLIENT, [""; 0])],
        _ => vec![token()],
    });
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
    if route.name == RouteName::AskByNginx {
        // Its handler answers all other errors as 403.
        responses.retain(|status, _| ["200", "401", "403", "431"].contains(&status.as_str()));
    }
    // Checked before the route is known.
    let too_large = "The headers are larger than 16 KiB, or one of them is larger than 8 KiB.";
    responses.insert("431".to_owned(), Response::new(too_large).into());
    for (status, response) in responses {
        if let RefOr::T(response) = response
            && status.starts_with(['4', '5'])
        {
            let (media_type, schema) = if is_of_oauth && status != "431" {
                ("application/json", OAuthError::name())
            } else {
                (PROBLEM_JSON, Problem::name())
            };
            let body = Content::new(Some(Ref::from_schema_name(schema)));
            response.content.insert(media_type.to_owned(), body.into());
        }
    }
}

/// An optional parameter may be absent, but has no value that means `null`.
fn describe_parameters(operation: &mut Operation) {
    for parameter in operation.parameters.iter_mut().flatten() {
        if let RefOr::T(parameter) = parameter
            && let Some(RefOr::T(Schema::Object(schema))) = &mut parameter.schema
            && let SchemaType::Array(types) = &schema.schema_type
            && let Some(only) = types.iter().find(|of| **of != Type::Null)
        {
            schema.schema_type = SchemaType::Type(only.clone());
        }
        if let RefOr::T(parameter) = parameter
            && let Some(RefOr::T(Schema::Object(schema))) = &mut parameter.schema
        {
            widen(schema);
        }
    }
}

/// Numbers without a sign and of 32 bits do not fit into `int32`, which has a sign.
fn widen(schema: &mut Object) {
    if matches!(schema.format, Some(SchemaFormat::KnownFormat(KnownFormat::Int32))) {
        schema.format = Some(SchemaFormat::KnownFormat(KnownFormat::Int64));
    }
}

/// A response without a description of its own has that of its body.
fn describe_body(response: &mut Response, components: &Components) {
    if !response.description.is_empty() {
        return;
    }
    let bodies = response.content.values().filter_map(|content| match content {
        RefOr::T(content) => content.schema.as_ref(),
        RefOr::Ref(_) => None,
    });
    let named = bodies.filter_map(|schema| match schema {
        RefOr::Ref(schema) => schema.ref_location.rsplit('/').next(),
        RefOr::T(_) => None,
    });
    let described = named.filter_map(|name| match components.schemas.get(name)? {
        RefOr::T(Schema::Object(schema)) => schema.description.clone(),
        RefOr::T(Schema::AllOf(schema)) => schema.description.clone(),
        _ => None,
    });
    response.description = described.into_iter().next().unwrap_or_default();
}

/// The headers of every response, and of the errors with a reaction in a header.
fn describe_headers(response: &mut Response, status: &str) {
    let of_status: &[(&str, &str)] = match status {
        "401" | "403" => {
            &[("WWW-Authenticate", "The challenge (RFC 6750), if another credential would help.")]
        }
        "429" | "503" => &[("Retry-After", "After how many seconds the request can be repeated.")],
        _ => &[],
    };
    let of_all = ("X-Request-Id", "The id of the request, as in the log: that of the request, or a new one.");
    let headers: BTreeMap<String, _> = of_status.iter().chain([&of_all]).map(header).collect();
    for (name, header) in headers {
        response.headers.entry(name).or_insert(header.into());
    }
}

fn header(&(name, description): &(&str, &str)) -> (String, utoipa::openapi::Header) {
    let text = ObjectBuilder::new().schema_type(Type::String).build();
    (name.to_owned(), HeaderBuilder::new().schema(Some(text)).description(Some(description)).build())
}
