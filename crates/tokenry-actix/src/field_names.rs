//! [`FieldNames`]: what the fields of tokens are called in requests and responses.

use std::sync::Arc;

use actix_web::{
    Error, Route,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{Method, header::CONTENT_TYPE},
    middleware::{Next, from_fn},
};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::error::{ApiError, FieldProblem, Problem};

/// The fields of a token, of the requests that create, update and rotate one, and of a list of tokens. A test compares
/// them with the OpenAPI document.
pub const FIELDS: &[&str] = &[
    "allowed_ips",
    "created_at",
    "data",
    "description",
    "effective_scopes",
    "expires_at",
    "expires_in_days",
    "grace_seconds",
    "id",
    "last_used_at",
    "last_used_ip",
    "metadata",
    "name",
    "next_cursor",
    "not_before",
    "page",
    "page_size",
    "revoked_at",
    "revoked_by",
    "revoked_reason",
    "scopes",
    "status",
    "token",
    "token_prefix",
    "token_suffix",
    "total",
    "updated_at",
    "user_id",
    "version",
];

/// The fields with lists of scopes.
const SCOPES: [&str; 2] = ["scopes", "effective_scopes"];

/// The names of fields in the API of a user's own tokens: in requests, responses and the pointers of errors. Default: the
/// names of [`FIELDS`]. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldNames(Arc<Names>);

#[derive(Debug, Default, PartialEq, Eq)]
struct Names {
    /// A field of [`FIELDS`] and its other name.
    renamed: Vec<(&'static str, String)>,
    /// Whether scopes are one text, separated by spaces, instead of a list.
    scopes_as_text: bool,
}

/// Why names of fields are invalid.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FieldNamesError {
    /// Tokens have no such field.
    #[error("{0} is not a field of tokens")]
    NoSuchField(String),
    /// The name is not a word.
    #[error("the name of {0} must be a letter, then letters, digits or `_`, at most 40 characters")]
    NotAWord(String),
    /// Two fields would have the same name.
    #[error("{0} would be the name of two fields")]
    Ambiguous(String),
}

impl FieldNames {
    /// Each pair is a field of [`FIELDS`] and its name. With `scopes_as_text`, scopes are one text, separated by spaces.
    ///
    /// # Errors
    /// [`FieldNamesError`] names the first fault.
    pub fn new(pairs: &[(String, String)], scopes_as_text: bool) -> Result<Self, FieldNamesError> {
        let mut renamed = Vec::new();
        for (field, name) in pairs {
            let known = FIELDS.iter().find(|known| *known == field);
            let known = *known.ok_or_else(|| FieldNamesError::NoSuchField(field.clone()))?;
            let is_word = name.starts_with(|c: char| c.is_ascii_alphabetic())
                && name.len() <= 40
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            if !is_word {
                return Err(FieldNamesError::NotAWord(field.clone()));
            }
            if renamed.iter().any(|(earlier, _)| *earlier == known) {
                return Err(FieldNamesError::Ambiguous(field.clone()));
            }
            renamed.push((known, name.clone()));
        }
        let names = Self(Arc::new(Names { renamed, scopes_as_text }));
        for (index, field) in FIELDS.iter().enumerate() {
            let name = names.name(field);
            if FIELDS.iter().skip(index + 1).any(|other| names.name(other) == name) {
                return Err(FieldNamesError::Ambiguous(name.to_owned()));
            }
        }
        Ok(names)
    }

    /// Whether these are the default names.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self.0 == Names::default()
    }

    /// Whether scopes are one text, separated by spaces.
    #[must_use]
    pub fn scopes_as_text(&self) -> bool {
        self.0.scopes_as_text
    }

    /// The fields with other names, each with its name.
    pub fn renamed(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.renamed.iter().map(|(field, name)| (*field, name.as_str()))
    }

    /// The name of a field.
    #[must_use]
    pub fn name<'n>(&'n self, field: &'n str) -> &'n str {
        self.renamed().find(|(known, _)| *known == field).map_or(field, |(_, name)| name)
    }

    fn field<'n>(&'n self, name: &'n str) -> Option<&'n str> {
        match self.renamed().find(|(_, known)| *known == name) {
            Some((field, _)) => Some(field),
            None if self.name(name) == name => Some(name),
            // The field has another name here.
            None => None,
        }
    }

    /// The body of a request under the default names.
    ///
    /// # Errors
    /// A field under its default name although it has another one: otherwise it could be sent twice.
    pub(crate) fn read(&self, body: Value) -> Result<Value, FieldProblem> {
        let Value::Object(object) = body else { return Ok(body) };
        let mut read = Map::new();
        for (name, value) in object {
            let Some(field) = self.field(&name) else {
                let detail = format!("This field is called {} here.", self.name(&name));
                return Err(FieldProblem::new("", "unknown_field", detail));
            };
            let value = match value {
                Value::String(text) if self.0.scopes_as_text && field == "scopes" => {
                    Value::from(text.split(' ').filter(|scope| !scope.is_empty()).collect::<Vec<_>>())
                }
                Value::Array(_) if self.0.scopes_as_text && field == "scopes" => {
                    let detail = "Must be a string of scopes, separated by spaces.";
                    return Err(FieldProblem::new("/scopes", "invalid_type", detail));
                }
                value => value,
            };
            read.insert(field.to_owned(), value);
        }
        Ok(Value::Object(read))
    }

    /// The body of a response, a token or a list of tokens, under these names.
    fn write(&self, body: Value) -> Value {
        let Value::Object(object) = body else { return body };
        let renamed = |(field, value): (String, Value)| {
            let value = match value {
                Value::Array(items) if field == "data" => {
                    items.into_iter().map(|item| self.write(item)).collect::<Vec<_>>().into()
                }
                Value::Array(scopes) if self.0.scopes_as_text && SCOPES.contains(&field.as_str()) => {
                    scopes.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ").into()
                }
                value => value,
            };
            (self.name(&field).to_owned(), value)
        };
        Value::Object(object.into_iter().map(renamed).collect())
    }

    /// The pointer to a field of a request under these names.
    fn pointer(&self, pointer: &str) -> String {
        let Some(rest) = pointer.strip_prefix('/') else { return pointer.to_owned() };
        let (field, rest) = rest.split_once('/').map_or((rest, None), |(field, rest)| (field, Some(rest)));
        match rest {
            // The scopes are not a list that could be indexed.
            Some(_) if self.0.scopes_as_text && field == "scopes" => format!("/{}", self.name(field)),
            Some(rest) => format!("/{}/{rest}", self.name(field)),
            None => format!("/{}", self.name(field)),
        }
    }

    /// Applies the names to the responses of a route. The bodies of requests are read under them by
    /// [`StrictJson`](crate::StrictJson) and [`OptionalJson`](crate::OptionalJson).
    pub(crate) fn wrap(&self, route: Route) -> Route {
        let names = self.clone();
        route.wrap(from_fn(move |req, next| rename(names.clone(), req, next)))
    }
}

