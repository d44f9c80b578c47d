//! The transaction of a unit of work.

use std::panic::AssertUnwindSafe;

#[cfg(feature = "postgres")]
use diesel::PgConnection;
#[cfg(feature = "sqlite")]
use diesel::SqliteConnection;

use crate::error::StoreError;

/// The transaction of a unit of work; queries take it as their first argument. It does not show the connection: whatever
/// can be done with it is a function of this crate.
pub struct Tx<'c>(pub(crate) AnyConnection<'c>, pub(crate) Written);

/// What a unit of work has written so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) appended: Appended,
    /// Whether the server waits for standbys, as far as the unit has looked.
    pub(crate) is_replicated: bool,
}

/// What the answer of a committed unit depends on.
#[cfg(feature = "postgres")]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Committed {
    /// Whether it changed rows that a node may have in memory.
    pub(crate) is_change: bool,
    /// The event that every node must have acknowledged.
    pub(crate) awaited: Option<i64>,
    /// Whether its server waits for standbys.
    pub(crate) is_replicated: bool,
}

/// What a unit of work has appended to the audit log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Appended {
    /// No event.
    #[default]
    Nothing,
    /// Only events that change no row which a node may have in memory.
    NoChange,
    /// Among others, a change; the number is that of the newest event.
    Change(i64),
}

/// A connection to either database.
pub(crate) enum AnyConnection<'c> {
    #[cfg(feature = "sqlite")]
    Sqlite(&'c mut SqliteConnection),
    #[cfg(feature = "postgres")]
    Postgres(&'c mut PgConnection),
}

impl<'c> Tx<'c> {
    #[cfg(feature = "sqlite")]
    pub(crate) fn sqlite(connection: &'c mut SqliteConnection) -> Self {
        Self(AnyConnection::Sqlite(connection), Written::default())
    }

    #[cfg(feature = "postgres")]
    pub(crate) fn postgres(connection: &'c mut PgConnection) -> Self {
        Self(AnyConnection::Postgres(connection), Written::default())
    }
}

/// Turns a panic into an error *inside* the transaction, which is then rolled back. Caught outside, it would leave
/// Diesel's transaction depth wrong, and every later unit on this connection would fail.
pub(crate) fn catch_panic<T, E: From<StoreError>>(work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    std::panic::catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(E::from(StoreError::Bug("a unit of work panicked".to_owned()))))
}
