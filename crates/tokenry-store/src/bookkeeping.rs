//! Units of work that touch nobody's rights: what was used, seen and refused.

use std::{collections::HashSet, net::IpAddr};

use tokenry_domain::{AuditEvent, SessionId, TokenId, UnixMillis, UsageCount, UsageKey};

use crate::{
    audit::{self, ChainHasher},
    backend::{Store, Tx},
    error::StoreError,
    session, token,
    usage::{self, scopes, scopes::ScopeUse},
};

/// The transaction of such a unit. It can do what its methods do and nothing else, so that no change of a right can be
/// taken for one: a method added here must not touch what verification decides by, other than when a token was last used.
pub struct Bookkeeping<'t, 'c>(&'t mut Tx<'c>);

impl Store {
    /// Runs `work` like [`write`](Self::write), but [`changes`](Self::changes) does not count it: rows that were read
    /// before let in whom they would let in now.
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
    /// [`token::lock_free`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn lock_free(&mut self, ids: &[TokenId]) -> Result<Vec<TokenId>, StoreError> {
        token::lock_free(self.0, ids)
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
    pub fn drain_uses(&mut self, tokens: &[TokenId], limit: u16) -> Result<usize, StoreError> {
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

    /// [`audit::append_all`], for what changes nothing, such as refusals.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn append(&mut self, events: &[AuditEvent], link: ChainHasher) -> Result<(), StoreError> {
        audit::append_all(self.0, events, link)
    }
}
