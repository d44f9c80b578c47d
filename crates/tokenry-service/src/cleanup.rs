//! Tell of tokens whose time ran out, and remove those that nobody needs to see any more.

use serde_json::Map;
use tokenry_domain::{EventKind, ExpiryCutoffs, Lifetime, Limits, TokenId, UnixMillis, UserId};
use tokenry_store::{
    StoreError, Tx,
    cleanup::{self, CleanupRange},
};

use crate::{
    audit::{AuditContext, append},
    caller::RequestContext,
    caller_lock::CallerLock,
    clock::ClockFault,
    denial::Denial,
    required::admin_write,
    tokenry::Tokenry,
};

/// How many rows one unit of work touches, so that a long cleanup keeps nobody waiting.
const BATCH: u16 = 200;
/// How many rows of uses one unit of work removes before their tokens go.
const DRAINED: u16 = 5000;

/// What a cleanup did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CleanupReport {
    /// Tokens whose time ran out and that the audit log was told of now.
    pub expired: usize,
    /// Sessions that were over and that nobody came back with.
    pub ended_sessions: usize,
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
    /// The clock of this node may be far ahead; what is removed by a wrong clock does not come back.
    #[error("{0}; nothing was cleaned up")]
    Clock(ClockFault),
}

impl Tokenry {
    /// [`cleanup`](Self::cleanup) by a clock that is compared first: what a wrong one removes does not come back.
    ///
    /// # Errors
    /// [`CleanupError`]; the database must answer about its clock.
    pub fn cleanup_by_clock(&self, context: &RequestContext) -> Result<CleanupReport, CleanupError> {
        context.caller.require(&admin_write())?;
        self.check_clock(context.now)?;
        self.cleanup(context)
    }

    /// Tells the audit log of every token whose time ran out since the last time, ends the sessions that are over, and
    /// removes tokens that have been dead for longer than the settings keep them, at least for the hour in which they count as creations, and counts of
    /// uses that are older than the settings keep those. Safe to run on several nodes at once.
    ///
    /// # Errors
    /// [`CleanupError`]. A right that the database refuses keeps nothing back but what needs it, and is the error at the end.
    pub fn cleanup(&self, context: &RequestContext) -> Result<CleanupReport, CleanupError> {
        context.caller.require(&admin_write())?;
        if let Some(fault) = self.untrusted_clock() {
            return Err(CleanupError::Clock(fault));
        }
        let mut refused = None;
        let mut part = |done: Result<usize, CleanupError>| match done {
            Err(CleanupError::Store(error @ StoreError::Unusable(_))) => {
                refused.get_or_insert(error);
                Ok(0)
            }
            done => done,
        };
        let told = self.tell_expired(context);
        let is_told = told.is_ok();
        let mut cleaned = CleanupReport { expired: part(told)?, ..CleanupReport::default() };
        cleaned.ended_sessions = part(self.end_dead_sessions(context))?;
        let kept = |kept: Lifetime| context.now.checked_sub(kept.max(Limits::CREATION_WINDOW));
        if let Some(cutoff) = self.0.usage.retention.and_then(kept) {
            cleaned.purged_uses = part(self.purge_uses(cutoff))?;
        }
        // No token goes whose end the audit log was not told of.
        if let Some(cutoff) = self.0.retention.and_then(kept).filter(|_| is_told) {
            cleaned.purged_tokens = part(self.purge_tokens(&self.0.rules.cutoffs(context.now), cutoff))?;
        }
        refused.map_or(Ok(cleaned), |error| Err(error.into()))
    }

    fn tell_expired(&self, context: &RequestContext) -> Result<usize, CleanupError> {
        let cutoffs = self.0.rules.cutoffs(context.now);
        let tell = |ids: Vec<TokenId>| {
            let (audit, caller) = (AuditContext::of(context), context.caller.clone());
            self.0.store.write(move |tx| {
                let (lock, _) = CallerLock::take(tx, &caller, &[])?;
                lock.recheck::<CleanupError>(tx, &cutoffs)?;
                let expired = cleanup::take_expired(tx, &cutoffs, &ids)?;
                let told = |(token, owner): &(TokenId, UserId)| {
                    audit.event(EventKind::TokenExpired, Some(*owner), Some(*token), Map::new())
                };
                append(tx, &expired.iter().map(told).collect::<Vec<_>>())?;
                Ok::<_, CleanupError>(expired.len())
            })
        };
        // Whoever is not entitled any more is refused also when there is nothing to tell.
        tell(Vec::new())?;
        let forget = |ids: Vec<TokenId>| {
            Ok(self.0.store.write(move |tx| cleanup::clear_expiry(tx, &cutoffs, &ids))?)
        };
        self.walk(|tx, span| cleanup::find_unexpired(tx, &cutoffs, span), forget)?;
        self.walk(|tx, span| cleanup::find_expired(tx, &cutoffs, span), tell)
    }

    fn purge_tokens(&self, cutoffs: &ExpiryCutoffs, cutoff: UnixMillis) -> Result<usize, CleanupError> {
        let cutoffs = *cutoffs;
        let purge = |ids: Vec<TokenId>| {
            delete_in_batches(|| {
                let going = ids.clone();
                self.0
                    .store
                    .write(move |tx| cleanup::delete_dead_uses(tx, (&cutoffs, cutoff), &going, DRAINED))
            })?;
            Ok(self.0.store.write(move |tx| cleanup::purge_tokens(tx, (&cutoffs, cutoff), &ids))?)
        };
        self.walk(|tx, span| cleanup::find_dead(tx, &cutoffs, cutoff, span), purge)
    }

    /// Goes once through all tokens and hands what `find` finds to `act`, batch by batch; the sum of what it answers.
    fn walk(
        &self,
        find: impl Fn(&mut Tx<'_>, CleanupRange) -> Result<Vec<TokenId>, StoreError>,
        act: impl Fn(Vec<TokenId>) -> Result<usize, CleanupError>,
    ) -> Result<usize, CleanupError> {
        let (mut done, mut before) = (0, None);
        loop {
            let found = self.0.store.read(|tx| match cleanup::next_range(tx, before)? {
                Some(span) => Ok::<_, StoreError>(Some((span, find(tx, span)?))),
                None => Ok(None),
            })?;
            let Some((span, ids)) = found else { return Ok(done) };
            for batch in ids.chunks(BATCH.into()) {
                done += act(batch.to_vec())?;
            }
            before = Some(span);
        }
    }

    /// Removes what these tokens were used for, in units so small that nobody waits long for one.
    pub(crate) fn drain_uses(&self, tokens: &[TokenId]) -> Result<(), StoreError> {
        for batch in tokens.chunks(BATCH.into()) {
            delete_in_batches(|| {
                let batch = batch.to_vec();
                self.0.store.write_bookkeeping(move |tx| tx.delete_uses(&batch, DRAINED))
            })?;
        }
        Ok(())
    }

    fn purge_uses(&self, cutoff: UnixMillis) -> Result<usize, CleanupError> {
        let mut purged = 0;
        loop {
            let removed = self.0.store.write_bookkeeping(move |tx| tx.purge_uses(cutoff, BATCH))?;
            purged += removed;
            if removed < usize::from(BATCH) {
                return Ok(purged);
            }
        }
    }
}

/// Repeats a unit that removes uses until it finds too few for another one.
fn delete_in_batches(mut unit: impl FnMut() -> Result<usize, StoreError>) -> Result<(), StoreError> {
    while unit()? >= usize::from(DRAINED) {}
    Ok(())
}
