//! Clocks that measure how long something lasts, also while the machine is suspended.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

/// A clock that never steps and also runs while the machine is suspended.
#[cfg(target_os = "linux")]
const STEADY: ClockId = ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const STEADY: ClockId = ClockId::Monotonic;

/// A moment, read from two clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Microseconds of the steady clock.
    pub(crate) steady: u64,
    /// Microseconds of the wall clock. It never extends a lease; it ends one when a virtual machine was suspended, which
    /// its steady clock may not show.
    pub(crate) wall: u64,
}

impl Reading {
    pub(crate) fn now() -> Self {
        Self { steady: steady_now(), wall: wall_now() }
    }

    /// The later moment by both clocks.
    pub(crate) fn after(self, span: Duration) -> Self {
        Self { steady: self.steady + micros(span), wall: self.wall + micros(span) }
    }
}

/// Microseconds of the steady clock.
pub(crate) fn steady_now() -> u64 {
    let now = clock_gettime(STEADY);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    seconds * 1_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0) / 1_000
}

#[allow(clippy::disallowed_methods, reason = "a wall clock only ends a lease")]
fn wall_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, micros)
}

pub(crate) fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
