//! The token of a request, before anything is verified.

use http::{HeaderMap, header::AUTHORIZATION};
use tokenry_service::presented::{BearerError, MAX_CREDENTIAL, bearer};

use crate::rejected::Rejected;

/// The one bearer credential of a request.
pub(crate) fn credential(headers: &HeaderMap) -> Result<&[u8], Rejected> {
    let lines = headers.get_all(AUTHORIZATION).iter().map(|line| line.as_bytes());
    let credential = bearer(lines).map_err(|error| match error {
        BearerError::Missing => Rejected::AuthenticationRequired,
        BearerError::Malformed => Rejected::MalformedCredential,
    })?;
    let is_too_long = headers.get(AUTHORIZATION).is_none_or(|header| header.len() > MAX_CREDENTIAL);
    if is_too_long { Err(Rejected::InvalidToken) } else { Ok(credential) }
}
