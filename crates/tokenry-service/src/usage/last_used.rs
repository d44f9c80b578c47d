//! When and from where each token was last used.

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

/// How many tokens' last uses may wait in one stripe; further tokens are left out until the next write.
const WAITING: usize = 25_000;
/// How many tokens share one transaction.
const BATCH: usize = 200;
/// A use this soon after the one that is stored, from the same address, is not worth a write.
const COALESCED: Duration = Duration::from_secs(60);

/// What has to be known of a verified token to note its use later, without keeping the whole of it.
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

/// The newest use of each token that waits to be written.
#[derive(Default)]
pub(super) struct LastUsed {
    sharded: Sharded<LastUses>,
    taken: Taken,
}

type LastUses = HashMap<TokenId, LastUse>;
type LastUse = (UnixMillis, Option<IpAddr>);

impl LastUsed {
    pub(super) fn note(&self, token: &UsedToken, at: UnixMillis, source: Option<IpAddr>) {
        let is_recent = token.last_used_at.is_some_and(|last| at.since(last) < COALESCED);
        if !(is_recent && token.last_used_ip == source) {
            wait(&mut self.sharded.mine(), WAITING, token.id, (at, source));
        }
    }

    pub(super) fn write(&self, store: &Store) -> Result<FlushOutcome, StoreError> {
        let uses = self.take();
        self.taken.add(count(uses.len()));
        let mut left = FlushOutcome::Nothing;
        for (index, batch) in uses.chunks(BATCH).enumerate() {
            match write_batch(store, batch.to_vec()) {
                Ok(held) => {
                    self.requeue(&held);
                    self.taken.settle(count(batch.len()));
                    if !held.is_empty() {
                        left = FlushOutcome::Something;
                    }
                }
                Err(error) => {
                    // One refusal is enough: neither the next batch nor, at the end, the next round waits for it again.
                    let rest = uses.get(index * BATCH..).unwrap_or_default();
                    self.requeue(rest);
                    self.taken.settle(count(rest.len()));
                    return Err(error);
                }
            }
        }
        Ok(left)
    }

    /// How many tokens' last uses are not written.
    pub(super) fn unwritten(&self) -> u64 {
        let waiting: HashSet<TokenId> =
            self.sharded.all().flat_map(|stripe| stripe.keys().copied().collect::<Vec<_>>()).collect();
        self.taken.get() + count(waiting.len())
    }

    fn take(&self) -> Vec<(TokenId, LastUse)> {
        let mut newest = LastUses::new();
        for mut stripe in self.sharded.all() {
            for (id, used) in stripe.drain() {
                wait(&mut newest, usize::MAX, id, used);
            }
        }
        newest.into_iter().collect()
    }

    fn requeue(&self, uses: &[(TokenId, LastUse)]) {
        let mut stripe = self.sharded.mine();
        for (id, used) in uses {
            wait(&mut stripe, WAITING, *id, *used);
        }
    }
}

/// Keeps the newest use of each token, of at most so many.
fn wait(waiting: &mut LastUses, most: usize, id: TokenId, used: LastUse) {
    if waiting.len() >= most && !waiting.contains_key(&id) {
        return;
    }
    let known = waiting.entry(id).or_insert(used);
    if known.0 < used.0 {
        *known = used;
    }
}

/// Writes what nobody holds at this moment. Those that somebody changes now are left to be tried again, those that are
/// gone are not.
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
