//! How the audit log describes an update of a token.

use serde_json::{Map, Value};
use tokenry_domain::{Status, Token};

use crate::audit::detail;

/// The audit detail of an update: old and new values of attributes that grant something, the names of the others.
pub(crate) fn difference(before: &Token, after: &Token) -> Map<String, Value> {
    let mut changed = Vec::new();
    for (name, is_changed) in [
        ("name", before.name != after.name),
        ("description", before.description != after.description),
        ("scopes", before.scopes != after.scopes),
        ("expires_at", before.expires_at != after.expires_at),
        ("allowed_ips", before.allowed_ips != after.allowed_ips),
        ("metadata", before.metadata != after.metadata),
        ("status", before.inactive_at != after.inactive_at),
    ] {
        if is_changed {
            changed.push(name);
        }
    }
    let mut fields = Map::new();
    for name in &changed {
        if let Some((from, to)) = granted(before, name).zip(granted(after, name)) {
            fields.insert((*name).to_owned(), Value::Object(detail([("from", from), ("to", to)])));
        }
    }
    fields.insert("changed".to_owned(), Value::from(changed));
    fields
}

/// The value of an attribute that grants something.
fn granted(token: &Token, attribute: &str) -> Option<Value> {
    match attribute {
        "scopes" => Some(Value::from(token.scopes.to_texts())),
        "expires_at" => Some(Value::from(token.expires_at.map(|at| at.to_string()))),
        "allowed_ips" => Some(Value::from(token.allowed_ips.to_texts())),
        "status" if token.inactive_at.is_some() => Some(Value::from(Status::Inactive.as_str())),
        "status" => Some(Value::from(Status::Active.as_str())),
        _ => None,
    }
}
