//! The token of a request, before anything is verified.

use http::{HeaderMap, HeaderValue};
use tokenry_service::{
    CredentialError, CredentialForms, Tokenry,
    presented::{Presented, PresentedError, presented},
};

/// The one credential of a request.
pub(crate) fn credential<'h>(
    headers: &'h HeaderMap,
    forms: &CredentialForms,
    tokenry: &Tokenry,
) -> Result<Presented<'h>, CredentialError> {
    let lines = |name: &str| headers.get_all(name).iter().map(HeaderValue::as_bytes);
    presented(forms, lines, |text| tokenry.has_token_form(text)).map_err(|error| match error {
        PresentedError::Missing => CredentialError::Required,
        PresentedError::Malformed => CredentialError::Malformed,
    })
}
