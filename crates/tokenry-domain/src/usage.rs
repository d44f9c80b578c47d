//! Keys and counts of the usage log.

use std::net::IpAddr;

use thiserror::Error;

use crate::{
    id::TokenId,
    time::{Lifetime, UnixMillis},
};

/// Uses with an equal key are counted in one row. Every node writes in the order of keys.
///
/// Exhaustive, so that a new part does not compile until the store reads and writes it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UsageKey {
    /// The token.
    pub token_id: TokenId,
    /// The start of the bucket; the instant of the use if uses are not aggregated.
    pub start: UnixMillis,
    /// The method; empty if unknown.
    pub method: Box<str>,
    /// The pattern of the route; empty if unknown.
    pub route: Box<str>,
    /// The status of the response.
    pub status: u16,
    /// The source address.
    pub ip: Option<IpAddr>,
    /// The user agent; empty if the client sends none.
    pub user_agent: Box<str>,
    /// 0 for an aggregated row; otherwise distinguishes one use from all others.
    pub seq: i64,
}

/// The number of uses, and the first and last instant.
///
/// Exhaustive, so that a new attribute does not compile until the store reads and writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageCount {
    /// The number of uses.
    pub count: u64,
    /// The earliest instant.
    pub first: UnixMillis,
    /// The latest instant.
    pub last: UnixMillis,
}

impl UsageCount {
    /// One use at this instant.
    #[must_use]
    pub fn once(at: UnixMillis) -> Self {
        Self { count: 1, first: at, last: at }
    }

    /// Adds the uses of `other`.
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

/// The span of time that one row counts. Default: one minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket(i64);

/// The span does not divide an hour evenly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be 0s, or whole seconds that divide an hour evenly, such as 10s, 1m or 1h")]
pub struct BucketError;

const HOUR: i64 = 3_600_000;

impl Bucket {
    /// A bucket of whole seconds that divide an hour evenly; 0 stores every use separately.
    ///
    /// # Errors
    /// [`BucketError`].
    pub fn new(span: Lifetime) -> Result<Self, BucketError> {
        let millis = span.millis();
        let divides = millis == 0 || (millis % 1000 == 0 && HOUR % millis == 0);
        if divides { Ok(Self(millis)) } else { Err(BucketError) }
    }

    /// The length; zero if every use is stored separately.
    #[must_use]
    pub fn span(self) -> Lifetime {
        Lifetime::from_millis(self.0)
    }

    /// Whether every use is stored separately.
    #[must_use]
    pub fn is_single(self) -> bool {
        self.0 == 0
    }

    /// The start of the bucket of `at`; `at` itself if every use is stored separately.
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
    fn buckets_start_at_multiples_of_their_length() {
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
    fn spans_that_do_not_divide_an_hour_are_rejected() {
        for span in
            [Lifetime::seconds(7), Lifetime::seconds(7200), Lifetime::days(1), Lifetime::millis_of(500)]
        {
            assert_eq!(Bucket::new(span), Err(BucketError));
        }
    }
}
