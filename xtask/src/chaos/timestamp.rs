//! The time of day in UTC, as in the logs of the servers.

use std::time::{SystemTime, UNIX_EPOCH};

/// `12:34:56.789`.
pub(crate) fn now() -> String {
    format(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis()))
}

/// A number that differs from run to run.
pub(crate) fn seed() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

fn format(millis: u128) -> String {
    let (seconds, rest) = (millis / 1000, millis % 1000);
    format!("{:02}:{:02}:{:02}.{rest:03}", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::format;

    #[test]
    fn the_day_is_left_out() {
        assert_eq!(format(86_400_000 * 3 + 45_296_789), "12:34:56.789");
    }
}
