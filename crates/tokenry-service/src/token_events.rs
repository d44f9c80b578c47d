//! The history of one token, as its owner sees it.

use std::collections::HashSet;

use thiserror::Error;
use tokenry_domain::{Actor, AuditEvent, ClientInfo, PageSize, TokenId, User};
use tokenry_store::{
    StoreError, Tx,
    audit::{self, AuditEntry, AuditFilter},
    token,
};

use crate::{
    caller::RequestContext,
    denial::Denial,
    owner::visible_owner,
    page::{Cursors, Forged, Page},
    required::tokens_read,
    tokenry::Tokenry,
};

/// What happened to a token.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenEvent {
    /// Its place in the audit log.
    pub seq: i64,
    /// The event; its origin is left empty if somebody else made it.
    pub event: AuditEvent,
}

/// One page of what happened to a token, newest first.
pub type TokenEventPage = Page<TokenEvent>;

/// Why a token's history is not shown.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TokenEventsError {
    /// The caller may not look at tokens.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// There is no such token, or it is somebody else's: callers cannot tell which.
    #[error("no such token")]
    NotFound,
    /// The cursor was not made by this installation for this caller and this token.
    #[error("the cursor does not belong to this list")]
    BadCursor,
    /// The database did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Tokenry {
    /// One page of the history of a token, alive or dead. What others did to it, such as an administrator, is told
    /// without from where they did it; a token that was removed since counts as somebody else.
    ///
    /// # Errors
    /// [`TokenEventsError`].
    pub fn token_events(
        &self,
        context: &RequestContext,
        id: TokenId,
        size: PageSize,
        cursor: Option<&str>,
    ) -> Result<TokenEventPage, TokenEventsError> {
        context.caller.require(&tokens_read())?;
        let cursors = Cursors::new(&self.0.cursor_key, &context.caller, "token events", id);
        let before = cursors.position(cursor).map_err(|Forged| TokenEventsError::BadCursor)?;
        let filter = AuditFilter { token_id: Some(id), ..AuditFilter::default() };
        self.0.store.read(|tx| {
            let token = token::find(tx, id)?.ok_or(TokenEventsError::NotFound)?;
            visible_owner(tx, &context.caller, &token)?.ok_or(TokenEventsError::NotFound)?;
            let entries = audit::search(tx, &filter, before, size.get() + 1)?;
            let Page { items, next_cursor } = Page::cut(entries, size, &cursors, |last| last.seq);
            let items = match context.caller.user() {
                Some(viewer) => without_strangers(tx, items, viewer)?,
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

/// SECURITY: from where somebody else works, an administrator above all, is not the business of a token's owner. What
/// Tokenry tells by itself comes from whoever had the token's own secret, as the usage log tells as well.
fn without_strangers(
    tx: &mut Tx<'_>,
    links: Vec<AuditEntry>,
    viewer: &User,
) -> Result<Vec<TokenEvent>, StoreError> {
    let acting = |link: &AuditEntry| match link.event.actor {
        Actor::Token(id) => Some(id),
        Actor::System | Actor::Operator | Actor::User(_) => None,
    };
    let acting: HashSet<TokenId> = links.iter().filter_map(acting).collect();
    let own = token::owned(tx, viewer.id, &acting.into_iter().collect::<Vec<_>>())?;
    let is_own = |actor| match actor {
        Actor::System => true,
        Actor::User(id) => id == viewer.id,
        Actor::Token(id) => own.contains(&id),
        Actor::Operator => false,
    };
    let shown = |link: AuditEntry| {
        let TokenEvent { seq, event } = link.into();
        let client = if is_own(event.actor) { event.client } else { ClientInfo::default() };
        TokenEvent { seq, event: AuditEvent { client, ..event } }
    };
    Ok(links.into_iter().map(shown).collect())
}
