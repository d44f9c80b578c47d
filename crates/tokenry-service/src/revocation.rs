//! Revokes a token in a transaction.

use serde_json::{Map, Value};
use tokenry_domain::{EventKind, Reason, Revocation, TokenId, UserId};
use tokenry_store::{StoreError, Tx, token};

use crate::{audit::AuditContext, session::ended::EndedSessions};

/// Marks a token as revoked and records it, with the reason and other fields, unless it was revoked before.
pub(crate) fn revoke(
    tx: &mut Tx<'_>,
    id: TokenId,
    owner: UserId,
    audit: &AuditContext,
    reason: Option<Reason>,
    mut fields: Map<String, Value>,
) -> Result<bool, StoreError> {
    let why = reason.as_ref().map_or(Value::Null, |reason| Value::from(reason.as_str()));
    fields.insert("reason".to_owned(), why);
    let revocation = Revocation { at: audit.at, by: audit.actor, reason };
    let is_first = token::mark_revoked(tx, id, &revocation)?;
    if is_first {
        let sessions = EndedSessions::of_token(tx, id)?;
        audit.record(tx, EventKind::TokenRevoked, owner, Some(id), fields)?;
        sessions.record(tx, audit)?;
    }
    Ok(is_first)
}
