//! Units of work that change no access rights: they record uses, sessions seen and rejected requests.

use std::{collections::HashSet, net::IpAddr};

use tokenry_domain::{AuditEvent, SessionId, TokenId, UnixMillis, UsageCount, UsageKey};

use crate::{
    audit::{self, ChainHasher},
    error::StoreError,
    session,
    store::Store,
    token,
    tx::Tx,
    usage::{self, scopes, scopes::ScopeUse},
};

/// The transaction of a bookkeeping unit. It is limited to its methods, so that a change of access rights cannot be written
/// as bookkeeping: a method added here must not change any value that verification depends on, other than the last use of
/// a token.
pub struct Bookkeeping<'t, 'c>(&'t mut Tx<'c>);

impl Store {
    /// Runs `work` like [`write`](Self::write), but waits for no node: rows in their memory still lead to the same
    /// decisions.
    ///
    /// # Errors
    /// The same.
    pub fn write_bookkeeping<T, E>(
        &self,
        work: impl FnOnce(&mut Bookkeeping<'_, '_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.run(move |tx| work(&mut Bookkeeping(tx)))
    }
}

impl Bookkeeping<'_, '_> {
    /// [`token::try_lock_all`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn try_lock_all(&mut self, ids: &[TokenId]) -> Result<Vec<TokenId>, StoreError> {
        token::try_lock_all(self.0, ids)
    }

    /// Whether there is such a token.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn has_token(&mut self, id: TokenId) -> Result<bool, StoreError> {
        Ok(token::find(self.0, id)?.is_some())
    }

    /// [`token::mark_used`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn mark_used(&mut self, id: TokenId, at: UnixMillis, ip: Option<IpAddr>) -> Result<bool, StoreError> {
        token::mark_used(self.0, id, at, ip)
    }

    /// [`usage::add`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn add_uses(&mut self, uses: &[(&UsageKey, UsageCount)]) -> Result<HashSet<TokenId>, StoreError> {
        usage::add(self.0, uses)
    }

    /// [`usage::purge`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn purge_uses(&mut self, cutoff: UnixMillis, limit: u16) -> Result<usize, StoreError> {
        usage::purge(self.0, cutoff, limit)
    }

    /// [`usage::delete_in_batches`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn delete_uses(&mut self, tokens: &[TokenId], limit: u16) -> Result<usize, StoreError> {
        usage::delete_in_batches(self.0, tokens, limit)
    }

    /// [`scopes::mark`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn mark_scopes(&mut self, uses: &[ScopeUse]) -> Result<HashSet<TokenId>, StoreError> {
        scopes::mark(self.0, uses)
    }

    /// [`session::mark_seen`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn mark_seen(&mut self, id: SessionId, at: UnixMillis) -> Result<bool, StoreError> {
        session::mark_seen(self.0, id, at)
    }

    /// [`audit::append_all`], for events without a change, such as rejected requests.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn append(&mut self, events: &[AuditEvent], link: ChainHasher) -> Result<(), StoreError> {
        audit::append_all(self.0, events, link)
    }
}
