//! Strict query strings and forms: every parameter known, at most once, and all mistakes reported together.

use std::{
    future::{Ready, ready},
    pin::Pin,
    str::FromStr,
};

use actix_web::{FromRequest, HttpRequest, dev::Payload};

use crate::{
    body,
    error::{ApiError, Detail, FieldProblem},
    json::push,
};

/// Longest query string, in bytes.
pub const MAX_QUERY: usize = 4 * 1024;

/// A type that reads itself from named parameters.
///
/// ```
/// use tokenry_actix::query::{FromQuery, Query};
/// struct Search { text: Option<String>, limit: Option<u32> }
/// impl FromQuery for Search {
///     const NAMES: &'static [&'static str] = &["search", "limit"];
///     fn from_query(query: &mut Query) -> Self {
///         Self { text: query.text("search", 100), limit: query.parse("limit", "a whole number") }
///     }
/// }
/// ```
pub trait FromQuery: Sized {
    /// Every parameter there is.
    const NAMES: &'static [&'static str];

    /// Whether other parameters are passed over, as OAuth 2.0 demands of its forms, instead of refused.
    const IGNORES_UNKNOWN: bool = false;

    /// Parameters whose values are bytes that only their reader judges, such as a presented token: whatever they hold, the
    /// request is well-formed.
    const OPAQUE: &'static [&'static str] = &[];

    /// Takes what it needs out of `query`, which notes what is wrong with it. If anything is, the value that
    /// this returns is thrown away.
    fn from_query(query: &mut Query) -> Self;
}

/// No parameters at all.
impl FromQuery for () {
    const NAMES: &'static [&'static str] = &[];

    fn from_query(_: &mut Query) -> Self {}
}

/// The parameters of one request, and what was found wrong with them so far.
#[derive(Debug)]
pub struct Query {
    pairs: Vec<(String, String)>,
    errors: Vec<FieldProblem>,
}

impl Query {
    /// The parameter as it was sent, at most `max_chars` characters; `None` if absent or too long.
    pub fn text(&mut self, name: &'static str, max_chars: usize) -> Option<String> {
        let value = self.take(name)?;
        if value.chars().count() > max_chars {
            self.refuse(name, "too_long", format!("Must be at most {max_chars} characters."));
            return None;
        }
        Some(value)
    }

    /// The parameter as a `V`; `expected` says in words what that is, after "must be".
    pub fn parse<V: FromStr>(&mut self, name: &'static str, expected: &str) -> Option<V> {
        let value = self.take(name)?.parse();
        if value.is_err() {
            self.refuse(name, "invalid_value", format!("Must be {expected}."));
        }
        value.ok()
    }

    /// Notes that the parameter `name` is not acceptable.
    pub fn refuse(&mut self, name: &str, code: &'static str, detail: impl Into<Detail>) {
        let mut pointer = String::new();
        push(&mut pointer, name);
        self.errors.push(FieldProblem::new(pointer, code, detail));
    }

    fn take(&mut self, name: &str) -> Option<String> {
        let at = self.pairs.iter().position(|(it, _)| it == name)?;
        Some(self.pairs.swap_remove(at).1)
    }

    /// Reads `text`, the part after the question mark, or a form's body, as a `T`.
    ///
    /// # Errors
    /// [`ApiError::InvalidRequest`] if it is too long, or is not percent-encoded UTF-8;
    /// [`ApiError::ValidationFailed`] with every parameter that is unknown, repeated, holds control characters,
    /// or was refused by `T`.
    pub fn read<T: FromQuery>(text: &str) -> Result<T, ApiError> {
        let mut query = Self { pairs: Vec::new(), errors: Vec::new() };
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let malformed =
                || ApiError::InvalidRequest { detail: "A parameter is not percent-encoded UTF-8.".into() };
            let name = decode(name).ok_or_else(malformed)?;
            let is_opaque = T::OPAQUE.contains(&name.as_str());
            let bytes = decode_bytes(value).ok_or_else(malformed)?;
            let value = match String::from_utf8(bytes) {
                Ok(value) => value,
                Err(error) if is_opaque => String::from_utf8_lossy(error.as_bytes()).into_owned(),
                Err(_) => return Err(malformed()),
            };
            if !T::NAMES.contains(&name.as_str()) {
                if !T::IGNORES_UNKNOWN {
                    query.refuse(&name, "unknown_parameter", "This parameter does not exist here.");
                }
            } else if query.pairs.iter().any(|(it, _)| *it == name) {
                query.refuse(&name, "repeated_parameter", "This parameter may be given once.");
            } else if !is_opaque && value.chars().any(char::is_control) {
                query.refuse(&name, "invalid_characters", "Must not contain control characters.");
            } else {
                query.pairs.push((name, value));
            }
        }
        let value = T::from_query(&mut query);
        if query.errors.is_empty() { Ok(value) } else { Err(ApiError::ValidationFailed(query.errors)) }
    }
}

