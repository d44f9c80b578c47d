//! Strict JSON: one reading for every document, and errors that never quote it.
//!
//! A document is first read as a tree, in which a doubled key is an error at any depth, and then as the wanted
//! type. Nothing recurses deeper than [`MAX_DEPTH`], which is checked by counting before anything is read.

mod typed;

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};

use crate::error::ApiError;

/// How many objects and arrays may lie within one another.
pub const MAX_DEPTH: usize = 32;

/// Reads `body` as a `T`.
///
/// # Errors
/// [`ApiError::MalformedJson`] for anything that is not one UTF-8 JSON value of acceptable depth without
/// doubled keys; [`ApiError::ValidationFailed`] where that value is not a `T`.
pub fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    typed::typed(&tree(body)?).map_err(|error| ApiError::ValidationFailed(vec![error]))
}

/// For PATCH: tells an absent field (`None`) from an explicit `null` (`Some(None)`).
///
/// Use with `#[serde(default, deserialize_with = "double_option")]` on an `Option<Option<T>>`.
///
/// # Errors
/// Those of `T`.
pub fn double_option<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

fn malformed(detail: impl Into<String>) -> ApiError {
    ApiError::MalformedJson { detail: detail.into().into() }
}

/// The document as a tree in which no object had a key twice.
fn tree(body: &[u8]) -> Result<Value, ApiError> {
    let text = std::str::from_utf8(body).map_err(|_| malformed("The body is not UTF-8."))?;
    if depth(text) > MAX_DEPTH {
        return Err(malformed(format!("The body is nested deeper than {MAX_DEPTH} levels.")));
    }
    let mut json = serde_json::Deserializer::from_str(text);
    Tree.deserialize(&mut json).and_then(|value| json.end().map(|()| value)).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        // `Tree` itself complains about doubled keys only; everything else is serde_json's grammar.
        if error.is_data() {
            malformed(format!("An object has the same key twice, at {place}."))
        } else {
            malformed(format!("The body is not one JSON value: error at {place}."))
        }
    })
}

/// The deepest nesting of brackets outside strings. Exact for JSON; what is not JSON is refused later.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut quoted, mut escaped) = (false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Builds a [`Value`] and refuses doubled keys. Keys are compared after their escapes were read.
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
                return Err(A::Error::custom("doubled key"));
            }
        }
        Ok(Value::Object(object))
    }
}

/// Longest name in a pointer; none of this API's own is longer.
const MAX_NAME: usize = 32;
/// What is left of another name.
const MAX_SHOWN: usize = 12;

