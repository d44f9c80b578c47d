//! Writes a changed user in a transaction.

use serde_json::{Map, Value};
use tokenry_domain::{EventKind, User};
use tokenry_store::{
    StoreError, Tx,
    tombstone::{self, SubjectTombstone},
    user,
};

use crate::{
    audit::{AuditContext, detail},
    session::ended::EndedSessions,
};

/// Writes a changed user and records the change; `false` when there is no such user.
pub(crate) fn store(
    tx: &mut Tx<'_>,
    before: &User,
    after: &User,
    audit: &AuditContext,
) -> Result<bool, StoreError> {
    if before.subject != after.subject {
        tombstone::clear_disabled(tx, &after.subject)?;
        tombstone::insert(tx, &before.subject, SubjectTombstone::of(before, audit.at))?;
    }
    if !user::update(tx, after)? {
        return Ok(false);
    }
    let sessions = if after.is_disabled() {
        Some(EndedSessions::of_user(tx, after.id)?)
    } else if before.subject != after.subject {
        Some(EndedSessions::without_token(tx, after.id)?)
    } else {
        None
    };
    let mut fields = Map::new();
    for (name, from, to) in [
        ("subject", before.subject.as_str(), after.subject.as_str()),
        ("name", before.name.as_str(), after.name.as_str()),
        ("role", before.role.as_str(), after.role.as_str()),
    ] {
        if from != to {
            fields.insert(name.to_owned(), Value::Object(detail([("from", from.into()), ("to", to.into())])));
        }
    }
    if !fields.is_empty() {
        audit.record(tx, EventKind::UserUpdated, after.id, None, fields)?;
    }
    match (before.is_disabled(), after.is_disabled()) {
        (false, true) => audit.record(tx, EventKind::UserDisabled, after.id, None, Map::new())?,
        (true, false) => audit.record(tx, EventKind::UserEnabled, after.id, None, Map::new())?,
        _ => {}
    }
    sessions.map_or(Ok(()), |sessions| sessions.record(tx, audit))?;
    Ok(true)
}
