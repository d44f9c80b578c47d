//! The audit entries of sessions, and the sessions that a transaction ends.

use std::collections::HashMap;

use serde_json::Value;
use tokenry_domain::{AuditEvent, EventKind, Session, SessionEnd, SessionId, SessionProof, TokenId, UserId};
use tokenry_store::{StoreError, Tx, session};

use crate::audit::{AuditContext, append, detail};

/// Sessions that this transaction removed, to be recorded at its end: rows are removed before the first audit entry,
/// since the head of the chain is locked last.
#[must_use]
pub(crate) struct EndedSessions(Vec<(Session, SessionEnd)>);

impl EndedSessions {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Removes these sessions. Those that another transaction ended first are recorded by it.
    pub(crate) fn take(tx: &mut Tx<'_>, leaving: Vec<(Session, SessionEnd)>) -> Result<Self, StoreError> {
        let mut leaving: HashMap<SessionId, _> =
            leaving.into_iter().map(|(session, end)| (session.id, (session, end))).collect();
        let ids: Vec<SessionId> = leaving.keys().copied().collect();
        let taken = session::take(tx, &ids)?;
        Ok(Self(taken.into_iter().filter_map(|id| leaving.remove(&id)).collect()))
    }

    /// Removes the sessions that were started with this token, which ends or gets a new secret.
    pub(crate) fn of_token(tx: &mut Tx<'_>, id: TokenId) -> Result<Self, StoreError> {
        let sessions = session::of_token(tx, id)?;
        Self::take(tx, sessions.into_iter().map(|session| (session, SessionEnd::TokenEnded)).collect())
    }

    /// Removes the sessions that were started with one of these tokens, which end.
    pub(crate) fn of_tokens(tx: &mut Tx<'_>, tokens: &[TokenId]) -> Result<Self, StoreError> {
        let sessions = session::of_tokens(tx, tokens)?.into_iter();
        Self::take(tx, sessions.map(|session| (session, SessionEnd::TokenEnded)).collect())
    }

    /// Removes all sessions of a user who is disabled.
    pub(crate) fn of_user(tx: &mut Tx<'_>, id: UserId) -> Result<Self, StoreError> {
        let sessions = session::of_user(tx, id)?;
        Self::take(tx, sessions.into_iter().map(|session| (session, SessionEnd::UserDisabled)).collect())
    }

    /// Removes the sessions that a user started by name rather than with a token: the subject now belongs to another
    /// person.
    pub(crate) fn without_token(tx: &mut Tx<'_>, id: UserId) -> Result<Self, StoreError> {
        let sessions =
            session::of_user(tx, id)?.into_iter().filter(|session| session.proof.token_id().is_none());
        Self::take(tx, sessions.map(|session| (session, SessionEnd::AccountChanged)).collect())
    }

    /// Records the end of each session.
    pub(crate) fn record(&self, tx: &mut Tx<'_>, audit: &AuditContext) -> Result<(), StoreError> {
        append(tx, &self.events(audit))
    }

    /// The audit entries, for a transaction that appends more entries.
    pub(crate) fn events(&self, audit: &AuditContext) -> Vec<AuditEvent> {
        self.0.iter().map(|(session, end)| event(audit, session, Some(*end))).collect()
    }
}

/// Records the start or the end of a session in the audit log.
pub(super) fn record(
    tx: &mut Tx<'_>,
    audit: &AuditContext,
    session: &Session,
    end: Option<SessionEnd>,
) -> Result<(), StoreError> {
    append(tx, &[event(audit, session, end)])
}

/// The entry of the start or the end of a session.
fn event(audit: &AuditContext, session: &Session, end: Option<SessionEnd>) -> AuditEvent {
    let mut fields = detail([
        ("session_id", Value::from(session.id.to_string())),
        ("credential", Value::from(session.proof.as_str())),
    ]);
    if let SessionProof::Provider { id } = &session.proof {
        fields.insert("provider".to_owned(), Value::from(id.as_str()));
    }
    let kind = match end {
        None => EventKind::SessionStarted,
        Some(end) => {
            fields.insert("reason".to_owned(), Value::from(end.as_str()));
            EventKind::SessionEnded
        }
    };
    audit.event(kind, Some(session.user_id), session.proof.token_id(), fields)
}
