//! The audit entry of a change, in the unit of work of the change.

use serde_json::{Map, Value};
use tokenry_domain::{Actor, AuditEvent, ClientInfo, EventKind, Token, TokenId, UnixMillis, UserId};
use tokenry_store::{StoreError, Tx, audit};

use crate::caller::RequestContext;

/// Who did it, when and from where: the part of an entry that all changes of one call share.
#[derive(Clone)]
pub(crate) struct AuditContext {
    pub(crate) actor: Actor,
    pub(crate) at: UnixMillis,
    pub(crate) client: ClientInfo,
}

impl AuditContext {
    pub(crate) fn of(context: &RequestContext) -> Self {
        Self { actor: context.caller.actor(), at: context.now, client: context.client.clone() }
    }

    /// Appends an entry about a user or one of their tokens, as far as they are known.
    pub(crate) fn record_about(
        &self,
        tx: &mut Tx<'_>,
        kind: EventKind,
        user_id: Option<UserId>,
        token_id: Option<TokenId>,
        detail: Map<String, Value>,
    ) -> Result<(), StoreError> {
        append(tx, &[self.event(kind, user_id, token_id, detail)])
    }

    /// An entry about a user or one of their tokens, to be appended with others.
    pub(crate) fn event(
        &self,
        kind: EventKind,
        user_id: Option<UserId>,
        token_id: Option<TokenId>,
        detail: Map<String, Value>,
    ) -> AuditEvent {
        let (at, actor, client) = (self.at, self.actor, self.client.clone());
        AuditEvent { at, kind, actor, user_id, token_id, client, detail }
    }

    /// Appends an entry about a user or one of their tokens.
    pub(crate) fn record(
        &self,
        tx: &mut Tx<'_>,
        kind: EventKind,
        user_id: UserId,
        token_id: Option<TokenId>,
        detail: Map<String, Value>,
    ) -> Result<(), StoreError> {
        self.record_about(tx, kind, Some(user_id), token_id, detail)
    }
}

/// Appends entries at once: the end of the chain is everybody's, and is held to the end of the unit.
pub(crate) fn append(tx: &mut Tx<'_>, events: &[AuditEvent]) -> Result<(), StoreError> {
    audit::append_all(tx, events, tokenry_crypto::link)
}

/// The fields of an entry's detail.
pub(crate) fn detail<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// What the audit log tells of a new token.
pub(crate) fn creation_detail(token: &Token) -> Map<String, Value> {
    detail([
        ("name", Value::from(token.name.as_str())),
        ("scopes", Value::from(token.scopes.to_texts())),
        ("expires_at", token.expires_at.map_or(Value::Null, |end| Value::from(end.to_string()))),
    ])
}