/// The text behind `+` and `%XX`; `None` if it is not UTF-8 or a `%` stands alone.
pub(crate) fn decode(text: &str) -> Option<String> {
    String::from_utf8(decode_bytes(text)?).ok()
}

fn decode_bytes(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
                u8::try_from(high * 16 + low).ok()?
            }
            other => other,
        });
    }
    Some(decoded)
}

/// The query string, read by the rules of [`Query::read`].
#[derive(Debug)]
pub struct StrictQuery<T>(pub T);

impl<T: FromQuery> FromRequest for StrictQuery<T> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let text = req.query_string();
        if text.len() > MAX_QUERY {
            return ready(Err(ApiError::InvalidRequest { detail: "The query is too long.".into() }));
        }
        ready(Query::read(text).map(Self))
    }
}

/// A body of the type `application/x-www-form-urlencoded`, read by the rules of [`Query::read`] and within the
/// limits of [`body::StrictJson`].
#[derive(Debug)]
pub struct StrictForm<T>(pub T);

impl<T: FromQuery + 'static> FromRequest for StrictForm<T> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = body::read(req, payload, "application/x-www-form-urlencoded");
        Box::pin(async move {
            let body = body.await?;
            let text = std::str::from_utf8(&body)
                .map_err(|_| ApiError::InvalidRequest { detail: "The body is not UTF-8.".into() })?;
            Query::read(text).map(Self)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, PartialEq)]
    struct Filter {
        search: Option<String>,
        limit: Option<u8>,
    }

    impl FromQuery for Filter {
        const NAMES: &'static [&'static str] = &["search", "limit"];

        fn from_query(query: &mut Query) -> Self {
            Self { search: query.text("search", 5), limit: query.parse("limit", "a number from 0 to 255") }
        }
    }

    fn mistakes(text: &str) -> Vec<(String, &'static str)> {
        match Query::read::<Filter>(text) {
            Err(ApiError::ValidationFailed(errors)) => {
                errors.into_iter().map(|error| (error.pointer, error.code)).collect()
            }
            other => panic!("{text} gave {other:?}"),
        }
    }

    #[test]
    fn parameters_are_decoded() {
        let filter: Filter = Query::read("&search=a+%C3%A9%2B&limit=%37&").unwrap();
        assert_eq!(filter, Filter { search: Some("a é+".into()), limit: Some(7) });
        assert_eq!(Query::read("search").ok(), Some(Filter { search: Some(String::new()), limit: None }));
    }

    #[test]
    fn all_mistakes_are_reported_together() {
        assert_eq!(
            mistakes("a/b=1&limit=256&search=123456"),
            [
                ("/a...".into(), "unknown_parameter"),
                ("/search".into(), "too_long"),
                ("/limit".into(), "invalid_value")
            ]
        );
    }

    #[test]
    fn a_parameter_may_be_given_once_however_it_is_spelt() {
        assert_eq!(mistakes("limit=1&l%69mit=1"), [("/limit".into(), "repeated_parameter")]);
    }

    #[test]
    fn control_characters_are_refused() {
        for text in ["search=%00", "search=a%0Ab", "search=%1B", "search=%7F", "search=%C2%85"] {
            assert_eq!(mistakes(text), [("/search".into(), "invalid_characters")], "{text}");
        }
    }

    #[test]
    fn broken_encoding_is_an_invalid_request() {
        for text in ["search=%", "search=%4", "search=%zz", "search=%+1", "search=%ff", "%c3=1", "x=%C3%28"] {
            let refused = Query::read::<Filter>(text);
            assert!(matches!(refused, Err(ApiError::InvalidRequest { .. })), "{text} gave {refused:?}");
        }
    }

    #[test]
    fn a_form_that_says_so_passes_over_unknown_parameters_but_not_repeated_ones() {
        #[derive(Debug)]
        struct Form(Option<String>);
        impl FromQuery for Form {
            const NAMES: &'static [&'static str] = &["token"];
            const IGNORES_UNKNOWN: bool = true;
            fn from_query(query: &mut Query) -> Self {
                Self(query.text("token", 200))
            }
        }
        assert_eq!(Query::read::<Form>("token=x&other=1&other=2").unwrap().0.as_deref(), Some("x"));
        assert!(Query::read::<Form>("token=x&token=x").is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_reading_panic(text in ".{0,80}") {
            let _ = Query::read::<Filter>(&text);
        }

        #[test]
        fn what_form_urlencoded_writes_is_read_back(value in "\\PC{0,5}") {
            let text: String = form_urlencoded::Serializer::new(String::new()).append_pair("search", &value).finish();
            prop_assert_eq!(Query::read::<Filter>(&text).unwrap().search, Some(value));
        }
    }
}
