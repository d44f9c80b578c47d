//! Records expired tokens in the audit log, ends expired sessions, and removes old tokens and usage rows.

use tokenry_domain::{ExpiryCutoffs, Lifetime, Limits, TokenId, UnixMillis};
use tokenry_store::{
    StoreError, Tx,
    cleanup::{self, CleanupRange},
    sign_in,
};

use crate::{
    audit::{AuditContext, record_expired},
    caller::RequestContext,
    caller_lock::CallerLock,
    clock::ClockFault,
    denial::Denial,
    required::admin_write,
    tokenry::Tokenry,
};

/// How many rows one transaction changes, so that a long cleanup blocks no other writer for long.
const BATCH: u16 = 200;
/// How many usage rows one transaction deletes before their tokens are removed.
const USAGE_BATCH: u16 = 5000;

/// How long a used sign-in at a provider is remembered: far longer than its ID token is accepted.
const USED_SIGN_IN_RETENTION: Lifetime = Lifetime::days(1);

/// What a cleanup changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CleanupReport {
    /// Expired tokens that were recorded in the audit log.
    pub expired: usize,
    /// Expired sessions that were ended.
    pub ended_sessions: usize,
    /// Dead tokens that were removed.
    pub purged_tokens: usize,
    /// Rows of the usage log that were removed.
    pub purged_uses: usize,
}

/// Why a cleanup stopped; changes that were committed before remain.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CleanupError {
    /// The caller lacks `admin:write`.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The clock of this node may be far ahead; rows removed by a wrong clock cannot be restored.
    #[error("{0}; nothing was cleaned up")]
    Clock(ClockFault),
}

impl Tokenry {
    /// Checks the clock and then runs [`cleanup`](Self::cleanup): rows removed by a wrong clock cannot be restored.
    ///
    /// # Errors
    /// [`CleanupError`], also if the clock of the database cannot be read.
    pub fn cleanup_by_clock(&self, context: &RequestContext) -> Result<CleanupReport, CleanupError> {
        context.caller.require(&admin_write())?;
        self.check_clock(context.now)?;
        self.cleanup(context)
    }

    /// Records every token that expired since the last cleanup in the audit log, ends expired sessions, and removes
    /// dead tokens and usage counts that are older than the configured retention. A token is kept at least for the hour
    /// in which it counts against the creation limit. Also completes the bookkeeping of imports that were interrupted after
    /// they had activated their tokens. Safe to run on several nodes at once.
    ///
    /// # Errors
    /// [`CleanupError`]. If the database denies a privilege, only the step that needs it is skipped, and the error is
    /// returned at the end.
    pub fn cleanup(&self, context: &RequestContext) -> Result<CleanupReport, CleanupError> {
        context.caller.require(&admin_write())?;
        if let Some(fault) = self.untrusted_clock() {
            return Err(CleanupError::Clock(fault));
        }
        let (rules, mut denied) = (&self.0.rules, None);
        let expired = self.record_expired(context);
        let is_recorded = expired.is_ok();
        let mut report =
            CleanupReport { expired: unless_denied(expired, &mut denied)?, ..CleanupReport::default() };
        unless_denied(self.apply_imports(context.now).map_err(CleanupError::from), &mut denied)?;
        report.ended_sessions = unless_denied(self.end_dead_sessions(context), &mut denied)?;
        unless_denied(self.forget_used_sign_ins(context.now), &mut denied)?;
        if let Some(cutoff) = self.0.usage.retention.and_then(|kept| cutoff(context.now, kept)) {
            report.purged_uses = unless_denied(self.purge_uses(cutoff), &mut denied)?;
        }
        // A token is removed only after its expiry was recorded in the audit log.
        if is_recorded && let Some(cutoff) = self.0.retention.and_then(|kept| cutoff(context.now, kept)) {
            let purged = self.purge_tokens(rules.cutoffs(context.now), cutoff);
            report.purged_tokens = unless_denied(purged, &mut denied)?;
        }
        denied.map_or(Ok(report), |error| Err(error.into()))
    }

