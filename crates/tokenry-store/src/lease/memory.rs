//! What a node remembers, shared by the feed, which adds to it, the journal, which writes it, and whoever asks for it.

use std::{
    sync::{Arc, Condvar, Mutex, OnceLock, PoisonError, atomic::AtomicBool},
    time::Duration,
};

use super::{history::History, locked, statements};
use crate::history::{JournalState, LossReport, Reapply};

/// What this node remembers, and what to do when the database has lost it.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) reapply: OnceLock<Arc<Reapply>>,
    pub(super) history: Mutex<History>,
    /// Notified when it was changed.
    pub(super) changed: Condvar,
    pub(super) report: Mutex<LossReport>,
    /// Whether the loss that is pending was logged.
    pub(super) is_logged: AtomicBool,
}

impl Memory {
    /// Remembers those events that took something away.
    pub(super) fn observe(&self, events: &[statements::Change]) {
        locked(&self.history).observe(events);
        self.changed.notify_one();
    }

    /// Waits until there is more to write than this version, at most for `span`.
    pub(super) fn wait_for_changes(&self, written: (u64, u64), span: Duration) {
        let is_same = |history: &mut History| history.version() == written;
        let waited = self.changed.wait_timeout_while(locked(&self.history), span, is_same);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn set_journal_state(&self, state: JournalState) {
        locked(&self.report).journal = state;
    }

    /// Wakes the journal, whose stop was requested.
    pub(super) fn wake_journal(&self) {
        // Its thread may be about to wait.
        drop(locked(&self.history));
        self.changed.notify_all();
    }

    /// Notes that something was lost, until it is in force again.
    pub(super) fn note_loss(&self) {
        let mut report = locked(&self.report);
        report.is_pending = self.reapply.get().is_some();
    }

    /// Whether these events of the database, read after `applied`, continue the chain that this node has followed.
    pub(super) fn is_continued(applied: i64, hash: Option<[u8; 32]>, events: &[statements::Change]) -> bool {
        events.first().is_none_or(|first| {
            first.seq == applied + 1 && (applied == 0 || hash.is_none_or(|hash| hash == first.prev_hash))
        })
    }
}
