//! The `If-Match` header: the versions that a change applies to.

use std::future::{Ready, ready};

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::header::{HeaderMap, IF_MATCH},
};

use crate::{
    declared_errors::{DeclareErrors, Errors},
    error::ApiError,
};

/// The versions that a change applies to (RFC 9110, section 13.1.1); one of them must be the current version. `None` is any
/// version, also for `*`.
pub(crate) struct IfMatch(pub(crate) Option<Vec<i64>>);

impl FromRequest for IfMatch {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(versions(req.headers()).map(Self))
    }
}

impl DeclareErrors for IfMatch {
    fn errors() -> Errors {
        Errors::default().with(400, "If-Match is malformed.")
    }
}

fn versions(headers: &HeaderMap) -> Result<Option<Vec<i64>>, ApiError> {
    let lines: Vec<_> = headers.get_all(IF_MATCH).map(|line| line.as_bytes()).collect();
    match lines.as_slice() {
        [] => return Ok(None),
        [line] if line.trim_ascii() == b"*" => return Ok(None),
        _ => {}
    }
    let mut versions = Vec::new();
    let mut is_empty = true;
    for line in lines {
        let mut rest = line.trim_ascii();
        while !rest.is_empty() {
            // Empty list elements are ignored (RFC 9110, section 5.6.1.2).
            if let Some(behind) = rest.strip_prefix(b",") {
                rest = behind.trim_ascii_start();
                continue;
            }
            let (tag, behind) = entity_tag(rest).ok_or_else(malformed)?;
            is_empty = false;
            versions.extend(version(tag));
            rest = behind.trim_ascii_start();
            if !(rest.is_empty() || rest.starts_with(b",")) {
                return Err(malformed());
            }
        }
    }
    if is_empty { Err(malformed()) } else { Ok(Some(versions)) }
}

/// The tag at the start of a text, and the rest after it.
fn entity_tag(text: &[u8]) -> Option<(Tag<'_>, &[u8])> {
    let is_weak = text.starts_with(b"W/");
    let quoted = if is_weak { text.get(2..)? } else { text };
    let opaque = quoted.strip_prefix(b"\"")?;
    let end = opaque.iter().position(|byte| *byte == b'"')?;
    let (opaque, behind) = opaque.split_at_checked(end)?;
    let is_plain = opaque.iter().all(|byte| matches!(byte, 0x21 | 0x23..=0x7e | 0x80..));
    is_plain.then_some((Tag { is_weak, opaque }, behind.get(1..)?))
}

struct Tag<'t> {
    is_weak: bool,
    opaque: &'t [u8],
}

/// The version with exactly this tag. A weak tag and a non-canonical number match no version.
fn version(tag: Tag<'_>) -> Option<i64> {
    let text = std::str::from_utf8(tag.opaque).ok().filter(|_| !tag.is_weak)?;
    text.parse::<i64>().ok().filter(|version| version.to_string() == text)
}

fn malformed() -> ApiError {
    ApiError::InvalidRequest { detail: "If-Match must be quoted versions, such as \"3\", or *.".into() }
}

#[cfg(test)]
mod tests {
    use actix_web::{HttpMessage as _, test::TestRequest};

    use super::*;

    fn read(lines: &[&str]) -> Result<Option<Vec<i64>>, ApiError> {
        let mut req = TestRequest::default();
        for line in lines {
            req = req.append_header((IF_MATCH, *line));
        }
        versions(req.to_request().headers())
    }

    #[test]
    fn versions_are_compared_as_texts() {
        for (lines, expected) in [
            (&[][..], None),
            (&["*"], None),
            (&[" * "], None),
            (&["\"3\""], Some(vec![3])),
            (&["\"3\", \"4\""], Some(vec![3, 4])),
            (&["\"3\",,\t\"4\" ,"], Some(vec![3, 4])),
            (&["\"3\"", "\"4\""], Some(vec![3, 4])),
            (&["W/\"3\", \"4\""], Some(vec![4])),
            // Well-formed tags of no version.
            (&["W/\"3\""], Some(vec![])),
            (&["\"03\""], Some(vec![])),
            (&["\"+3\""], Some(vec![])),
            (&["\"-0\""], Some(vec![])),
            (&["\"\""], Some(vec![])),
            (&["\"3,4\""], Some(vec![])),
            (&["\"99999999999999999999\""], Some(vec![])),
            (&["\"a\", \"*\""], Some(vec![])),
        ] {
            assert_eq!(read(lines), Ok(expected), "{lines:?}");
        }
    }

    #[test]
    fn a_malformed_list_of_tags_is_rejected() {
        for lines in [
            &["3"][..],
            &[""],
            &[","],
            &["\"3"],
            &["3\""],
            &["\"3\" \"4\""],
            &["\"3\"4"],
            &["w/\"3\""],
            &["W\"3\""],
            &["\"3 4\""],
            &["*, \"3\""],
            &["*", "*"],
            &["*", "\"3\""],
        ] {
            assert_eq!(read(lines), Err(malformed()), "{lines:?}");
        }
    }
}
