//! Tell of tokens whose time ran out, and remove those that nobody needs to see any more.

use serde_json::Map;
use tokenry_domain::{EventKind, Lifetime};
use tokenry_store::{StoreError, Tx, cleanup, usage};

use crate::{
    audit::Signature, caller::Call, denial::Denial, issue::HOUR, tokenry::Tokenry, user::admin_scope,
};

/// How many rows one unit of work touches, so that a long cleanup keeps nobody waiting.
const BATCH: u16 = 200;

/// What a cleanup did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Tokens whose time ran out and that the audit log was told of now.
    pub expired: usize,
    /// Dead tokens that were removed.
    pub purged_tokens: usize,
    /// Rows of the usage log that were removed.
    pub purged_uses: usize,
}

/// Why nothing more was cleaned up; what was done before stays done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CleanupError {
    /// The caller may not administer.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// The database did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Tokenry {
    /// Tells the audit log of every token whose time ran out since the last time, and removes tokens that have been
    /// dead for longer than the settings keep them, at least for the hour in which they count as creations, and counts of
    /// uses that are older than the settings keep those. Safe to run on several nodes at once.
    ///
    /// # Errors
    /// [`CleanupError`].
    pub fn cleanup(&self, call: &Call) -> Result<Cleaned, CleanupError> {
        call.caller.require_current(&admin_scope("write"))?;
        let mut cleaned = Cleaned { expired: self.tell_expired(call)?, ..Cleaned::default() };
        let kept = |kept: Lifetime| call.now.checked_sub(kept.max(HOUR));
        if let Some(cutoff) = self.0.retention.and_then(kept) {
            cleaned.purged_tokens = self.purge(move |tx| cleanup::purge_tokens(tx, cutoff, BATCH))?;
        }
        if let Some(cutoff) = self.0.usage_retention.and_then(kept) {
            cleaned.purged_uses = self.purge(move |tx| usage::purge(tx, cutoff, BATCH))?;
        }
        Ok(cleaned)
    }

    /// Removes batch after batch until one is not full.
    fn purge(
        &self,
        batch: impl Fn(&mut Tx<'_>) -> Result<usize, StoreError> + Copy + Send + 'static,
    ) -> Result<usize, StoreError> {
        let mut purged = 0;
        loop {
            let removed = self.0.store.write(batch)?;
            purged += removed;
            if removed < usize::from(BATCH) {
                return Ok(purged);
            }
        }
    }

    fn tell_expired(&self, call: &Call) -> Result<usize, CleanupError> {
        let horizon = self.0.policy.horizon(call.now);
        let mut told = 0;
        loop {
            let (signature, caller) = (Signature::of(call), call.caller.clone());
            let batch = self.0.store.write(move |tx| {
                if !caller.still_entitled(tx, &horizon)? {
                    return Err(Denial::NoLongerEntitled.into());
                }
                let expired = cleanup::take_expired(tx, &horizon, BATCH)?;
                for (token, owner) in &expired {
                    signature.record(tx, EventKind::TokenExpired, *owner, Some(*token), Map::new())?;
                }
                Ok::<_, CleanupError>(expired.len())
            })?;
            told += batch;
            if batch < usize::from(BATCH) {
                return Ok(told);
            }
        }
    }
}
