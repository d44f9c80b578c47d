//! Checks the clock of this node against a monotonic clock and the database's clock.

pub(crate) mod watch;

use tokenry_domain::UnixMillis;
use tokenry_store::StoreError;

pub use self::watch::ClockFault;
use crate::tokenry::Tokenry;

impl Tokenry {
    /// Compares the clock that says `now` with one that does not step, and with the database's; on SQLite, which has
    /// none, with the newest entry of the audit log. A program calls it at its start and every minute. What changed is
    /// logged once; from the first call on [`cleanup`](Self::cleanup) refuses while a fault forbids it. It blocks the
    /// thread.
    ///
    /// # Errors
    /// [`StoreError`]; what was found before stays.
    pub fn check_clock(&self, now: UnixMillis) -> Result<Vec<ClockFault>, StoreError> {
        let watch = &self.0.clock;
        let begun = watch.elapsed();
        let database = self.0.store.read(tokenry_store::clock::read)?;
        let took = watch.elapsed().saturating_sub(begun);
        Ok(watch.judge(now, took, database))
    }

    /// What the last [`check_clock`](Self::check_clock) found; nothing before the first.
    #[must_use]
    pub fn clock_faults(&self) -> Vec<ClockFault> {
        self.0.clock.faults()
    }

    /// Whether the clock that says `now` may be more than a day ahead, so that nothing lasting is made of what it calls
    /// over: asked where something is refused, not where it is let in.
    pub(crate) fn doubts_clock(&self, now: UnixMillis) -> bool {
        self.0.clock.may_be_ahead(now)
    }

    /// Why nothing may be removed by the clock of this node, if it is so.
    pub(crate) fn untrusted_clock(&self) -> Option<ClockFault> {
        self.0.clock.faults().into_iter().find(|fault| fault.forbids_cleanup())
    }
}
