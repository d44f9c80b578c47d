//! Buffers when and from where each token was last used.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

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
pub(super) struct LastUsed {
    uses: Coalescer<TokenId, LastUse>,
    /// What this process has written within the span: rows in memory do not show it.
    written: Mutex<HashMap<TokenId, LastUse>>,
}

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

impl LastUse {
    /// Whether a use that was written before is so recent that this one is not.
    fn is_covered_by(&self, before: &Self) -> bool {
        self.at.since(before.at) < COALESCED && self.source == before.source
    }
}

impl LastUsed {
    pub(super) fn new() -> Self {
        Self { uses: Coalescer::new(MAX_PENDING), written: Mutex::default() }
    }

    pub(super) fn record(&self, token: &UsedToken, at: UnixMillis, source: Option<IpAddr>) {
        let used = LastUse { at, source };
        let before = token.last_used_at.map(|at| LastUse { at, source: token.last_used_ip });
        if !before.is_some_and(|before| used.is_covered_by(&before)) {
            self.uses.record(token.id, used);
        }
    }

    pub(super) fn write(&self, store: &Store) -> Result<FlushOutcome, StoreError> {
        self.uses.flush(
            BATCH,
            |_, _| false,
            |batch| {
                let due = self.due(batch);
                if due.is_empty() {
                    return Ok(Vec::new());
                }
                let retried = write_batch(store, due.clone())?;
                let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
                if written.len() >= MAX_PENDING {
                    written.clear();
                }
                written
                    .extend(due.into_iter().filter(|(id, _)| retried.iter().all(|(again, _)| again != id)));
                Ok(retried)
            },
        )
    }

    /// Those that no use of the same token within the span covers that was written before.
    fn due(&self, uses: &[(TokenId, LastUse)]) -> Vec<(TokenId, LastUse)> {
        let newest = uses.iter().map(|(_, used)| used.at).max().unwrap_or(UnixMillis::MIN);
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.retain(|_, before| newest.since(before.at) < COALESCED);
        let is_due = |(id, used): &&(TokenId, LastUse)| {
            !written.get(id).is_some_and(|before| used.is_covered_by(before))
        };
        uses.iter().filter(is_due).copied().collect()
    }

    /// How many tokens have an unwritten last use.
    pub(super) fn unwritten(&self) -> u64 {
        self.uses.unwritten()
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
