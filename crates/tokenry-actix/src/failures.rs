//! A limit on refused credentials per source, so that nobody can try many; good ones are never counted or refused.

use std::{
    net::{IpAddr, Ipv4Addr},
    num::NonZero,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
};

use crate::error::ApiError;

/// At most so many sources are remembered, about 100 bytes each; all further ones share one count.
const SOURCES: usize = 100_000;
/// After so many refusals the sources that were quiet since are forgotten.
const SWEEP: usize = 10_000;

/// Counts refused credentials per source address, an IPv6 network of /64 being one source. Cheap to clone; all clones
/// count together.
#[derive(Clone)]
pub struct FailureLimit(Arc<Inner>);

struct Inner {
    limiter: DefaultKeyedRateLimiter<Source>,
    per_minute: NonZero<u32>,
    counted: AtomicUsize,
}

/// What counts as one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Source {
    V4(Ipv4Addr),
    /// The first 64 bits: what one customer is given.
    V6([u16; 4]),
    /// No address, or more sources than are remembered.
    Others,
}

impl FailureLimit {
    /// Lets each source fail `per_minute` times a minute, and twice as often in one burst.
    #[must_use]
    pub fn new(per_minute: NonZero<u32>) -> Self {
        let burst = per_minute.saturating_mul(NonZero::<u32>::MIN.saturating_add(1));
        let quota = Quota::per_minute(per_minute).allow_burst(burst);
        Self(Arc::new(Inner { limiter: RateLimiter::keyed(quota), per_minute, counted: AtomicUsize::new(0) }))
    }

    /// How many a source may present a minute.
    #[must_use]
    pub fn per_minute(&self) -> NonZero<u32> {
        self.0.per_minute
    }

    /// Counts one refused credential from `source`.
    ///
    /// # Errors
    /// [`ApiError::RateLimited`] if there were too many.
    pub fn count(&self, source: Option<IpAddr>) -> Result<(), ApiError> {
        let Inner { limiter, per_minute, counted } = &*self.0;
        if counted.fetch_add(1, Ordering::Relaxed) % SWEEP == SWEEP - 1 {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
        let source = if limiter.len() < SOURCES { Source::of(source) } else { Source::Others };
        limiter.check_key(&source).map_err(|until| {
            let wait = until.wait_time_from(DefaultClock::default().now());
            ApiError::RateLimited {
                policy: "failures",
                quota: per_minute.get().into(),
                window_seconds: 60,
                retry_after_seconds: wait.as_secs() + 1,
                detail: "Too many credentials from this address were refused.".into(),
            }
        })
    }
}

impl Source {
    fn of(ip: Option<IpAddr>) -> Self {
        match ip.map(|ip| ip.to_canonical()) {
            Some(IpAddr::V4(ip)) => Self::V4(ip),
            Some(IpAddr::V6(ip)) => {
                let [a, b, c, d, ..] = ip.segments();
                Self::V6([a, b, c, d])
            }
            None => Self::Others,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(limit: &FailureLimit, ip: &str, times: usize) -> usize {
        (0..times).filter(|_| limit.count(Some(ip.parse().unwrap())).is_ok()).count()
    }

    #[test]
    fn a_source_fails_twice_a_minutes_worth_at_once_and_others_are_not_touched() {
        let limit = FailureLimit::new(NonZero::new(5).unwrap());
        assert_eq!(counts(&limit, "192.0.2.1", 20), 10);
        assert_eq!(counts(&limit, "192.0.2.2", 20), 10);
    }

    #[test]
    fn an_ipv6_network_is_one_source_and_a_mapped_address_is_ipv4() {
        let limit = FailureLimit::new(NonZero::new(5).unwrap());
        assert_eq!(counts(&limit, "2001:db8::1", 6) + counts(&limit, "2001:db8::ffff:2", 6), 10);
        assert_eq!(counts(&limit, "2001:db8:0:1::1", 20), 10);
        assert_eq!(counts(&limit, "192.0.2.1", 6) + counts(&limit, "::ffff:192.0.2.1", 6), 10);
    }

    #[test]
    fn memory_is_bounded_whatever_sources_there_are() {
        let limit = FailureLimit::new(NonZero::new(1000).unwrap());
        for number in 0..(SOURCES as u32 + 5_000) {
            let _ = limit.count(Some(Ipv4Addr::from(number).into()));
        }
        assert!(limit.0.limiter.len() <= SOURCES + 1);
    }
}
