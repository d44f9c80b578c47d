//! JSON metadata that clients attach to a token.

use serde_json::{Map, Value};
use thiserror::Error;

use crate::text::is_spoofing;

/// The maximum size of metadata in bytes of compact JSON.
pub const MAX_METADATA_BYTES: usize = 4096;

/// A JSON object of at most [`MAX_METADATA_BYTES`]; `{}` when there is none.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metadata(Map<String, Value>);

/// Why metadata was rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MetadataError {
    /// More than [`MAX_METADATA_BYTES`].
    #[error("must be at most {MAX_METADATA_BYTES} bytes of JSON")]
    TooLarge,
    /// A NUL character, which PostgreSQL's `jsonb` cannot store.
    #[error("must not contain the NUL character")]
    Nul,
    /// A key with a control, line-separator or bidirectional character, at any depth.
    #[error("must not have names with control characters")]
    Key,
}

impl Metadata {
    /// Accepts an object that is small enough and can be stored on every database.
    ///
    /// # Errors
    /// [`MetadataError`] names the violated rule.
    pub fn parse(object: Map<String, Value>) -> Result<Self, MetadataError> {
        let metadata = Self(object);
        if metadata.to_value().to_string().len() > MAX_METADATA_BYTES {
            return Err(MetadataError::TooLarge);
        }
        if metadata.0.iter().any(|(key, value)| key.contains('\0') || has_nul(value)) {
            return Err(MetadataError::Nul);
        }
        if metadata.0.iter().any(|(key, value)| key.contains(is_spoofing) || has_spoofing_key(value)) {
            return Err(MetadataError::Key);
        }
        Ok(metadata)
    }

    /// Wraps a stored object. It is not checked: its text can be longer than it was, since `jsonb` writes `1e16`
    /// as seventeen digits.
    #[must_use]
    pub fn from_stored(object: Map<String, Value>) -> Self {
        Self(object)
    }

    /// About how many bytes of memory the object occupies beside itself.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        // A member has a key, a value and their place in a tree.
        match self.0.is_empty() {
            true => 0,
            false => 4 * Value::Object(self.0.clone()).to_string().len() + 512,
        }
    }

    /// The object as a JSON value.
    #[must_use]
    pub fn to_value(&self) -> Value {
        Value::Object(self.0.clone())
    }
}

/// Whether a nested object has a key that could forge a line in a display or log.
fn has_spoofing_key(value: &Value) -> bool {
    match value {
        Value::Array(values) => values.iter().any(has_spoofing_key),
        Value::Object(object) => {
            object.iter().any(|(key, value)| key.contains(is_spoofing) || has_spoofing_key(value))
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(has_nul),
        Value::Object(object) => object.iter().any(|(key, value)| key.contains('\0') || has_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(value: Value) -> Result<Metadata, MetadataError> {
        let Value::Object(object) = value else { panic!("an object") };
        Metadata::parse(object)
    }

    #[test]
    fn metadata_is_bounded_and_storable() {
        assert!(parse(json!({"team": "core", "nested": {"n": [1, 2.5, null]}})).is_ok());
        assert_eq!(parse(json!({"a": "x".repeat(4096)})), Err(MetadataError::TooLarge));
        assert_eq!(parse(json!({"a": {"b\0": 1}})), Err(MetadataError::Nul));
        assert_eq!(parse(json!({"a": ["\0"]})), Err(MetadataError::Nul));
    }

    #[test]
    fn a_key_cannot_contain_line_breaks() {
        for key in ["a\nb", "a\u{1b}[2J", "a\u{2028}b", "a\u{202e}b", "a\u{200f}b"] {
            assert_eq!(parse(json!({key: 1})), Err(MetadataError::Key), "{key:?}");
            assert_eq!(parse(json!({"a": [{"b": {key: 1}}]})), Err(MetadataError::Key), "{key:?}");
            assert!(parse(json!({"a": key})).is_ok(), "a value may have lines");
        }
    }
}
