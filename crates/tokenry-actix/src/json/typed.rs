//! Converts the tree to the target type; errors name the field and never the value.

use std::fmt;

use serde::{
    Deserializer,
    de::{
        DeserializeOwned, Error as _, Expected, IntoDeserializer, Unexpected, Visitor,
        value::{MapDeserializer, SeqDeserializer},
    },
    forward_to_deserialize_any,
};
use serde_json::Value;
use serde_path_to_error::Segment;

use crate::{error::FieldProblem, json::push_segment};

/// The tree as a `T`.
pub(super) fn typed<T: DeserializeOwned>(value: &Value) -> Result<T, FieldProblem> {
    serde_path_to_error::deserialize(Node(value)).map_err(|error| {
        let mut pointer = String::new();
        for segment in error.path() {
            match segment {
                Segment::Seq { index } => pointer += &format!("/{index}"),
                Segment::Map { key } => push_segment(&mut pointer, key),
                Segment::Enum { .. } | Segment::Unknown => {}
            }
        }
        match error.into_inner() {
            Fault::UnknownField => {
                FieldProblem::new(pointer, "unknown_field", "This field does not exist here.")
            }
            Fault::MissingField(name) => {
                push_segment(&mut pointer, name);
                FieldProblem::new(pointer, "required", "This field is required.")
            }
            Fault::Type(expected) => {
                FieldProblem::new(pointer, "invalid_type", format!("Must be {expected}."))
            }
            Fault::Value(expected) => {
                FieldProblem::new(pointer, "invalid_value", format!("Must be {expected}."))
            }
            Fault::Other => FieldProblem::new(pointer, "invalid_value", "This value is not acceptable."),
        }
    })
}

/// Why a tree does not match the target type. SECURITY: contains only text of the program, never input of the client.
#[derive(Debug)]
enum Fault {
    UnknownField,
    MissingField(&'static str),
    Type(String),
    Value(String),
    Other,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl std::error::Error for Fault {}

impl serde::de::Error for Fault {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::Other
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::Type(json_type(expected))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::Value(json_type(expected))
    }

    fn invalid_length(_: usize, expected: &dyn Expected) -> Self {
        Self::Value(json_type(expected))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::Value(format!("one of: {}", expected.join(", ")))
    }

    fn unknown_field(_: &str, _: &'static [&'static str]) -> Self {
        Self::UnknownField
    }

    fn missing_field(field: &'static str) -> Self {
        Self::MissingField(field)
    }
}

/// The type that serde expects, in JSON terms instead of Rust terms.
fn json_type(expected: &dyn Expected) -> String {
    let text = expected.to_string();
    let name = match text.as_str() {
        "u8" | "u16" | "u32" | "u64" | "usize" | "i8" | "i16" | "i32" | "i64" | "isize" => {
            "a whole number in range"
        }
        "f32" | "f64" => "a number",
        "a sequence" => "an array",
        "a map" => "an object",
        "unit" => "null",
        _ if text.starts_with("struct ") => "an object",
        _ if text.starts_with("enum ") => "a string",
        _ => return text,
    };
    name.to_owned()
}

/// A deserializer over a tree, with [`Fault`] as its error.
#[derive(Clone, Copy)]
struct Node<'a>(&'a Value);

impl Node<'_> {
    fn unexpected(&self) -> Unexpected<'_> {
        match self.0 {
            Value::Null => Unexpected::Unit,
            Value::Bool(value) => Unexpected::Bool(*value),
            Value::Number(_) => Unexpected::Other("number"),
            Value::String(_) => Unexpected::Other("string"),
            Value::Array(_) => Unexpected::Seq,
            Value::Object(_) => Unexpected::Map,
        }
    }
}

impl<'de> IntoDeserializer<'de, Fault> for Node<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Node<'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(value), ..) => visitor.visit_u64(value),
                (_, Some(value), _) => visitor.visit_i64(value),
                (.., Some(value)) => visitor.visit_f64(value),
                _ => Err(Fault::Other),
            },
            Value::String(value) => visitor.visit_borrowed_str(value),
            Value::Array(items) => SeqDeserializer::new(items.iter().map(Node)).deserialize_any(visitor),
            Value::Object(object) => {
                MapDeserializer::new(object.iter().map(|(key, value)| (key.as_str(), Node(value))))
                    .deserialize_any(visitor)
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    /// Accepts only objects: serde's default of also accepting an array would allow a second representation.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.0 {
            Value::Object(_) => self.deserialize_any(visitor),
            _ => Err(Fault::invalid_type(self.unexpected(), &visitor)),
        }
    }

    /// Supports only enums without fields, as strings.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.0 {
            Value::String(name) => visitor.visit_enum(IntoDeserializer::<Fault>::into_deserializer(&**name)),
            _ => Err(Fault::invalid_type(self.unexpected(), &visitor)),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map identifier ignored_any
    }
}
