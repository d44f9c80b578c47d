//! Looks up the found tokens in the database.

use std::collections::HashMap;

use tokenry_service::{IdentifiedSecret, SecretState, Status as TokenStatus};

use super::finding::{Finding, Status};
use crate::{
    commands::{CommandContext, presented::unavailable},
    output::CliError,
};

/// Sets the status of each token.
///
/// # Errors
/// If the database fails.
pub(super) fn look_up(found: &mut [Finding], context: &CommandContext) -> Result<(), CliError> {
    let mut known = HashMap::new();
    for finding in found {
        let status = match known.get(&*finding.text) {
            Some(status) => status,
            None => &*known.entry(finding.text.to_string()).or_insert(status_of(&finding.text, context)?),
        };
        finding.status = Some(Status::clone(status));
    }
    Ok(())
}

fn status_of(text: &str, CommandContext { tokenry, request }: &CommandContext) -> Result<Status, CliError> {
    let found =
        tokenry.find_by_secret_blocking(text.as_bytes(), request.now).map_err(|error| unavailable(&error))?;
    let Some(IdentifiedSecret { token_id, secret, .. }) = found else {
        return Ok(Status { state: "unknown".to_owned(), token: None });
    };
    let (token, owner) = tokenry.find_token(request, token_id)?;
    let state = match token.status(&tokenry.policy().cutoffs(request.now)) {
        _ if secret == SecretState::Ended => "rotated",
        TokenStatus::Active if owner.is_disabled() => "user_disabled",
        status => status.as_str(),
    };
    Ok(Status { state: state.to_owned(), token: Some((token_id.to_string(), owner.subject.to_string())) })
}
