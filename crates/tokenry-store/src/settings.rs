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
    /// How long a node may decide from memory after it has last proven that it heard of every change. PostgreSQL only.
    /// Shorter than the time in which the database's cluster fails over. Default 2 s, from 500 ms to 10 s.
    pub lease: Duration,
    /// The longest age of a row in memory: the bound for changes that are made past Tokenry and that no trigger reports.
    /// Default 5 s.
    pub max_row_age: Duration,
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

    /// The same settings with another [`lease`](Self::lease).
    #[must_use]
    pub fn with_lease(self, lease: Duration) -> Self {
        Self { lease, ..self }
    }

    /// The same settings with another [`max_row_age`](Self::max_row_age).
    #[must_use]
    pub fn with_max_row_age(self, max_row_age: Duration) -> Self {
        Self { max_row_age, ..self }
    }
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            pool_size: 8,
            pool_wait: Duration::from_secs(2),
            lease: Duration::from_secs(2),
            max_row_age: Duration::from_secs(5),
        }
    }
}
