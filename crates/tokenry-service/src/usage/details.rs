//! Limits how many different uses of a token keep their details.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::BuildHasher,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crossbeam_utils::CachePadded;
use tokenry_domain::{TokenId, UnixMillis};

/// The number of shards, so that threads that add new keys rarely wait for each other.
const SHARDS: usize = 16;

/// The hashes of the usage keys of each token in each bucket, for all threads. Consulted once per key and thread, not
/// for each use.
#[derive(Default)]
pub(super) struct Details {
    hasher: RandomState,
    /// All keys of one token are in one shard, so that the limit is exact.
    shards: [CachePadded<Mutex<Shard>>; SHARDS],
}

type Shard = HashMap<TokenBuckets, Vec<u64>>;
type TokenBuckets = (TokenId, UnixMillis);

impl Details {
    /// Whether a key is among the first `of_a_token` keys of its token in its bucket, with room for `spans` buckets of
    /// tokens in each shard.
    pub(super) fn are_kept(&self, span: TokenBuckets, hash: u64, of_a_token: usize, spans: usize) -> bool {
        let mut shard = self.shard_of(span.0);
        if shard.len() >= spans && !shard.contains_key(&span) {
            return false;
        }
        let known = shard.entry(span).or_default();
        if known.contains(&hash) {
            return true;
        }
        let has_room = known.len() < of_a_token;
        if has_room {
            known.push(hash);
        }
        has_room
    }

    /// Removes the buckets before an instant, and releases the memory of a flood.
    pub(super) fn forget_before(&self, newest: UnixMillis) {
        for mut shard in self.shards.iter().map(|shard| locked(shard)) {
            shard.retain(|(_, start), _| *start >= newest);
            if shard.len() * 8 < shard.capacity() {
                let room = shard.len() * 2;
                shard.shrink_to(room);
            }
        }
    }

    fn shard_of(&self, token_id: TokenId) -> MutexGuard<'_, Shard> {
        // Half of the hash is larger than the number of shards.
        let number = u32::try_from(self.hasher.hash_one(token_id) >> 32).unwrap_or_default();
        // The remainder is a valid index, so the default is never used.
        let [first, ..] = &self.shards;
        locked(self.shards.get(number as usize % SHARDS).unwrap_or(first))
    }

    #[cfg(test)]
    pub(super) fn spans(&self) -> usize {
        self.shards.iter().map(|shard| locked(shard).len()).sum()
    }
}

fn locked(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    // A panic cannot leave a half-changed value.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
