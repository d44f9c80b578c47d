//! Checks the clock of this node against a monotonic clock and the database's clock.

pub(crate) mod watch;

use tokenry_domain::UnixMillis;
use tokenry_store::StoreError;

pub use self::watch::ClockFault;
use crate::tokenry::Tokenry;

impl Tokenry {
    /// Compares the clock that reads `now` with a monotonic clock and with the database's clock; on SQLite, which has
    /// no clock, with the newest entry of the audit log. A program calls it at its start and every minute. Changes are
    /// logged once; from the first call on [`cleanup`](Self::cleanup) fails while a fault forbids it. Blocks the
    /// thread.
    ///
    /// # Errors
    /// [`StoreError`]; the previous faults remain.
    pub fn check_clock(&self, now: UnixMillis) -> Result<Vec<ClockFault>, StoreError> {
        let watch = &self.0.clock;
        let begun = watch.elapsed();
        let database = self.0.store.read(tokenry_store::clock::read)?;
        let took = watch.elapsed().saturating_sub(begun);
        Ok(watch.update(now, took, database))
    }

    /// The faults that the last [`check_clock`](Self::check_clock) found; empty before the first call.
    #[must_use]
    pub fn clock_faults(&self) -> Vec<ClockFault> {
        self.0.clock.faults()
    }

    /// Whether the clock that reads `now` may be more than a day ahead. If so, an expiry is rejected but not recorded.
    /// Checked where a credential is rejected, not where it is accepted.
    pub(crate) fn doubts_clock(&self, now: UnixMillis) -> bool {
        self.0.clock.may_be_ahead(now)
    }

    /// The fault that forbids a cleanup by the clock of this node, if there is one.
    pub(crate) fn untrusted_clock(&self) -> Option<ClockFault> {
        self.0.clock.faults().into_iter().find(|fault| fault.forbids_cleanup())
    }
}