/// Adds one segment to a JSON pointer.
///
/// SECURITY: the name may be what a client sent, a secret included. Only up to 32 letters, digits, `_`, `.` and `-` are
/// repeated; of anything else only the first few, fewer than prefix and public id of a token, and three dots.
pub(crate) fn push(pointer: &mut String, segment: &str) {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    pointer.push('/');
    if segment.len() <= MAX_NAME && segment.bytes().all(is_plain) {
        pointer.push_str(segment);
    } else {
        pointer.extend(segment.bytes().take(MAX_SHOWN).take_while(|byte| is_plain(*byte)).map(char::from));
        pointer.push_str("...");
    }
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
    fn no_more_than_32_plain_characters_of_a_name_are_repeated() {
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
            push(&mut pointer, name);
            assert_eq!(pointer, shown, "{name:?}");
        }
    }

    fn mistake(body: &str) -> (String, &'static str, String) {
        match read::<Document>(body.as_bytes()) {
            Err(ApiError::ValidationFailed(errors)) => {
                let [error] = &errors[..] else { panic!("{body} gave {errors:?}") };
                (error.pointer.clone(), error.code, error.detail.to_string())
            }
            other => panic!("{body} gave {other:?}"),
        }
    }

    fn malformed_detail(body: &[u8]) -> String {
        match read::<Value>(body) {
            Err(ApiError::MalformedJson { detail }) => detail.into_owned(),
            other => panic!("{:?} gave {other:?}", String::from_utf8_lossy(body)),
        }
    }

    #[test]
    fn a_document_is_read() {
        let body = br#" {"name":"\u0061\ud83d\ude00","days":7,"ratio":1,"inner":[{"level":"read"}],"metadata":{"a":[1.5,-1,null]}} "#;
        let document: Document = read(body).unwrap();
        assert_eq!((document.name.as_str(), document.days, document.ratio), ("a😀", Some(7), Some(1.0)));
        assert_eq!(document.inner, [Inner { level: Level::Read }]);
        assert_eq!(document.metadata.get("a"), Some(&serde_json::json!([1.5, -1, null])));
    }

    #[test]
    fn absent_and_null_are_told_apart() {
        for (body, note) in [
            (r#"{"name":"a"}"#, None),
            (r#"{"name":"a","note":null}"#, Some(None)),
            (r#"{"name":"a","note":"b"}"#, Some(Some("b".to_owned()))),
        ] {
            assert_eq!(read::<Document>(body.as_bytes()).unwrap().note, note, "{body}");
        }
    }

    #[test]
    fn a_mistake_has_its_place_and_kind() {
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
            let (found, kind, _) = mistake(body);
            assert_eq!((found.as_str(), kind), (pointer, code), "{body}");
        }
    }

    #[test]
    fn details_speak_of_json_and_never_quote_a_value() {
        for (body, detail) in [
            (r#"{"name":"a","days":"pat_s3cret"}"#, "Must be a whole number in range."),
            (r#"{"name":"a","inner":"pat_s3cret"}"#, "Must be an array."),
            (r#"{"name":"a","inner":["pat_s3cret"]}"#, "Must be an object."),
            (r#"{"name":"a","inner":[{"level":"pat_s3cret"}]}"#, "Must be one of: read, write."),
            (r#"{"name":["pat_s3cret"]}"#, "Must be a string."),
        ] {
            assert_eq!(mistake(body).2, detail, "{body}");
        }
        assert!(!malformed_detail(br#"{"name":"pat_s3cret"#).contains("s3cret"));
        assert!(!malformed_detail(br#"{"pat_s3cret":1,"pat_s3cret":2}"#).contains("s3cret"));
    }

    #[test]
    fn what_is_not_one_json_value_is_malformed() {
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
    fn doubled_keys_are_malformed_at_any_depth_and_in_any_spelling() {
        for body in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"[{"b":{"\u002f":1,"\/":2}}]"#,
            r#"{"metadata":{"x":[{"k":null,"j":0,"k":null}]}}"#,
        ] {
            assert!(malformed_detail(body.as_bytes()).contains("twice"), "{body}");
        }
        assert!(read::<Value>(br#"{"a":{"a":1},"b":{"a":1},"A":1}"#).is_ok());
    }

    #[test]
    fn depth_32_is_read_and_33_is_not() {
        for (open, close, times) in [("[", "]", 32), (r#"{"a":"#, "}", 32), (r#"{"[{\"":["#, "]}", 16)] {
            let nested = |count: usize| format!("{}1{}", open.repeat(count), close.repeat(count));
            assert!(read::<Value>(nested(times).as_bytes()).is_ok(), "{open}");
            assert!(malformed_detail(nested(times + 1).as_bytes()).contains("32 levels"), "{open}");
        }
        assert!(read::<Value>(format!("\"{}\"", "[".repeat(1000)).as_bytes()).is_ok());
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
        fn no_bytes_make_reading_panic(body in prop::collection::vec(any::<u8>(), 0..256)) {
            let _ = read::<Document>(&body);
        }

        #[test]
        fn no_text_of_json_signs_makes_reading_panic(body in r#"[\[\]{}:,"\\u0-9eE.ntfa -]{0,64}"#) {
            let _ = read::<Document>(body.as_bytes());
        }

        #[test]
        fn documents_are_read_as_serde_json_reads_them(document in document()) {
            let body = document.to_string();
            let theirs: Value = serde_json::from_str(&body).unwrap();
            prop_assert_eq!(read::<Value>(body.as_bytes()).unwrap(), theirs);
        }

        #[test]
        fn an_object_with_a_doubled_key_is_refused(
            key in ".{1,8}", first in document(), second in document(), outer in 0_usize..8,
        ) {
            let plain = serde_json::to_string(&key).unwrap();
            let object = format!("{{{plain}:{first},\"{}\":{second}}}", escaped(&key));
            let body = format!("{}{object}{}", "[".repeat(outer), "]".repeat(outer));
            prop_assert!(read::<Value>(body.as_bytes()).is_err());
        }
    }
}
