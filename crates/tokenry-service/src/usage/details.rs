//! How many different uses of a token keep their details.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::BuildHasher,
};

use tokenry_domain::{TokenId, UnixMillis};

use super::sharded::Sharded;

/// The combinations of each token in each span, whichever thread counts them, by their hashes. It is asked once for each
/// combination on each thread, not for each use.
#[derive(Default)]
pub(super) struct Details {
    hasher: RandomState,
    /// All of one token are in one stripe, so that the limit is exact.
    sharded: Sharded<HashMap<TokenBuckets, Vec<u64>>>,
}

type TokenBuckets = (TokenId, UnixMillis);

impl Details {
    /// Whether a combination is one of the first so many of its token in its span, where there is room for so many spans
    /// of tokens in each stripe.
    pub(super) fn are_kept(&self, span: TokenBuckets, hash: u64, of_a_token: usize, spans: usize) -> bool {
        // Half of the hash is more than there are stripes.
        let number = u32::try_from(self.hasher.hash_one(span.0) >> 32).unwrap_or_default();
        let mut stripe = self.sharded.numbered(number as usize);
        if stripe.len() >= spans && !stripe.contains_key(&span) {
            return false;
        }
        let known = stripe.entry(span).or_default();
        if known.contains(&hash) {
            return true;
        }
        let has_room = known.len() < of_a_token;
        if has_room {
            known.push(hash);
        }
        has_room
    }

    /// Forgets the spans of before an instant, and gives back what a flood took.
    pub(super) fn forget_before(&self, newest: UnixMillis) {
        for mut stripe in self.sharded.all() {
            stripe.retain(|(_, start), _| *start >= newest);
            if stripe.len() * 8 < stripe.capacity() {
                let room = stripe.len() * 2;
                stripe.shrink_to(room);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn spans(&self) -> usize {
        self.sharded.all().map(|stripe| stripe.len()).sum()
    }
}
