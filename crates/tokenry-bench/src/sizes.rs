//! The sizes of a run.

use std::time::Duration;

/// The sizes of a run.
#[derive(Debug, Clone)]
pub(crate) struct Sizes {
    pub(crate) rounds: usize,
    /// The duration of one measurement of one side.
    pub(crate) phase: Duration,
    /// Tokens of the large database.
    pub(crate) large: u64,
    /// Tokens of the user with the long list.
    pub(crate) listed: u64,
    /// Expired rows that a cleanup removes.
    pub(crate) expired: u64,
    /// Tokens that are verified once, to measure the memory per token; all of them fit into `server.cache`.
    pub(crate) used: u64,
    /// Tokens of each scheme that are imported.
    pub(crate) imported: u64,
    /// Tokens that are used for the first time, in one round.
    pub(crate) cold: u64,
    /// Tokens in use when a server is restarted.
    pub(crate) active: u64,
    /// Samples of each class of rejections.
    pub(crate) samples: u64,
    /// Bytes that are searched for tokens.
    pub(crate) scanned: u64,
    /// Verifications while tokens are revoked.
    pub(crate) verifications: u64,
}

impl Sizes {
    /// The sizes that the goals refer to.
    pub(crate) fn full(rounds: usize, large: u64) -> Self {
        Self {
            rounds,
            phase: Duration::from_secs(4),
            large,
            listed: 1_000_000.min(large),
            expired: 1_000_000.min(large),
            used: 40_000,
            imported: 100_000,
            cold: 200,
            active: 10_000,
            samples: 20_000,
            scanned: 100_000_000,
            verifications: 1_000_000,
        }
    }

    /// Small sizes for a smoke test; the figures are meaningless.
    pub(crate) fn quick() -> Self {
        Self {
            rounds: 1,
            phase: Duration::from_millis(300),
            large: 5_000,
            listed: 2_000,
            expired: 2_000,
            used: 2_000,
            imported: 2_000,
            cold: 10,
            active: 300,
            samples: 300,
            scanned: 1_000_000,
            verifications: 5_000,
        }
    }
}
