//! The audit entry of a change, in the unit of work of the change.

use serde_json::{Map, Value};
use tokenry_domain::{Actor, AuditEvent, EventKind, Origin, TokenId, UnixMillis, UserId};
use tokenry_store::{StoreError, Tx, audit};

use crate::caller::Call;

/// Who did it, when and from where: the part of an entry that all changes of one call share.
#[derive(Clone)]
pub(crate) struct Signature {
    pub(crate) actor: Actor,
    pub(crate) at: UnixMillis,
    pub(crate) origin: Origin,
}

impl Signature {
    pub(crate) fn of(call: &Call) -> Self {
        Self { actor: call.caller.actor(), at: call.now, origin: call.origin.clone() }
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
        let (at, actor, origin) = (self.at, self.actor, self.origin.clone());
        let event = AuditEvent { at, kind, actor, user_id, token_id, origin, detail };
        audit::append(tx, &event, tokenry_crypto::link)
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

/// The fields of an entry's detail.
pub(crate) fn detail<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
