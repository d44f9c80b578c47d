//! Lists the history of one token for its owner.

use std::collections::HashSet;

use tokenry_domain::{Actor, AuditEvent, ClientInfo, PageSize, TokenId, User};
use tokenry_store::{
    StoreError, Tx,
    audit::{self, AuditEntry, AuditFilter},
    token,
};

use crate::{
    caller::RequestContext,
    owner::visible_owner,
    page::{Cursors, Page},
    read_error::ReadError,
    required::tokens_read,
    tokenry::Tokenry,
};

/// An event in the history of a token.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TokenEvent {
    /// Its sequence number in the audit log.
    pub seq: i64,
    /// The event; its client is empty if another user caused it.
    pub event: AuditEvent,
}

/// One page of the history of a token, newest first.
pub type TokenEventPage = Page<TokenEvent>;

impl Tokenry {
    /// Returns one page of the history of a token, live or dead. Events by other users, such as an administrator, omit
    /// the client; the actor of a deleted token counts as another user.
    ///
    /// # Errors
    /// [`ReadError::Denied`], [`ReadError::NotFound`], [`ReadError::BadCursor`], [`ReadError::Store`].
    pub fn token_events(
        &self,
        context: &RequestContext,
        id: TokenId,
        size: PageSize,
        cursor: Option<&str>,
    ) -> Result<TokenEventPage, ReadError> {
        context.caller.require(&tokens_read())?;
        let cursors = Cursors::new(&self.0.cursor_key, &context.caller, "token events", id);
        let before = cursors.position(cursor)?;
        let filter = AuditFilter::default().token(id);
        self.0.store.read(|tx| {
            let token = token::find(tx, id)?.ok_or(ReadError::NotFound)?;
            visible_owner(tx, &context.caller, &token)?.ok_or(ReadError::NotFound)?;
            let entries = audit::search(tx, &filter, before, size.get() + 1)?;
            let Page { items, next_cursor } = Page::cut(entries, size, &cursors, |last| last.seq);
            let items = match context.caller.user() {
                Some(viewer) => without_foreign_clients(tx, items, viewer)?,
                None => items.into_iter().map(TokenEvent::from).collect(),
            };
            Ok(Page { items, next_cursor })
        })
    }
}

impl From<AuditEntry> for TokenEvent {
    fn from(AuditEntry { seq, event, .. }: AuditEntry) -> Self {
        Self { seq, event }
    }
}

/// SECURITY: the owner of a token must not see the addresses of other users, such as administrators.
fn without_foreign_clients(
    tx: &mut Tx<'_>,
    entries: Vec<AuditEntry>,
    viewer: &User,
) -> Result<Vec<TokenEvent>, StoreError> {
    let acting: HashSet<TokenId> =
        entries.iter().filter_map(|entry| acting_token(entry.event.actor)).collect();
    let acting: Vec<TokenId> = acting.into_iter().collect();
    let own_tokens = token::owned(tx, viewer.id, &acting)?;
    let mut events: Vec<TokenEvent> = entries.into_iter().map(TokenEvent::from).collect();
    for TokenEvent { event, .. } in &mut events {
        let is_own = match event.actor {
            // These come from the holder of the token's secret, whose addresses the usage log shows as well.
            Actor::System => true,
            Actor::User(id) => id == viewer.id,
            Actor::Token(id) => own_tokens.contains(&id),
            Actor::Operator => false,
        };
        if !is_own {
            event.client = ClientInfo::default();
        }
    }
    Ok(events)
}

fn acting_token(actor: Actor) -> Option<TokenId> {
    match actor {
        Actor::Token(id) => Some(id),
        Actor::System | Actor::Operator | Actor::User(_) => None,
    }
}
