//! Strict JSON parsing: every document has one interpretation, and errors never quote its values.
//!
//! A document is parsed to a tree, where a duplicate key at any depth is an error, and the tree is converted to the target
//! type. The depth is limited to [`MAX_DEPTH`] by a scan before parsing, so that recursion is bounded.

mod typed;

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};

use crate::{error::ApiError, field_names::FieldNames};

/// Maximum nesting depth of objects and arrays.
const MAX_DEPTH: usize = 32;

/// Parses `body` as a `T`, whose fields have the names `names`.
///
/// # Errors
/// [`ApiError::MalformedJson`] unless it is one UTF-8 JSON value within [`MAX_DEPTH`] and without duplicate keys;
/// [`ApiError::ValidationFailed`] if that value is not a `T`.
pub(crate) fn read<T: DeserializeOwned>(body: &[u8], names: Option<&FieldNames>) -> Result<T, ApiError> {
    let tree = tree(body)?;
    let read = match names {
        Some(names) => names.read(tree),
        None => Ok(tree),
    };
    read.and_then(|tree| typed::typed(&tree)).map_err(|error| ApiError::ValidationFailed(vec![error]))
}

/// For PATCH: distinguishes an absent field (`None`) from an explicit `null` (`Some(None)`).
///
/// Use with `#[serde(default, deserialize_with = "double_option")]` on an `Option<Option<T>>`.
///
/// # Errors
/// Those of `T`.
pub(crate) fn double_option<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

fn malformed(detail: impl Into<String>) -> ApiError {
    ApiError::MalformedJson { detail: detail.into().into() }
}

/// The document as a tree without duplicate keys.
fn tree(body: &[u8]) -> Result<Value, ApiError> {
    let text = std::str::from_utf8(body).map_err(|_| malformed("The body is not UTF-8."))?;
    if outline(body).depth > MAX_DEPTH {
        return Err(malformed(format!("The body is nested deeper than {MAX_DEPTH} levels.")));
    }
    let mut json = serde_json::Deserializer::from_str(text);
    Tree.deserialize(&mut json).and_then(|value| json.end().map(|()| value)).map_err(|error| {
        let position = format!("line {}, column {}", error.line(), error.column());
        // The only data error of `Tree` is a duplicate key; all other errors are syntax errors of serde_json.
        if error.is_data() {
            malformed(format!("An object has the same key twice, at {position}."))
        } else {
            malformed(format!("The body is not one JSON value: error at {position}."))
        }
    })
}

/// How many values a document has, at least as many as there are.
pub(crate) struct Size {
    /// Those of the outermost array or object.
    pub(crate) elements: usize,
    /// Those at any depth, arrays and objects included.
    pub(crate) values: usize,
}

/// Counts the values of a document in constant memory, before it is [`read`].
pub(crate) fn size(body: &[u8]) -> Size {
    outline(body).size
}

/// What brackets and commas say about a document.
struct Outline {
    /// The deepest nesting.
    depth: usize,
    size: Size,
}

/// Counts the brackets and commas outside strings. Exact for JSON, except that an empty array or object counts as one with a
/// value; other input is rejected by the parser.
fn outline(text: &[u8]) -> Outline {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut elements, mut values) = (1, 1);
    let (mut quoted, mut escaped) = (false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => {
                depth += 1;
                deepest = deepest.max(depth);
                values += 1;
            }
            b',' if !quoted => {
                elements += usize::from(depth == 1);
                values += 1;
            }
            b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Outline { depth: deepest, size: Size { elements, values } }
}

/// Builds a [`Value`] and rejects duplicate keys, compared after unescaping.
#[derive(Clone, Copy)]
struct Tree;

impl<'de> DeserializeSeed<'de> for Tree {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(self)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = map.next_value_seed(self)?;
            if object.insert(key, value).is_some() {
                return Err(A::Error::custom("duplicate key"));
            }
        }
        Ok(Value::Object(object))
    }
}

/// Maximum length of a name that a pointer repeats; no name of this API is longer.
const MAX_NAME: usize = 32;
/// Number of characters that a pointer repeats of other names.
const MAX_SHOWN: usize = 12;

/// Appends one segment to a JSON pointer.
///
/// SECURITY: the name may be client input, even a secret. It is repeated only if it has at most 32 characters, all of them
/// letters, digits, `_`, `.` or `-`. Otherwise only its first few plain characters are, fewer than a token's prefix and
/// public id, followed by three dots.
pub(crate) fn push_segment(pointer: &mut String, segment: &str) {
    pointer.push('/');
    if segment.len() <= MAX_NAME && segment.bytes().all(|byte| is_plain(&byte)) {
        pointer.push_str(segment);
    } else {
        pointer.extend(segment.bytes().take(MAX_SHOWN).take_while(is_plain).map(char::from));
        pointer.push_str("...");
    }
}