async fn rename<B: MessageBody + 'static>(
    names: FieldNames,
    req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    // The parameters of a query keep their names.
    let has_body = req.method() != Method::GET && req.method() != Method::HEAD;
    let mut response = next.call(req).await?.map_into_boxed_body();
    let problem = response.response_mut().extensions_mut().remove::<Problem>();
    if let Some(mut problem) = problem {
        if has_body {
            problem.rename(|pointer| names.pointer(pointer));
        }
        let body = problem.body();
        response.response_mut().extensions_mut().insert(problem);
        return Ok(response.map_body(|_, _| body));
    }
    let is_json = response.headers().get(CONTENT_TYPE).is_some_and(|value| value == "application/json");
    if !is_json {
        return Ok(response);
    }
    let (req, response) = response.into_parts();
    let (response, body) = response.into_parts();
    let written = body.try_into_bytes().ok().and_then(|body| {
        let value = names.write(serde_json::from_slice(&body).ok()?);
        serde_json::to_vec(&value).ok()
    });
    // A body under the wrong names must not be sent.
    let written = written.ok_or_else(|| ApiError::internal("a response that is no JSON document"))?;
    Ok(ServiceResponse::new(req, response.set_body(BoxBody::new(written))))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names(pairs: &[(&str, &str)]) -> Result<FieldNames, FieldNamesError> {
        let pairs: Vec<_> =
            pairs.iter().map(|(field, name)| ((*field).to_owned(), (*name).to_owned())).collect();
        FieldNames::new(&pairs, false)
    }

    #[test]
    fn names_that_could_be_confused_are_rejected() {
        for (pairs, error) in [
            (&[("secret", "x")][..], FieldNamesError::NoSuchField("secret".to_owned())),
            (&[("token", "9")], FieldNamesError::NotAWord("token".to_owned())),
            (&[("token", "raw token")], FieldNamesError::NotAWord("token".to_owned())),
            (&[("token", "")], FieldNamesError::NotAWord("token".to_owned())),
            (&[("token", "id")], FieldNamesError::Ambiguous("id".to_owned())),
            (&[("token", "key"), ("id", "key")], FieldNamesError::Ambiguous("key".to_owned())),
            (&[("token", "key"), ("token", "raw")], FieldNamesError::Ambiguous("token".to_owned())),
        ] {
            assert_eq!(names(pairs), Err(error), "{pairs:?}");
        }
        assert!(names(&[("token", "id"), ("id", "token")]).is_ok(), "names can be exchanged");
    }

    #[test]
    fn a_body_is_read_and_written_under_the_names() {
        let names = names(&[("token", "raw_token"), ("name", "label"), ("data", "items")]).unwrap();
        let read = names.read(json!({ "label": "a", "metadata": { "name": 1 } })).unwrap();
        assert_eq!(read, json!({ "name": "a", "metadata": { "name": 1 } }));
        assert_eq!(names.read(json!({ "name": "a" })).unwrap_err().code, "unknown_field");
        let token = json!({ "name": "a", "token": "x", "metadata": { "token": 1 } });
        let written = json!({ "label": "a", "raw_token": "x", "metadata": { "token": 1 } });
        assert_eq!(names.write(token.clone()), written);
        assert_eq!(
            names.write(json!({ "data": [token], "total": 1 })),
            json!({ "items": [written], "total": 1 })
        );
        for (pointer, renamed) in
            [("/name", "/label"), ("/metadata/name", "/metadata/name"), ("", ""), ("/scopes/1", "/scopes/1")]
        {
            assert_eq!(names.pointer(pointer), renamed);
        }
    }

    #[test]
    fn scopes_can_be_one_text() {
        let names = FieldNames::new(&[("scopes".to_owned(), "scope".to_owned())], true).unwrap();
        assert_eq!(
            names.read(json!({ "scope": "a:read  b" })).unwrap(),
            json!({ "scopes": ["a:read", "b"] })
        );
        assert_eq!(names.read(json!({ "scope": ["a:read"] })).unwrap_err().pointer, "/scopes");
        let token = json!({ "scopes": ["a:read", "b"], "effective_scopes": [], "allowed_ips": [] });
        assert_eq!(
            names.write(token),
            json!({ "scope": "a:read b", "effective_scopes": "", "allowed_ips": [] })
        );
        assert_eq!(names.pointer("/scopes/1"), "/scope");
    }
}
