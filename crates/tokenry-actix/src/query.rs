//! Strict query strings and forms: unknown and repeated parameters are errors, and all errors are reported together.

use std::{
    future::{Ready, ready},
    pin::Pin,
    str::FromStr,
};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use tokenry_service::form_encoding::decode;
use zeroize::Zeroizing;

use crate::{
    body,
    declared_errors::{DeclareErrors, Errors},
    error::{ApiError, Detail, FieldProblem},
    json::push_segment,
};

/// Maximum length of a query string, in bytes.
const MAX_QUERY: usize = 4 * 1024;

/// A type that is parsed from named parameters.
pub(crate) trait FromQuery: Sized {
    /// The names of all parameters, except [`INHERITED`](Self::INHERITED).
    const NAMES: &'static [&'static str];

    /// The names of the parameters that another type parses as a part of this one.
    const INHERITED: &'static [&'static str] = &[];

    /// Whether unknown parameters are ignored, as OAuth 2.0 requires for its forms, instead of rejected.
    const IGNORES_UNKNOWN: bool = false;

    /// Parameters whose values may be any bytes, such as a presented token: invalid UTF-8 and control characters are no
    /// error.
    const OPAQUE: &'static [&'static str] = &[];

    /// Takes the parameters out of `query`, which collects the errors. The returned value is dropped if there are any.
    fn from_query(query: &mut Query) -> Self;
}

/// No parameters at all.
impl FromQuery for () {
    const NAMES: &'static [&'static str] = &[];

    fn from_query(_: &mut Query) -> Self {}
}

/// The parameters of one request, and the errors found so far.
#[derive(Debug)]
pub(crate) struct Query {
    /// The values may be secrets.
    pairs: Vec<(String, Zeroizing<String>)>,
    errors: Vec<FieldProblem>,
}

impl Query {
    /// The parameter as text of at most `max_chars` characters; `None` if it is absent or too long.
    pub(crate) fn text(&mut self, name: &'static str, max_chars: usize) -> Option<String> {
        let value = self.take(name)?;
        if value.chars().count() > max_chars {
            self.reject(name, "too_long", format!("Must be at most {max_chars} characters."));
            return None;
        }
        Some(value.to_string())
    }

    /// The parameter as a secret of any length, which is overwritten when it is dropped.
    pub(crate) fn secret(&mut self, name: &'static str) -> Option<Zeroizing<String>> {
        self.take(name)
    }

    /// The parameter parsed as a `V`; `expected` completes the error "Must be …".
    pub(crate) fn parse<V: FromStr>(&mut self, name: &'static str, expected: &str) -> Option<V> {
        let value = self.take(name)?.parse();
        if value.is_err() {
            self.reject(name, "invalid_value", format!("Must be {expected}."));
        }
        value.ok()
    }

    /// Records an error of the parameter `name`.
    pub(crate) fn reject(&mut self, name: &str, code: &'static str, detail: impl Into<Detail>) {
        let mut pointer = String::new();
        push_segment(&mut pointer, name);
        self.errors.push(FieldProblem::new(pointer, code, detail));
    }

    fn take(&mut self, name: &str) -> Option<Zeroizing<String>> {
        let index = self.pairs.iter().position(|(known, _)| known == name)?;
        Some(self.pairs.swap_remove(index).1)
    }

    /// Parses `text`, a query string without its question mark or the body of a form, as a `T`.
    ///
    /// # Errors
    /// [`ApiError::InvalidRequest`] if it is not percent-encoded UTF-8; [`ApiError::ValidationFailed`] with every
    /// parameter that is unknown, repeated, contains control characters or is rejected by `T`.
    pub(crate) fn read<T: FromQuery>(text: &str) -> Result<T, ApiError> {
        let mut query = Self { pairs: Vec::new(), errors: Vec::new() };
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = decode_pair(pair)?;
            let is_known = T::NAMES.contains(&name.as_str()) || T::INHERITED.contains(&name.as_str());
            // The value of a parameter that is passed over may be anything, as the token is where only the secret is read.
            let is_opaque = T::OPAQUE.contains(&name.as_str()) || (T::IGNORES_UNKNOWN && !is_known);
            let value = Zeroizing::new(if is_opaque {
                String::from_utf8_lossy(&Zeroizing::new(value)).into_owned()
            } else {
                utf8(value)?
            });
            if !is_known {
                if !T::IGNORES_UNKNOWN {
                    query.reject(&name, "unknown_parameter", "This parameter does not exist here.");
                }
            } else if query.pairs.iter().any(|(known, _)| *known == name) {
                query.reject(&name, "repeated_parameter", "This parameter must be sent only once.");
            } else if !is_opaque && value.chars().any(char::is_control) {
                query.reject(&name, "invalid_characters", "Must not contain control characters.");
            } else {
                query.pairs.push((name, value));
            }
        }
        let value = T::from_query(&mut query);
        if query.errors.is_empty() { Ok(value) } else { Err(ApiError::ValidationFailed(query.errors)) }
    }
}

