//! Remembers which credentials this process rejected as expired, so that they stay expired when the clock goes back: in
//! this process immediately and while the database is unavailable, on every node once the row is written, after the
//! response.

mod instants;

use std::sync::Arc;

use tokenry_domain::{Actor, ClientInfo, PublicId, Token, TokenId, UnixMillis};
use tokenry_store::{Store, StoreError, cleanup, retired};

use self::instants::RejectionInstants;
use crate::{
    audit::{AuditContext, record_expired},
    coalescer::{Coalesce, Coalescer},
    periodic::FlushOutcome,
    rules::Rules,
};

/// How many of one kind may wait to be written; the next rejection of a credential that was left out tries again.
const MAX_PENDING: usize = 10_000;
/// How many are written in one transaction.
const BATCH: usize = 200;

/// Which credentials this process rejected as expired.
pub(crate) struct ObservedExpiries {
    rules: Arc<Rules>,
    /// Secrets of tokens by their public ids, including retired secrets.
    pub(crate) secrets: RejectionInstants<PublicId>,
    /// Digests of JWTs.
    #[cfg(feature = "jwt")]
    pub(crate) jwts: RejectionInstants<[u8; 32]>,
    /// Expired tokens whose rows are not marked as expired yet.
    tokens: Coalescer<ExpiredToken, Earliest>,
    /// Retired secrets whose rows do not have the end of their grace yet.
    retired: Coalescer<PublicId, Earliest>,
}

/// A token, and the public id with which it was rejected.
type ExpiredToken = (TokenId, PublicId);

/// The earliest instant of a rejection.
#[derive(Clone, Copy)]
struct Earliest(UnixMillis);

impl Coalesce for Earliest {
    fn merge(&mut self, other: Self) {
        self.0 = other.0.min(self.0);
    }
}

impl ObservedExpiries {
    pub(crate) fn new(rules: Arc<Rules>) -> Self {
        Self {
            rules,
            secrets: RejectionInstants::default(),
            #[cfg(feature = "jwt")]
            jwts: RejectionInstants::default(),
            tokens: Coalescer::new(MAX_PENDING),
            retired: Coalescer::new(MAX_PENDING),
        }
    }

    /// Remembers that a token was rejected as expired at `at`, by a clock that is not known to be wrong.
    pub(crate) fn record_token(&self, token: &Token, at: UnixMillis) {
        // Its row already marks it as expired at any instant.
        if self.rules.cutoffs(UnixMillis::MIN).is_expired(token) {
            return;
        }
        self.secrets.record(token.public_id.clone(), at);
        self.tokens.record((token.id, token.public_id.clone()), Earliest(at));
    }

    /// Remembers that a retired secret was rejected at `at` because its grace has ended; `is_by_row` if the row says so,
    /// not only the current policy.
    pub(crate) fn record_retired(&self, public_id: &PublicId, at: UnixMillis, is_by_row: bool) {
        self.secrets.record(public_id.clone(), at);
        if is_by_row {
            self.retired.record(public_id.clone(), Earliest(at));
        }
    }

    /// Writes what is pending. What fails stays pending.
    pub(crate) fn write(&self, store: &Store) -> Result<FlushOutcome, StoreError> {
        self.tokens.flush(
            BATCH,
            |_, _| false,
            |batch| self.write_tokens(store, batch).map(|()| Vec::new()),
        )?;
        self.retired.flush(BATCH, |_, _| false, |batch| self.write_retired(store, batch).map(|()| Vec::new()))
    }

    /// How many expiries are not written.
    pub(crate) fn unwritten(&self) -> u64 {
        self.tokens.unwritten() + self.retired.unwritten()
    }

    fn write_tokens(&self, store: &Store, batch: &[(ExpiredToken, Earliest)]) -> Result<(), StoreError> {
        let Some(at) = batch.iter().map(|(_, Earliest(at))| *at).max() else { return Ok(()) };
        let cutoffs = self.rules.cutoffs(at);
        let ids: Vec<TokenId> = batch.iter().map(|((id, _), _)| *id).collect();
        let recorded = store.write(move |tx| {
            let audit = AuditContext::new(Actor::System, at, ClientInfo::default());
            let recorded = cleanup::record_expiry(tx, &cutoffs, &ids)?;
            record_expired(tx, &audit, &recorded)?;
            Ok::<_, StoreError>(recorded)
        })?;
        // A token that was locked at that moment stays in memory until the next rejection or cleanup writes it.
        for ((id, public_id), _) in batch {
            if recorded.iter().any(|(recorded, _)| recorded == id) {
                self.secrets.forget(public_id);
            }
        }
        Ok(())
    }

    fn write_retired(&self, store: &Store, batch: &[(PublicId, Earliest)]) -> Result<(), StoreError> {
        let rows = batch.to_vec();
        store.write(move |tx| {
            rows.iter()
                .try_for_each(|(public_id, Earliest(at))| retired::end_expired(tx, public_id, *at).map(drop))
        })?;
        batch.iter().for_each(|(public_id, _)| self.secrets.forget(public_id));
        Ok(())
    }
}
