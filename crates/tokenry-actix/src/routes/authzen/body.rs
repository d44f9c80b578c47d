//! The body of a request of the Authorization API.

use std::pin::Pin;

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use serde::de::DeserializeOwned;

use crate::{
    body::{StrictJson, read_errors},
    declared_errors::{DeclareErrors, Errors},
    error::ApiError,
};

/// As [`StrictJson`], but a body that is not a `T` is 400, as the Authorization API has it.
pub(crate) struct EvaluationBody<T>(pub(crate) T);

impl<T: DeserializeOwned + 'static> FromRequest for EvaluationBody<T> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = StrictJson::from_request(req, payload);
        Box::pin(async {
            match body.await {
                Ok(StrictJson(body)) => Ok(Self(body)),
                Err(ApiError::ValidationFailed(errors)) => {
                    let detail = errors
                        .first()
                        .map_or_else(String::new, |error| format!("{}: {}", error.pointer, error.detail));
                    Err(ApiError::InvalidRequest { detail: detail.into() })
                }
                Err(error) => Err(error),
            }
        })
    }
}

impl<T> DeclareErrors for EvaluationBody<T> {
    fn errors() -> Errors {
        read_errors().with(400, "The body is not one JSON value, or a field is unknown, missing or invalid.")
    }
}
