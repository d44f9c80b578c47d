//! Limits how many different uses of a token keep their details.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::BuildHasher,
};

use tokenry_domain::{TokenId, UnixMillis};

use super::sharded::Sharded;

/// The hashes of the usage keys of each token in each bucket, for all threads. Consulted once per key and thread, not
/// for each use.
#[derive(Default)]
pub(super) struct Details {
    hasher: RandomState,
    /// All keys of one token are in one shard, so that the limit is exact.
    sharded: Sharded<HashMap<TokenBuckets, Vec<u64>>>,
}

type TokenBuckets = (TokenId, UnixMillis);

impl Details {
    /// Whether a key is among the first `of_a_token` keys of its token in its bucket, with room for `spans` buckets of
    /// tokens in each shard.
    pub(super) fn are_kept(&self, span: TokenBuckets, hash: u64, of_a_token: usize, spans: usize) -> bool {
        // Half of the hash is larger than the number of shards.
        let number = u32::try_from(self.hasher.hash_one(span.0) >> 32).unwrap_or_default();
        let mut shard = self.sharded.numbered(number as usize);
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
        for mut shard in self.sharded.all() {
            shard.retain(|(_, start), _| *start >= newest);
            if shard.len() * 8 < shard.capacity() {
                let room = shard.len() * 2;
                shard.shrink_to(room);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn spans(&self) -> usize {
        self.sharded.all().map(|shard| shard.len()).sum()
    }
}
