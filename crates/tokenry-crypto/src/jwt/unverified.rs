//! Parses a token before its signature is verified.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::json;

/// The longest token, in bytes: it must fit into a request header.
const MAX_LEN: usize = 8 * 1024;

/// Headers that must be understood (`crit`) or that supply a key for the verification. Tokens with one of them are rejected.
const REJECTED_HEADERS: [&str; 5] = ["crit", "jwk", "jku", "x5u", "x5c"];

/// The three non-empty base64url parts, separated by two dots.
pub(super) fn parts(presented: &[u8]) -> Option<[&[u8]; 3]> {
    let mut parts = presented.split(|b| *b == b'.');
    let three = [parts.next()?, parts.next()?, parts.next()?];
    let has_three = parts.next().is_none();
    (has_three && three.iter().all(|part| is_base64url(part))).then_some(three)
}

fn is_base64url(part: &[u8]) -> bool {
    !part.is_empty() && part.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// A parsed token. Nothing in it is verified.
pub(super) struct UnverifiedJwt<'a> {
    header: Map<String, Value>,
    payload: Map<String, Value>,
    message: &'a [u8],
    signature: Vec<u8>,
}

impl<'a> UnverifiedJwt<'a> {
    pub(super) fn parse(presented: &'a [u8]) -> Option<Self> {
        if presented.len() > MAX_LEN {
            return None;
        }
        let [header, payload, signature] = parts(presented)?;
        let message = presented.get(..header.len() + 1 + payload.len())?;
        let header = json::object(&URL_SAFE_NO_PAD.decode(header).ok()?)?;
        let payload = json::object(&URL_SAFE_NO_PAD.decode(payload).ok()?)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        if REJECTED_HEADERS.iter().any(|name| header.contains_key(*name))
            || !["alg", "typ", "kid"].iter().all(|name| header.get(*name).is_none_or(Value::is_string))
        {
            return None;
        }
        Some(Self { header, payload, message, signature })
    }

    pub(super) fn issuer(&self) -> Option<&str> {
        self.payload.get("iss")?.as_str()
    }

    pub(super) fn algorithm(&self) -> Option<&str> {
        self.header.get("alg")?.as_str()
    }

    /// `typ`, or the empty string if it is missing.
    pub(super) fn kind(&self) -> &str {
        self.header.get("typ").and_then(Value::as_str).unwrap_or_default()
    }

    pub(super) fn key_id(&self) -> Option<&str> {
        self.header.get("kid")?.as_str()
    }

    /// The signed bytes: header, dot and payload as presented.
    pub(super) fn message(&self) -> &'a [u8] {
        self.message
    }

    pub(super) fn signature(&self) -> &[u8] {
        &self.signature
    }

    pub(super) fn into_payload(self) -> Map<String, Value> {
        self.payload
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str, payload: &str) -> String {
        format!("{}.{}.AA", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload))
    }

    #[test]
    fn only_three_base64url_parts_are_a_token() {
        assert!(parts(b"a.b-_.c").is_some());
        for text in [
            "", "a", "a.b", "a.b.", ".b.c", "a..c", "a.b.c.d", "a.b.c.", "a.b.c ", "a.b.c=", "a.b+.c",
            "a.\0.c",
        ] {
            assert!(parts(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn a_token_of_8_kib_is_parsed_and_a_longer_one_is_not() {
        let header = token("{}", "{}");
        let (start, _) = header.rsplit_once('.').unwrap();
        let of_len = |len: usize| format!("{start}.{}", "A".repeat(len - start.len() - 1));
        assert!(UnverifiedJwt::parse(of_len(MAX_LEN).as_bytes()).is_some());
        assert!(UnverifiedJwt::parse(of_len(MAX_LEN + 1).as_bytes()).is_none());
    }

    #[test]
    fn ambiguous_and_unsupported_tokens_are_rejected() {
        assert!(
            UnverifiedJwt::parse(token(r#"{"alg":"HS256","typ":"JWT","kid":"a","cty":1}"#, "{}").as_bytes())
                .is_some()
        );
        for header in [
            "",
            "[]",
            "null",
            "{",
            r#"{"alg":"HS256","alg":"HS256"}"#,
            r#"{"alg":1}"#,
            r#"{"typ":null}"#,
            r#"{"kid":7}"#,
            r#"{"crit":[]}"#,
            r#"{"jwk":{}}"#,
            r#"{"jku":""}"#,
            r#"{"x5u":""}"#,
            r#"{"x5c":[]}"#,
        ] {
            assert!(UnverifiedJwt::parse(token(header, "{}").as_bytes()).is_none(), "{header}");
        }
        for payload in ["", "\"x\"", "{}{}", r#"{"sub":"a","sub":"b"}"#, r#"{"a":{"b":1,"b":1}}"#] {
            assert!(UnverifiedJwt::parse(token("{}", payload).as_bytes()).is_none(), "{payload}");
        }
    }

    #[test]
    fn trailing_bits_must_be_zero() {
        let good = token("{}", "{}");
        assert!(UnverifiedJwt::parse(good.as_bytes()).is_some());
        assert!(UnverifiedJwt::parse(good.replace(".AA", ".AB").as_bytes()).is_none());
    }
}
