//! The settings of a store.

use std::time::Duration;

/// How a store uses its database.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct StoreSettings {
    /// The most connections for units of work. Default 8.
    pub pool_size: u32,
    /// How long a unit waits before it fails as unavailable: on PostgreSQL for a connection and locks, on SQLite for the
    /// writer and the file lock. Default 2 s.
    pub pool_wait: Duration,
}

impl StoreSettings {
    /// The same settings with another [`pool_size`](Self::pool_size).
    #[must_use]
    pub fn with_pool_size(self, pool_size: u32) -> Self {
        Self { pool_size, ..self }
    }

    /// The same settings with another [`pool_wait`](Self::pool_wait).
    #[must_use]
    pub fn with_pool_wait(self, pool_wait: Duration) -> Self {
        Self { pool_wait, ..self }
    }
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self { pool_size: 8, pool_wait: Duration::from_secs(2) }
    }
}
