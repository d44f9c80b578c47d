//! The only place in this crate that reads a clock.

use std::time::{Duration, Instant, SystemTime};

use tokenry_service::UnixMillis;

/// The present instant.
///
/// A clock outside the years 1970 to 9999 reads as the last instant there is: every token with an end then
/// counts as expired, which is the safe side of a broken clock.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "this is where the adapter reads the wall clock")]
pub fn now() -> UnixMillis {
    UnixMillis::from_clock(SystemTime::now())
}

/// Measures how long something takes; unmoved by changes of the wall clock.
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
    fn now_lies_after_this_was_written_and_before_the_end_of_time() {
        let written: UnixMillis = "2026-01-01T00:00:00Z".parse().unwrap();
        assert!(written < now() && now() < UnixMillis::MAX);
    }
}
