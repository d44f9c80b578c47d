//! Buffers when and from where each token was last used.

use std::{collections::HashSet, net::IpAddr, time::Duration};

use tokenry_domain::{TokenId, UnixMillis};
use tokenry_store::{Store, StoreError};

use crate::{
    coalescer::{Coalesce, Coalescer},
    periodic::FlushOutcome,
    verified::VerifiedToken,
};

/// The maximum number of pending tokens; further tokens are dropped until the next write.
const MAX_PENDING: usize = 400_000;
/// How many tokens are written in one transaction.
const BATCH: usize = 200;
/// A use within this span after the stored one, from the same address, is not written.
const COALESCED: Duration = Duration::from_secs(60);

/// The part of a verified token that is needed to record its use later.
#[derive(Debug, Clone, Copy)]
pub struct UsedToken {
    pub(super) id: TokenId,
    last_used_at: Option<UnixMillis>,
    last_used_ip: Option<IpAddr>,
}

impl From<&VerifiedToken> for UsedToken {
    fn from(verified: &VerifiedToken) -> Self {
        let token = verified.token();
        Self { id: token.id, last_used_at: token.last_used_at, last_used_ip: token.last_used_ip }
    }
}

/// The latest use of each token that is not written yet.
pub(super) struct LastUsed(Coalescer<TokenId, LastUse>);

#[derive(Clone, Copy)]
struct LastUse {
    at: UnixMillis,
    source: Option<IpAddr>,
}

impl Coalesce for LastUse {
    fn merge(&mut self, other: Self) {
        if self.at < other.at {
            *self = other;
        }
    }
}

impl LastUsed {
    pub(super) fn new() -> Self {
        Self(Coalescer::new(MAX_PENDING))
    }

    pub(super) fn record(&self, token: &UsedToken, at: UnixMillis, source: Option<IpAddr>) {
        let is_recent = token.last_used_at.is_some_and(|last| at.since(last) < COALESCED);
        if !(is_recent && token.last_used_ip == source) {
            self.0.record(token.id, LastUse { at, source });
        }
    }

    pub(super) fn write(&self, store: &Store) -> Result<FlushOutcome, StoreError> {
        self.0.flush(BATCH, |_, _| false, |batch| write_batch(store, batch.to_vec()))
    }

    /// How many tokens have an unwritten last use.
    pub(super) fn unwritten(&self) -> u64 {
        self.0.unwritten()
    }
}

/// Writes the tokens that are not locked by another transaction. Returns the locked ones, to be retried, without those
/// that were deleted.
fn write_batch(store: &Store, uses: Vec<(TokenId, LastUse)>) -> Result<Vec<(TokenId, LastUse)>, StoreError> {
    store.write_bookkeeping(move |tx| {
        let ids: Vec<TokenId> = uses.iter().map(|(id, _)| *id).collect();
        let free: HashSet<TokenId> = tx.try_lock_all(&ids)?.into_iter().collect();
        let (free, locked): (Vec<_>, Vec<_>) = uses.into_iter().partition(|(id, _)| free.contains(id));
        for (id, LastUse { at, source }) in free {
            tx.mark_used(id, at, source)?;
        }
        let mut retried = Vec::new();
        for (id, used) in locked {
            if tx.has_token(id)? {
                retried.push((id, used));
            }
        }
        Ok(retried)
    })
}
