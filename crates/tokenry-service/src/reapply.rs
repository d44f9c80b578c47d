//! Applies changes again that the database has lost: what was taken away is taken away again.
//!
//! Each lost change was authorized and answered when it was made, so nobody is asked again; what only gave something is not
//! repeated. All lost changes of a token or a user are folded into what they led to, and that is compared with the row as
//! it is now: a row that already is as restricted is left alone, so that several nodes can do this at once and each change
//! is recorded once. Where the exact effect is unknown, the more restrictive thing is done.

mod token;
mod user;

use std::{collections::HashMap, sync::Arc};

use serde_json::{Map, Value};
use tokenry_domain::{Actor, ClientInfo, EventKind, SessionEnd, TokenId, UnixMillis, UserId};
use tokenry_store::{
    StoreError, Tx,
    history::{LostChanges, REAPPLIED, Reapply, RememberedChange},
    session,
};

use crate::{audit::AuditContext, rules::Rules, session::ended::EndedSessions};

/// The reason in the audit log.
const REASON: &str = "reapplied after the database lost it";
/// How many tokens one transaction revokes.
const BATCH: usize = 200;

/// The lost changes of one token, or of one user beside their tokens, oldest first.
struct Lost<'l> {
    token_id: Option<TokenId>,
    user_id: Option<UserId>,
    changes: Vec<&'l RememberedChange>,
}

/// What the store calls when it has found a loss.
pub(crate) fn handler(rules: Arc<Rules>) -> Arc<Reapply> {
    Arc::new(move |lost: &LostChanges<'_>| apply(&rules, lost))
}

fn apply(rules: &Rules, lost: &LostChanges<'_>) -> Result<(), StoreError> {
    let (revoked, others): (Vec<_>, Vec<_>) =
        grouped(lost.changes).into_iter().partition(|group| group.has(EventKind::TokenRevoked));
    for part in revoked.chunks(BATCH) {
        lost.write(|tx| token::revoke_all(tx, part, lost.now))?;
    }
    for group in &others {
        lost.write(|tx| match (group.token_id, group.user_id) {
            (Some(id), _) => token::restrict(tx, rules, group, id, lost.now),
            (None, Some(id)) => user::restrict(tx, rules, group, id, lost.now),
            (None, None) => {
                tracing::error!(kinds = ?group.kinds(), "a lost change of no token and no user cannot be applied again");
                Ok(0)
            }
        })?;
    }
    Ok(())
}

/// The changes by what they are about, in the order in which each was first changed.
fn grouped(changes: &[RememberedChange]) -> Vec<Lost<'_>> {
    let (mut groups, mut places) = (Vec::<Lost<'_>>::new(), HashMap::new());
    for change in changes {
        let key = (change.token_id, change.token_id.map_or(change.user_id, |_| None));
        let place = *places.entry(key).or_insert_with(|| {
            groups.push(Lost { token_id: change.token_id, user_id: change.user_id, changes: Vec::new() });
            groups.len() - 1
        });
        if let Some(group) = groups.get_mut(place) {
            group.changes.push(change);
        }
    }
    groups
}

impl Lost<'_> {
    fn has(&self, kind: EventKind) -> bool {
        self.changes.iter().any(|change| change.kind == Some(kind))
    }

    /// Whether one of them is of a kind that this release does not know.
    fn has_unknown(&self) -> bool {
        self.changes.iter().any(|change| change.kind.is_none())
    }

    fn kinds(&self) -> Vec<Option<EventKind>> {
        self.changes.iter().map(|change| change.kind).collect()
    }

    /// The details of the changes of one kind.
    fn details(&self, kind: EventKind) -> impl Iterator<Item = Map<String, Value>> {
        self.changes.iter().filter(move |change| change.kind == Some(kind)).map(|change| change.fields())
    }

    /// The first old and the last new value of a field, as the updates of one kind recorded them.
    fn values(&self, kind: EventKind, field: &str) -> Option<(Value, Value)> {
        let mut found: Option<(Value, Value)> = None;
        for detail in self.details(kind) {
            let Some(value) = detail.get(field) else { continue };
            let part = |name| value.get(name).cloned().unwrap_or(Value::Null);
            let from = found.take().map_or_else(|| part("from"), |(from, _)| from);
            found = Some((from, part("to")));
        }
        found
    }

    /// The fields that say what is applied again.
    fn note(&self) -> Map<String, Value> {
        let marks: Vec<String> = self.changes.iter().map(|change| change.mark()).collect();
        let mut note = Map::new();
        note.insert("reason".to_owned(), Value::from(REASON));
        note.insert(REAPPLIED.to_owned(), Value::from(marks));
        note
    }

    /// The context of the entries about it.
    fn audit(&self, now: UnixMillis) -> AuditContext {
        AuditContext { note: self.note(), ..AuditContext::new(Actor::System, now, ClientInfo::default()) }
    }

    /// Removes the sessions whose end was lost.
    fn ended_sessions(&self, tx: &mut Tx<'_>) -> Result<EndedSessions, StoreError> {
        let mut leaving = Vec::new();
        for detail in self.details(EventKind::SessionEnded) {
            let text = |name| detail.get(name).and_then(Value::as_str).unwrap_or_default();
            let Ok(id) = text("session_id").parse() else { continue };
            let Some(session) = session::find_by_id(tx, id)? else { continue };
            leaving.push((session, session_end(text("reason"))));
        }
        EndedSessions::take(tx, leaving)
    }
}

/// The end of a session by its name.
fn session_end(name: &str) -> SessionEnd {
    let ends = [
        SessionEnd::Expired,
        SessionEnd::TokenEnded,
        SessionEnd::AddressNotAllowed,
        SessionEnd::UserDisabled,
        SessionEnd::AccountChanged,
        SessionEnd::MethodDisabled,
        SessionEnd::Replaced,
    ];
    ends.into_iter().find(|end| end.as_str() == name).unwrap_or(SessionEnd::SignedOut)
}
