//! The clock of the service.

use std::time::SystemTime;

use tokenry_tower::tokenry::UnixMillis;

#[allow(clippy::disallowed_methods, reason = "an application reads the clock")]
pub(crate) fn now() -> UnixMillis {
    UnixMillis::from_clock(SystemTime::now())
}
