//! What the usage log counts together.

use std::net::IpAddr;

use thiserror::Error;

use crate::{
    id::TokenId,
    time::{Lifetime, UnixMillis},
};

/// Uses that are counted in one row. Its order is the one in which every node writes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UsageKey {
    /// The token.
    pub token_id: TokenId,
    /// The start of the span of time; the instant of the use where every use is kept apart.
    pub start: UnixMillis,
    /// The method; empty if it is not known.
    pub method: Box<str>,
    /// The pattern of the route; empty if it is not known.
    pub route: Box<str>,
    /// The status of the answer.
    pub status: u16,
    /// The source address.
    pub ip: Option<IpAddr>,
    /// What the client calls itself; empty if it does not say.
    pub user_agent: Box<str>,
    /// 0 for a counted row; else what keeps one use apart from all others.
    pub seq: i64,
}

/// How often, and when first and last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageCount {
    /// How often.
    pub count: u64,
    /// The earliest instant.
    pub first: UnixMillis,
    /// The latest instant.
    pub last: UnixMillis,
}

impl UsageCount {
    /// One at this instant.
    #[must_use]
    pub fn once(at: UnixMillis) -> Self {
        Self { count: 1, first: at, last: at }
    }

    /// Counts those of `other` too.
    pub fn add(&mut self, other: Self) {
        if self.count == 0 {
            *self = other;
            return;
        }
        self.count = self.count.saturating_add(other.count);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }
}

/// The span of time whose uses are counted in one row. Default: a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket(i64);

/// The span cannot divide the time evenly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be 0s, or whole seconds that divide an hour evenly, such as 10s, 1m or 1h")]
pub struct BucketError;

const HOUR: i64 = 3_600_000;

impl Bucket {
    /// A bucket of so many seconds, which divide an hour evenly; 0 keeps every use apart.
    ///
    /// # Errors
    /// [`BucketError`].
    pub fn new(span: Lifetime) -> Result<Self, BucketError> {
        let millis = span.millis();
        let divides = millis == 0 || (millis % 1000 == 0 && HOUR % millis == 0);
        if divides { Ok(Self(millis)) } else { Err(BucketError) }
    }

    /// How long it is; nothing where every use is kept apart.
    #[must_use]
    pub fn span(self) -> Lifetime {
        Lifetime::from_millis(self.0)
    }

    /// Whether every use is kept apart.
    #[must_use]
    pub fn is_single(self) -> bool {
        self.0 == 0
    }

    /// The start of the span that `at` lies in; `at` itself where every use is kept apart.
    #[must_use]
    pub fn start_of(self, at: UnixMillis) -> UnixMillis {
        match at.get().checked_rem(self.0) {
            Some(rest) => at.saturating_sub(Lifetime::from_millis(rest)),
            None => at,
        }
    }
}

impl Default for Bucket {
    fn default() -> Self {
        Self(60_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> UnixMillis {
        text.parse().unwrap()
    }

    #[test]
    fn a_span_begins_where_the_clock_says_so() {
        for (seconds, start) in [
            (0, "2026-01-31T08:59:59.999Z"),
            (1, "2026-01-31T08:59:59Z"),
            (10, "2026-01-31T08:59:50Z"),
            (60, "2026-01-31T08:59:00Z"),
            (900, "2026-01-31T08:45:00Z"),
            (3600, "2026-01-31T08:00:00Z"),
        ] {
            let bucket = Bucket::new(Lifetime::seconds(seconds)).unwrap();
            assert_eq!(bucket.start_of(at("2026-01-31T08:59:59.999Z")), at(start), "{seconds}");
            assert_eq!(bucket.start_of(at(start)), at(start), "{seconds}");
            assert_eq!(bucket.is_single(), seconds == 0);
        }
    }

    #[test]
    fn other_spans_are_refused() {
        for span in
            [Lifetime::seconds(7), Lifetime::seconds(7200), Lifetime::days(1), Lifetime::millis_of(500)]
        {
            assert_eq!(Bucket::new(span), Err(BucketError));
        }
    }
}