    fn forget_used_sign_ins(&self, now: UnixMillis) -> Result<usize, CleanupError> {
        let before = now.saturating_sub(USED_SIGN_IN_RETENTION);
        // A reader decides first, so that a cleanup without work does not occupy the writer.
        if !self.0.store.read(|tx| sign_in::has_used(tx, before))? {
            return Ok(0);
        }
        Ok(self.0.store.write(move |tx| sign_in::forget_used(tx, before))?)
    }

    fn record_expired(&self, context: &RequestContext) -> Result<usize, CleanupError> {
        let cutoffs = self.0.rules.cutoffs(context.now);
        // A caller who is no longer entitled is rejected even if there is nothing to record.
        self.record_expired_batch(context, cutoffs, Vec::new())?;
        self.walk(
            |tx, span| cleanup::find_unexpired(tx, &cutoffs, span),
            |ids| Ok(self.0.store.write(move |tx| cleanup::clear_expiry(tx, &cutoffs, &ids))?),
        )?;
        self.walk(
            |tx, span| cleanup::find_expired(tx, &cutoffs, span),
            |ids| self.record_expired_batch(context, cutoffs, ids),
        )
    }

    fn record_expired_batch(
        &self,
        context: &RequestContext,
        cutoffs: ExpiryCutoffs,
        ids: Vec<TokenId>,
    ) -> Result<usize, CleanupError> {
        let (audit, caller) = (AuditContext::of(context), context.caller.clone());
        self.0.store.write(move |tx| {
            let (lock, _) = CallerLock::take(tx, &caller, &[])?;
            lock.recheck::<CleanupError>(tx, &cutoffs)?;
            let expired = cleanup::record_expiry(tx, &cutoffs, &ids)?;
            record_expired(tx, &audit, &expired)?;
            Ok::<_, CleanupError>(expired.len())
        })
    }

    fn purge_tokens(&self, cutoffs: ExpiryCutoffs, cutoff: UnixMillis) -> Result<usize, CleanupError> {
        self.walk(
            |tx, span| cleanup::find_dead(tx, &cutoffs, cutoff, span),
            |ids| {
                delete_in_batches(|| {
                    let ids = ids.clone();
                    self.0
                        .store
                        .write(move |tx| cleanup::delete_dead_uses(tx, (&cutoffs, cutoff), &ids, USAGE_BATCH))
                })?;
                Ok(self.0.store.write(move |tx| cleanup::purge_tokens(tx, (&cutoffs, cutoff), &ids))?)
            },
        )
    }

    /// Walks once through all tokens, passes the ids that `find` returns to `act` in batches, and returns the sum of
    /// the results.
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

    /// Deletes the usage rows of these tokens in small transactions, so that other writers do not wait long.
    pub(crate) fn delete_usage(&self, tokens: &[TokenId]) -> Result<(), StoreError> {
        for batch in tokens.chunks(BATCH.into()) {
            delete_in_batches(|| {
                let batch = batch.to_vec();
                self.0.store.write_bookkeeping(move |tx| tx.delete_uses(&batch, USAGE_BATCH))
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

/// Repeats a transaction that deletes usage rows until it deletes less than a full batch.
fn delete_in_batches(mut unit: impl FnMut() -> Result<usize, StoreError>) -> Result<(), StoreError> {
    while unit()? >= usize::from(USAGE_BATCH) {}
    Ok(())
}

/// Skips a step for which the database denies a privilege, and keeps the first such error.
fn unless_denied(
    done: Result<usize, CleanupError>,
    denied: &mut Option<StoreError>,
) -> Result<usize, CleanupError> {
    match done {
        Err(CleanupError::Store(error @ StoreError::Unusable(_))) => {
            denied.get_or_insert(error);
            Ok(0)
        }
        done => done,
    }
}

/// What is older than this is removed: at least the hour in which a token counts against the creation limit is kept.
fn cutoff(now: UnixMillis, kept: Lifetime) -> Option<UnixMillis> {
    now.checked_sub(kept.max(Limits::CREATION_WINDOW))
}