fn is_plain(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Level {
        Read,
        Write,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        level: Level,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Document {
        name: String,
        days: Option<u16>,
        ratio: Option<f64>,
        #[serde(default)]
        inner: Vec<Inner>,
        #[serde(default)]
        metadata: BTreeMap<String, Value>,
        #[serde(default, deserialize_with = "double_option")]
        note: Option<Option<String>>,
    }

    #[test]
    fn at_most_32_plain_characters_of_a_name_are_repeated() {
        let plain = "x".repeat(32);
        for (name, shown) in [
            ("user_id", "/user_id"),
            ("a.b-C_9", "/a.b-C_9"),
            (plain.as_str(), &format!("/{plain}")[..]),
            ("", "/"),
            (&"x".repeat(33), "/xxxxxxxxxxxx..."),
            ("pat_Q7mZ0aKd93XbS3CRETS3CRETS3CRETS3CRET", "/pat_Q7mZ0aKd..."),
            ("a\r\nb", "/a..."),
            ("a/b", "/a..."),
            ("<script>", "/..."),
            ("é", "/..."),
            ("a\u{202e}b", "/a..."),
            ("a b", "/a..."),
        ] {
            let mut pointer = String::new();
            push_segment(&mut pointer, name);
            assert_eq!(pointer, shown, "{name:?}");
        }
    }

    fn error_of(body: &str) -> (String, &'static str, String) {
        match read::<Document>(body.as_bytes(), None) {
            Err(ApiError::ValidationFailed(errors)) => {
                let [error] = &errors[..] else { panic!("{body} gave {errors:?}") };
                (error.pointer.clone(), error.code, error.detail.to_string())
            }
            other => panic!("{body} gave {other:?}"),
        }
    }

    fn malformed_detail(body: &[u8]) -> String {
        match read::<Value>(body, None) {
            Err(ApiError::MalformedJson { detail }) => detail.into_owned(),
            other => panic!("{:?} gave {other:?}", String::from_utf8_lossy(body)),
        }
    }

    #[test]
    fn a_valid_document_is_parsed() {
        let body = br#" {"name":"\u0061\ud83d\ude00","days":7,"ratio":1,"inner":[{"level":"read"}],"metadata":{"a":[1.5,-1,null]}} "#;
        let document: Document = read(body, None).unwrap();
        assert_eq!((document.name.as_str(), document.days, document.ratio), ("a😀", Some(7), Some(1.0)));
        assert_eq!(document.inner, [Inner { level: Level::Read }]);
        assert_eq!(document.metadata.get("a"), Some(&serde_json::json!([1.5, -1, null])));
    }

    #[test]
    fn absent_and_null_are_distinguished() {
        for (body, note) in [
            (r#"{"name":"a"}"#, None),
            (r#"{"name":"a","note":null}"#, Some(None)),
            (r#"{"name":"a","note":"b"}"#, Some(Some("b".to_owned()))),
        ] {
            assert_eq!(read::<Document>(body.as_bytes(), None).unwrap().note, note, "{body}");
        }
    }

    #[test]
    fn an_error_has_a_pointer_and_a_code() {
        for (body, pointer, code) in [
            (r#"{}"#, "/name", "required"),
            (r#"{"name":"a","inner":[{"level":"read"},{}]}"#, "/inner/1/level", "required"),
            (r#"{"name":"a","id":1}"#, "/id", "unknown_field"),
            (r#"{"name":"a","x~/y":1}"#, "/x...", "unknown_field"),
            (
                r#"{"name":"a","inner":[{"level":"read","a`, expected `b":1}]}"#,
                "/inner/0/a...",
                "unknown_field",
            ),
            (r#"{"name":1}"#, "/name", "invalid_type"),
            (r#"{"name":null}"#, "/name", "invalid_type"),
            (r#"{"name":"a","days":"7"}"#, "/days", "invalid_type"),
            (r#"{"name":"a","days":7.5}"#, "/days", "invalid_type"),
            (r#"{"name":"a","days":-1}"#, "/days", "invalid_value"),
            (r#"{"name":"a","days":65536}"#, "/days", "invalid_value"),
            (r#"{"name":"a","days":99999999999999999999}"#, "/days", "invalid_type"),
            (r#"{"name":"a","inner":{}}"#, "/inner", "invalid_type"),
            (r#"{"name":"a","inner":[["read"]]}"#, "/inner/0", "invalid_type"),
            (r#"{"name":"a","inner":[{"level":"admin"}]}"#, "/inner/0/level", "invalid_value"),
            (r#"{"name":"a","inner":[{"level":{"read":null}}]}"#, "/inner/0/level", "invalid_type"),
            (r#"["a"]"#, "", "invalid_type"),
            ("null", "", "invalid_type"),
        ] {
            let (found, kind, _) = error_of(body);
            assert_eq!((found.as_str(), kind), (pointer, code), "{body}");
        }
    }

    #[test]
    fn details_use_json_types_and_never_quote_a_value() {
        for (body, detail) in [
            (r#"{"name":"a","days":"pat_s3cret"}"#, "Must be a whole number in range."),
            (r#"{"name":"a","inner":"pat_s3cret"}"#, "Must be an array."),
            (r#"{"name":"a","inner":["pat_s3cret"]}"#, "Must be an object."),
            (r#"{"name":"a","inner":[{"level":"pat_s3cret"}]}"#, "Must be one of: read, write."),
            (r#"{"name":["pat_s3cret"]}"#, "Must be a string."),
        ] {
            assert_eq!(error_of(body).2, detail, "{body}");
        }
        assert!(!malformed_detail(br#"{"name":"pat_s3cret"#).contains("s3cret"));
        assert!(!malformed_detail(br#"{"pat_s3cret":1,"pat_s3cret":2}"#).contains("s3cret"));
    }

    #[test]
    fn input_other_than_one_json_value_is_malformed() {
        for body in [
            &b""[..],
            b" ",
            b"{",
            b"{}x",
            b"{}{}",
            b"{'a':1}",
            b"{\"a\":1,}",
            b"[01]",
            b"[1e999]",
            b"NaN",
            b"\xef\xbb\xbf{}",
            b"\"\xff\"",
            b"\"\\ud800\"",
            b"\"\n\"",
            b"{\"a\":1 /**/}",
            b"[1]]",
            b"]",
            b"\"",
        ] {
            malformed_detail(body);
        }
    }

    #[test]
    fn duplicate_keys_are_malformed_at_any_depth_and_in_any_encoding() {
        for body in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"[{"b":{"\u002f":1,"\/":2}}]"#,
            r#"{"metadata":{"x":[{"k":null,"j":0,"k":null}]}}"#,
        ] {
            assert!(malformed_detail(body.as_bytes()).contains("twice"), "{body}");
        }
        assert!(read::<Value>(br#"{"a":{"a":1},"b":{"a":1},"A":1}"#, None).is_ok());
    }

    #[test]
    fn values_are_counted_outside_strings() {
        for (body, elements, values) in [
            ("1", 1, 1),
            ("[1,2]", 2, 3),
            (r#"[{"a":1,"b":[2,3]},",[{\",",4]"#, 3, 8),
            (r#"[[],{}]"#, 2, 5),
            (&format!("[{}]", vec![r#"{"":0}"#; 75_000].join(",")), 75_000, 150_001),
        ] {
            let size = size(body.as_bytes());
            assert_eq!((size.elements, size.values), (elements, values), "{:.40}", body);
        }
    }

    #[test]
    fn depth_32_is_accepted_and_33_is_rejected() {
        for (open, close, times) in [("[", "]", 32), (r#"{"a":"#, "}", 32), (r#"{"[{\"":["#, "]}", 16)] {
            let deepest = format!("{}1{}", open.repeat(times), close.repeat(times));
            assert!(read::<Value>(deepest.as_bytes(), None).is_ok(), "{open}");
            let deeper = format!("{open}{deepest}{close}");
            assert!(malformed_detail(deeper.as_bytes()).contains("32 levels"), "{open}");
        }
        assert!(read::<Value>(format!("\"{}\"", "[".repeat(1000)).as_bytes(), None).is_ok());
        malformed_detail("[".repeat(1_000_000).as_bytes());
    }

    /// JSON documents up to four levels deep.
    fn document() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_filter_map("JSON has no NaN", |it| it.is_finite().then(|| Value::from(it))),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(".{0,4}", inner, 0..4)
                    .prop_map(|it| Value::Object(it.into_iter().collect())),
            ]
        })
    }

    /// Every character as `\uXXXX`.
    fn escaped(text: &str) -> String {
        text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect()
    }

    proptest! {
        #[test]
        fn parsing_never_panics_on_any_bytes(body in prop::collection::vec(any::<u8>(), 0..256)) {
            let _ = read::<Document>(&body, None);
        }

        #[test]
        fn parsing_never_panics_on_json_like_text(body in r#"[\[\]{}:,"\\u0-9eE.ntfa -]{0,64}"#) {
            let _ = read::<Document>(body.as_bytes(), None);
        }

        #[test]
        fn documents_are_parsed_as_serde_json_parses_them(document in document()) {
            let body = document.to_string();
            let expected: Value = serde_json::from_str(&body).unwrap();
            prop_assert_eq!(read::<Value>(body.as_bytes(), None).unwrap(), expected);
        }

        #[test]
        fn an_object_with_a_duplicate_key_is_rejected(
            key in ".{1,8}", first in document(), second in document(), outer in 0_usize..8,
        ) {
            let plain = serde_json::to_string(&key).unwrap();
            let object = format!("{{{plain}:{first},\"{}\":{second}}}", escaped(&key));
            let body = format!("{}{object}{}", "[".repeat(outer), "]".repeat(outer));
            prop_assert!(read::<Value>(body.as_bytes(), None).is_err());
        }
    }
}
