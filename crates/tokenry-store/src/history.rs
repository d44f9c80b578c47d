//! Changes that took something away, and what happens when the database loses them.
//!
//! The failover to an asynchronous standby, or a restored backup, makes revocations undone that were answered. On
//! PostgreSQL each node remembers what was taken away within the last hour. When the database has lost some of it, the
//! node applies it again before it decides anything.

use std::{path::Path, sync::Arc};

use serde_json::{Map, Value};
use tokenry_domain::{EventKind, TokenId, UnixMillis, UserId};

use crate::{backend::Backend, error::StoreError, store::Store, tx::Tx};

/// The field of the detail of an event that applies lost changes again: the marks of the events that were lost.
pub const REAPPLIED: &str = "reapplied";

/// A change that took something away, as a node remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RememberedChange {
    /// The number of its event.
    pub seq: i64,
    /// The digest of its event, by which it is told from another event with the same number.
    pub hash: [u8; 32],
    /// What happened; `None` for a kind of a newer release.
    pub kind: Option<EventKind>,
    /// The affected user.
    pub user_id: Option<UserId>,
    /// The affected token.
    pub token_id: Option<TokenId>,
    /// The detail of the event as JSON; empty for a kind that says all.
    pub detail: Box<str>,
}

impl RememberedChange {
    /// Names the event among others.
    #[must_use]
    pub fn mark(&self) -> String {
        self.hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// The detail of the event; empty if it cannot be read.
    #[must_use]
    pub fn fields(&self) -> Map<String, Value> {
        serde_json::from_str(&self.detail).unwrap_or_default()
    }
}

/// What was lost, and the transactions to apply it again.
pub struct LostChanges<'l> {
    /// The lost changes that nobody has applied again yet, oldest first.
    pub changes: &'l [RememberedChange],
    /// The time.
    pub now: UnixMillis,
    pub(crate) run: &'l Run<'l>,
}

/// Applies changes again in a transaction, and returns how many it has applied.
pub(crate) type Transaction<'u> = dyn FnMut(&mut Tx<'_>) -> Result<u64, StoreError> + 'u;
/// Runs a transaction.
pub(crate) type Run<'r> = dyn Fn(&mut Transaction<'_>) -> Result<(), StoreError> + 'r;

impl LostChanges<'_> {
    /// Runs `work` in a transaction and returns after it is durable. It returns how many changes it has applied again.
    /// Unlike [`Store::write`](crate::Store::write) this waits for no node: none decides before it has applied these
    /// changes itself, or has read them.
    ///
    /// # Errors
    /// The error that `work` returns, or [`StoreError::Unavailable`].
    pub fn write(
        &self,
        mut work: impl FnMut(&mut Tx<'_>) -> Result<u64, StoreError>,
    ) -> Result<(), StoreError> {
        (self.run)(&mut work)
    }
}

/// Applies lost changes again. It must do nothing where the database already has the effect, since every node does this at
/// the same time, and the more restrictive thing where it does not know the exact one.
pub type Reapply = dyn Fn(&LostChanges<'_>) -> Result<(), StoreError> + Send + Sync;

/// What a node knows of lost changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LossReport {
    /// How often the database has lost changes since this process started.
    pub losses: u64,
    /// How many events were lost, at most: events that took nothing away are not remembered one by one.
    pub lost_events: u64,
    /// How many changes this process has applied again. Of several nodes one applies a change.
    pub reapplied: u64,
    /// What was lost is not in force again yet, so this process decides nothing.
    pub is_pending: bool,
    /// More was lost than is remembered.
    pub is_incomplete: bool,
    /// The state of the journal.
    pub journal: JournalState,
}

/// The state of the file in which a node keeps what it remembers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum JournalState {
    /// There is none: what this process remembers is lost when it ends.
    #[default]
    Off,
    /// It is written.
    Written,
    /// Another process writes it; this one waits until it ends.
    Locked,
    /// It cannot be written.
    Failed,
}

impl Store {
    /// Remembers what is taken away from now on, and calls `reapply` when the database has lost some of it. Called before
    /// the first verification; only the first call counts. `journal` is a file that keeps it over a restart. On SQLite it
    /// does nothing: its file loses no committed change.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] if the journal is damaged or not one; one that cannot be written is no error.
    pub fn remember_changes(&self, reapply: Arc<Reapply>, journal: Option<&Path>) -> Result<(), StoreError> {
        match &self.opened.backend {
            #[cfg(feature = "sqlite")]
            Backend::Sqlite { .. } => {
                drop((reapply, journal));
                Ok(())
            }
            #[cfg(feature = "postgres")]
            Backend::Postgres { leases, .. } => leases.remember(reapply, journal),
        }
    }

    /// What this process knows of changes that the database has lost.
    #[must_use]
    pub fn losses(&self) -> LossReport {
        match &self.opened.backend {
            #[cfg(feature = "sqlite")]
            Backend::Sqlite { .. } => LossReport::default(),
            #[cfg(feature = "postgres")]
            Backend::Postgres { leases, .. } => leases.losses(),
        }
    }
}
