//! The OpenAPI document of an API with another path and other names.

use serde_json::{Map, Value};

use super::{is_updated_by_put, openapi};
use crate::{field_names::FieldNames, settings::TokensApi};

/// The schemas of tokens, whose fields can have other names.
const SCHEMAS: [&str; 6] =
    ["Token", "CreatedToken", "CreateToken", "UpdateToken", "RotateToken", "TokenPage"];

/// The OpenAPI document of an API of this form.
#[must_use]
pub fn openapi_of(api: &TokensApi) -> String {
    if *api == TokensApi::default() {
        return openapi().to_owned();
    }
    let mut document: Value = serde_json::from_str(openapi()).unwrap_or_default();
    if let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) {
        move_paths(paths, api);
    }
    if !api.fields.is_default() {
        for name in SCHEMAS {
            if let Some(schema) = document.pointer_mut(&format!("/components/schemas/{name}")) {
                rename_fields(schema, &api.fields);
            }
        }
    }
    format!("{}\n", serde_json::to_string_pretty(&document).unwrap_or_default())
}

fn move_paths(paths: &mut Map<String, Value>, api: &TokensApi) {
    for (path, mut operations) in std::mem::take(paths) {
        let is_updated = is_updated_by_put(&path, api);
        if let Some(mut alias) = operations.get("patch").filter(|_| is_updated).cloned() {
            if let Some(id) = alias.get_mut("operationId") {
                *id = "put_token".into();
            }
            if let Some(operations) = operations.as_object_mut() {
                operations.insert("put".to_owned(), alias);
            }
        }
        paths.insert(api.path.of(&path).into_owned(), operations);
    }
}

/// Renames the properties of a schema, including those of its parts.
fn rename_fields(schema: &mut Value, names: &FieldNames) {
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        for (field, mut schema) in std::mem::take(properties) {
            if names.scopes_as_text() && matches!(field.as_str(), "scopes" | "effective_scopes") {
                schema =
                    serde_json::json!({ "type": "string", "description": "Scopes, separated by spaces." });
            }
            properties.insert(names.name(&field).to_owned(), schema);
        }
    }
    if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
        for field in required.iter_mut() {
            *field = names.name(field.as_str().unwrap_or_default()).into();
        }
    }
    for part in schema.get_mut("allOf").and_then(Value::as_array_mut).into_iter().flatten() {
        rename_fields(part, names);
    }
}
