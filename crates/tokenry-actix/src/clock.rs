//! The only place in this crate that reads a clock.

use std::time::{Duration, Instant, SystemTime};

use tokenry_service::UnixMillis;

/// The current time.
///
/// A clock outside the years 1970 to 9999 reads as [`UnixMillis::MAX`]: every token with an expiry then counts as expired,
/// which is the safe result for a broken clock.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "this is where the adapter reads the wall clock")]
pub fn now() -> UnixMillis {
    UnixMillis::from_clock(SystemTime::now())
}

/// Measures durations, independent of changes of the wall clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    #[allow(clippy::disallowed_methods, reason = "this is where the adapter reads the monotonic clock")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn now_is_after_2025_and_before_the_maximum() {
        let start_of_2026: UnixMillis = "2026-01-01T00:00:00Z".parse().unwrap();
        assert!(start_of_2026 < now() && now() < UnixMillis::MAX);
    }
}
