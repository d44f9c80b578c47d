//! Buffers when and from where each token was last used.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    time::Duration,
};

use tokenry_domain::{TokenId, UnixMillis};
use tokenry_store::{Store, StoreError};

use super::sharded::Sharded;
use crate::{
    periodic::FlushOutcome,
    unwritten::{Taken, count},
    verified::VerifiedToken,
};

/// The maximum number of pending tokens in one shard; further tokens are dropped until the next write.
const MAX_PENDING: usize = 25_000;
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
#[derive(Default)]
pub(super) struct LastUsed {
    sharded: Sharded<LastUses>,
    taken: Taken,
}

type LastUses = HashMap<TokenId, LastUse>;
type LastUse = (UnixMillis, Option<IpAddr>);

impl LastUsed {
    pub(super) fn record(&self, token: &UsedToken, at: UnixMillis, source: Option<IpAddr>) {
        let is_recent = token.last_used_at.is_some_and(|last| at.since(last) < COALESCED);
        if !(is_recent && token.last_used_ip == source) {
            keep_latest(&mut self.sharded.mine(), MAX_PENDING, token.id, (at, source));
        }
    }

    pub(super) fn write(&self, store: &Store) -> Result<FlushOutcome, StoreError> {
        let uses = self.take();
        self.taken.add(count(uses.len()));
        let mut left = FlushOutcome::Complete;
        for (index, batch) in uses.chunks(BATCH).enumerate() {
            match write_batch(store, batch.to_vec()) {
                Ok(held) => {
                    self.requeue(&held);
                    self.taken.settle(count(batch.len()));
                    if !held.is_empty() {
                        left = FlushOutcome::Incomplete;
                    }
                }
                Err(error) => {
                    // The first failure ends the flush: the next batch would wait for the same lock or timeout again.
                    let rest = uses.get(index * BATCH..).unwrap_or_default();
                    self.requeue(rest);
                    self.taken.settle(count(rest.len()));
                    return Err(error);
                }
            }
        }
        Ok(left)
    }

    /// How many tokens have an unwritten last use.
    pub(super) fn unwritten(&self) -> u64 {
        let pending: HashSet<TokenId> =
            self.sharded.all().flat_map(|stripe| stripe.keys().copied().collect::<Vec<_>>()).collect();
        self.taken.get() + count(pending.len())
    }

    fn take(&self) -> Vec<(TokenId, LastUse)> {
        let mut newest = LastUses::new();
        for mut stripe in self.sharded.all() {
            for (id, used) in stripe.drain() {
                keep_latest(&mut newest, usize::MAX, id, used);
            }
        }
        newest.into_iter().collect()
    }

    fn requeue(&self, uses: &[(TokenId, LastUse)]) {
        let mut stripe = self.sharded.mine();
        for (id, used) in uses {
            keep_latest(&mut stripe, MAX_PENDING, *id, *used);
        }
    }
}

/// Keeps the latest use of each token, of at most `max` tokens.
fn keep_latest(pending: &mut LastUses, max: usize, id: TokenId, used: LastUse) {
    if pending.len() >= max && !pending.contains_key(&id) {
        return;
    }
    let known = pending.entry(id).or_insert(used);
    if known.0 < used.0 {
        *known = used;
    }
}

/// Writes the tokens that are not locked by another transaction. Returns the locked ones, to be retried, without those
/// that were deleted.
fn write_batch(store: &Store, uses: Vec<(TokenId, LastUse)>) -> Result<Vec<(TokenId, LastUse)>, StoreError> {
    store.write_bookkeeping(move |tx| {
        let ids: Vec<TokenId> = uses.iter().map(|(id, _)| *id).collect();
        let free: HashSet<TokenId> = tx.lock_free(&ids)?.into_iter().collect();
        let (free, held): (Vec<_>, Vec<_>) = uses.into_iter().partition(|(id, _)| free.contains(id));
        for (id, (at, ip)) in free {
            tx.mark_used(id, at, ip)?;
        }
        let mut left = Vec::new();
        for (id, used) in held {
            if tx.has_token(id)? {
                left.push((id, used));
            }
        }
        Ok(left)
    })
}
