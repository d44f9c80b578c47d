//! Appends the audit entry of a change in the transaction of the change.

use serde_json::{Map, Value};
use tokenry_domain::{Actor, AuditEvent, ClientInfo, EventKind, Token, TokenId, UnixMillis, UserId};
use tokenry_store::{StoreError, Tx, audit};

use crate::caller::RequestContext;

/// Actor, instant and client: the fields that all audit entries of one request share.
#[derive(Clone)]
pub(crate) struct AuditContext {
    pub(crate) actor: Actor,
    pub(crate) at: UnixMillis,
    pub(crate) client: ClientInfo,
    /// Fields that each entry gets which does not have them itself.
    pub(crate) note: Map<String, Value>,
}

impl AuditContext {
    pub(crate) fn new(actor: Actor, at: UnixMillis, client: ClientInfo) -> Self {
        Self { actor, at, client, note: Map::new() }
    }

    pub(crate) fn of(context: &RequestContext) -> Self {
        Self::new(context.caller.actor(), context.now, context.client.clone())
    }

    /// Appends an entry about a user, one of their tokens, or neither if they are unknown.
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

    /// Creates an entry to be appended together with others.
    pub(crate) fn event(
        &self,
        kind: EventKind,
        user_id: Option<UserId>,
        token_id: Option<TokenId>,
        mut detail: Map<String, Value>,
    ) -> AuditEvent {
        for (name, value) in &self.note {
            detail.entry(name).or_insert_with(|| value.clone());
        }
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

/// Records that these tokens have expired, each with its owner.
pub(crate) fn record_expired(
    tx: &mut Tx<'_>,
    audit: &AuditContext,
    tokens: &[(TokenId, UserId)],
) -> Result<(), StoreError> {
    let events: Vec<AuditEvent> = tokens
        .iter()
        .map(|(token, owner)| audit.event(EventKind::TokenExpired, Some(*owner), Some(*token), Map::new()))
        .collect();
    append(tx, &events)
}

/// Appends all entries at once: the lock on the chain's head is shared by all nodes and lasts until the transaction
/// ends.
pub(crate) fn append(tx: &mut Tx<'_>, events: &[AuditEvent]) -> Result<(), StoreError> {
    audit::append_all(tx, events, tokenry_crypto::chain_digest)
}

/// Builds the detail of an entry from its fields.
pub(crate) fn detail<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The detail of the entry for a new token.
pub(crate) fn creation_detail(token: &Token) -> Map<String, Value> {
    detail([
        ("name", Value::from(token.name.as_str())),
        ("scopes", Value::from(token.scopes.to_texts())),
        ("expires_at", token.expires_at.map_or(Value::Null, |end| Value::from(end.to_string()))),
    ])
}
