//! The only place in this crate that reads a clock.

use std::time::SystemTime;

use tokenry_service::UnixMillis;

/// The current time.
#[allow(clippy::disallowed_methods, reason = "this is where the adapter reads the wall clock")]
pub(crate) fn now() -> UnixMillis {
    UnixMillis::from_clock(SystemTime::now())
}