/// The query string of a request.
///
/// # Errors
/// [`ApiError::InvalidRequest`] if it is longer than [`MAX_QUERY`].
pub(crate) fn query_string(req: &HttpRequest) -> Result<&str, ApiError> {
    let text = req.query_string();
    if text.len() > MAX_QUERY {
        return Err(ApiError::InvalidRequest { detail: "The query is too long.".into() });
    }
    Ok(text)
}

/// Name and value of one `name=value`, with `+` and `%XX` decoded. The value may be any bytes.
///
/// # Errors
/// [`ApiError::InvalidRequest`] if a `%` is not followed by two digits, or the name is not UTF-8.
pub(crate) fn decode_pair(pair: &str) -> Result<(String, Vec<u8>), ApiError> {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    let name = utf8(decode(name.as_bytes()).ok_or_else(malformed)?)?;
    Ok((name, decode(value.as_bytes()).ok_or_else(malformed)?))
}

/// The bytes of a parameter as text.
///
/// # Errors
/// [`ApiError::InvalidRequest`] if they are not UTF-8.
pub(crate) fn utf8(bytes: Vec<u8>) -> Result<String, ApiError> {
    String::from_utf8(bytes).map_err(|_| malformed())
}

fn malformed() -> ApiError {
    ApiError::InvalidRequest { detail: "A parameter is not percent-encoded UTF-8.".into() }
}

/// The query string, parsed by [`Query::read`].
#[derive(Debug)]
pub(crate) struct StrictQuery<T>(pub(crate) T);

impl<T: FromQuery> FromRequest for StrictQuery<T> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(query_string(req).and_then(Query::read).map(Self))
    }
}

impl<T> DeclareErrors for StrictQuery<T> {
    fn errors() -> Errors {
        Errors::default()
            .with(400, "The query is malformed or too long.")
            .with(422, "A parameter is unknown, repeated or invalid.")
    }
}

/// A body of the type `application/x-www-form-urlencoded`, parsed by [`Query::read`] within the limits of
/// [`body::StrictJson`].
#[derive(Debug)]
pub(crate) struct StrictForm<T>(pub(crate) T);

impl<T> DeclareErrors for StrictForm<T> {
    fn errors() -> Errors {
        body::read_errors()
            .with(400, "The form is malformed or lacks a parameter.")
            .with(422, "A parameter is repeated or invalid.")
    }
}

impl<T: FromQuery + 'static> FromRequest for StrictForm<T> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let text = form_text(req, payload);
        Box::pin(async move { Query::read(&text.await?).map(Self) })
    }
}

/// The body of a form, which is not parsed yet. Nothing is read before the future is polled.
pub(crate) fn form_text(
    req: &HttpRequest,
    payload: &mut Payload,
) -> impl Future<Output = Result<Zeroizing<String>, ApiError>> + use<> {
    let body = body::read(req, payload, body::FORM);
    async {
        let text = std::str::from_utf8(&body.await?).map(str::to_owned);
        text.map(Zeroizing::new)
            .map_err(|_| ApiError::InvalidRequest { detail: "The body is not UTF-8.".into() })
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
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

    fn errors(text: &str) -> Vec<(String, &'static str)> {
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
    fn all_errors_are_reported_together() {
        assert_eq!(
            errors("a/b=1&limit=256&search=123456"),
            [
                ("/a...".into(), "unknown_parameter"),
                ("/search".into(), "too_long"),
                ("/limit".into(), "invalid_value")
            ]
        );
    }

    #[test]
    fn a_repeated_parameter_is_rejected_however_it_is_encoded() {
        assert_eq!(errors("limit=1&l%69mit=1"), [("/limit".into(), "repeated_parameter")]);
    }

    #[test]
    fn control_characters_are_rejected() {
        for text in ["search=%00", "search=a%0Ab", "search=%1B", "search=%7F", "search=%C2%85"] {
            assert_eq!(errors(text), [("/search".into(), "invalid_characters")], "{text}");
        }
    }

    #[test]
    fn malformed_percent_encoding_is_an_invalid_request() {
        for text in ["search=%", "search=%4", "search=%zz", "search=%+1", "search=%ff", "%c3=1", "x=%C3%28"] {
            let rejected = Query::read::<Filter>(text);
            assert!(matches!(rejected, Err(ApiError::InvalidRequest { .. })), "{text} gave {rejected:?}");
        }
    }

    #[test]
    fn a_form_may_ignore_unknown_parameters_but_not_repeated_ones() {
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

    #[test]
    fn a_query_is_limited_to_4_kib() {
        let too_long = Err(ApiError::InvalidRequest { detail: "The query is too long.".into() });
        for (length, expected) in [(MAX_QUERY, Ok(MAX_QUERY)), (MAX_QUERY + 1, too_long)] {
            let req = TestRequest::with_uri(&format!("/?{}", "x".repeat(length))).to_http_request();
            assert_eq!(query_string(&req).map(str::len), expected);
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in ".{0,80}") {
            let _ = Query::read::<Filter>(&text);
        }

        #[test]
        fn the_output_of_form_urlencoded_is_parsed_back(value in "\\PC{0,5}") {
            let text: String = form_urlencoded::Serializer::new(String::new()).append_pair("search", &value).finish();
            prop_assert_eq!(Query::read::<Filter>(&text).unwrap().search, Some(value));
        }
    }
}
