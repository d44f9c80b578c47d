//! Instants and spans in milliseconds: the only time types below the web layer.

use std::{
    fmt,
    str::FromStr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use chrono::{DateTime, SecondsFormat, Utc};
use thiserror::Error;

/// Milliseconds since 1970-01-01T00:00:00Z, from 0 to the end of the year 9999.
///
/// Every instant of the range has an RFC 3339 text with a four-digit year, and both databases can store it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMillis(i64);

impl UnixMillis {
    /// 1970-01-01T00:00:00.000Z.
    pub const MIN: Self = Self(0);
    /// 9999-12-31T23:59:59.999Z.
    pub const MAX: Self = Self(253_402_300_799_999);

    /// The instant, or `None` outside [`MIN`](Self::MIN)`..=`[`MAX`](Self::MAX).
    #[must_use]
    pub fn new(millis: i64) -> Option<Self> {
        (Self::MIN.0..=Self::MAX.0).contains(&millis).then_some(Self(millis))
    }

    /// The current instant, from the reading of a clock: `UnixMillis::from_clock(SystemTime::now())`.
    ///
    /// SECURITY: a reading outside [`MIN`](Self::MIN)`..=`[`MAX`](Self::MAX) becomes [`MAX`](Self::MAX), so that with a
    /// broken clock every token that can expire has expired. For other instants, use [`UnixMillis::try_from`].
    #[must_use]
    pub fn from_clock(reading: SystemTime) -> Self {
        Self::try_from(reading).unwrap_or(Self::MAX)
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub fn get(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down, as in RFC 7662 and RFC 7519.
    #[must_use]
    pub fn seconds(self) -> i64 {
        self.0 / 1000
    }

    /// This instant moved forward; `None` beyond [`MAX`](Self::MAX).
    #[must_use]
    pub fn checked_add(self, span: Lifetime) -> Option<Self> {
        self.0.checked_add(span.0).and_then(Self::new)
    }

    /// This instant moved back; `None` before [`MIN`](Self::MIN).
    #[must_use]
    pub fn checked_sub(self, span: Lifetime) -> Option<Self> {
        self.0.checked_sub(span.0).and_then(Self::new)
    }

    /// This instant moved back, stopping at [`MIN`](Self::MIN).
    #[must_use]
    pub fn saturating_sub(self, span: Lifetime) -> Self {
        Self(self.0.saturating_sub(span.0).max(0))
    }

    /// The time since `earlier`; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// The instant is before the year 1970 or after the year 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be between the years 1970 and 9999")]
pub struct InstantOutOfRange;

impl TryFrom<SystemTime> for UnixMillis {
    type Error = InstantOutOfRange;

    /// Truncates to whole milliseconds.
    fn try_from(at: SystemTime) -> Result<Self, Self::Error> {
        let since = at.duration_since(UNIX_EPOCH).map_err(|_| InstantOutOfRange)?;
        i64::try_from(since.as_millis()).ok().and_then(Self::new).ok_or(InstantOutOfRange)
    }
}

impl fmt::Display for UnixMillis {
    /// RFC 3339 in UTC with milliseconds: `2026-01-31T08:00:00.000Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DateTime::<Utc>::from_timestamp_millis(self.0) {
            Some(at) => f.write_str(&at.to_rfc3339_opts(SecondsFormat::Millis, true)),
            None => Err(fmt::Error),
        }
    }
}

/// The text is not an RFC 3339 date-time between the years 1970 and 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be an RFC 3339 date-time such as 2026-01-31T08:00:00Z")]
pub struct ParseInstantError;

impl FromStr for UnixMillis {
    type Err = ParseInstantError;

    /// Parses RFC 3339 with any offset, and truncates to whole milliseconds.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let at = DateTime::parse_from_rfc3339(text).map_err(|_| ParseInstantError)?;
        Self::new(at.timestamp_millis()).ok_or(ParseInstantError)
    }
}

/// A span of time in milliseconds, never negative, at most about 8,000 years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lifetime(i64);

impl Lifetime {
    /// `days` times 24 hours.
    #[must_use]
    pub const fn days(days: u32) -> Self {
        Self(days as i64 * 86_400_000)
    }

    /// `seconds` seconds.
    #[must_use]
    pub const fn seconds(seconds: u32) -> Self {
        Self(seconds as i64 * 1000)
    }

    /// `millis` milliseconds.
    #[must_use]
    pub const fn millis_of(millis: u32) -> Self {
        Self(millis as i64)
    }

    /// `millis` milliseconds; zero if negative.
    pub(crate) fn from_millis(millis: i64) -> Self {
        Self(millis.max(0))
    }

    /// The span in milliseconds.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_written_in_utc_with_milliseconds() {
        let at: UnixMillis = "2026-01-31T10:00:00+02:00".parse().unwrap();
        assert_eq!(at.to_string(), "2026-01-31T08:00:00.000Z");
    }

    #[test]
    fn fractions_of_a_millisecond_are_truncated() {
        let at: UnixMillis = "2026-01-31T08:00:00.0009999Z".parse().unwrap();
        assert_eq!(at.to_string(), "2026-01-31T08:00:00.000Z");
    }

    #[test]
    fn system_times_are_converted_within_the_range_only() {
        let since = |millis| UNIX_EPOCH + Duration::from_micros(millis * 1000 + 999);
        let last = u64::try_from(UnixMillis::MAX.get()).unwrap();
        assert_eq!(UnixMillis::try_from(since(1_500)), Ok(UnixMillis(1_500)));
        assert_eq!(UnixMillis::try_from(UNIX_EPOCH), Ok(UnixMillis::MIN));
        assert_eq!(UnixMillis::try_from(since(last)), Ok(UnixMillis::MAX));
        for outside in [since(last + 1), UNIX_EPOCH - Duration::from_millis(1)] {
            assert_eq!(UnixMillis::try_from(outside), Err(InstantOutOfRange));
            assert_eq!(UnixMillis::from_clock(outside), UnixMillis::MAX);
        }
    }

    #[test]
    fn instants_out_of_range_are_rejected_and_never_panic() {
        for text in [
            "",
            "tomorrow",
            "2026-01-31",
            "1969-12-31T23:59:59Z",
            "+12000-01-01T00:00:00Z",
            "9999-12-31T23:59:59-23:00",
        ] {
            assert_eq!(text.parse::<UnixMillis>(), Err(ParseInstantError), "{text}");
        }
        assert_eq!(UnixMillis::MAX.checked_add(Lifetime::seconds(1)), None);
        assert!(UnixMillis::MAX.checked_add(Lifetime::days(u32::MAX)).is_none());
        assert_eq!(UnixMillis::MIN.saturating_sub(Lifetime::days(1)), UnixMillis::MIN);
    }
}
