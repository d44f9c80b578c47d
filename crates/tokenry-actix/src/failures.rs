//! A limit on failed credentials per source against guessing; valid credentials are never counted or rejected.

mod sources;

use std::{
    num::NonZero,
    sync::{Arc, Mutex, TryLockError},
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock, Reference as _},
    middleware::NoOpMiddleware,
};

pub(crate) use self::sources::Source;
use self::sources::Sources;
use crate::{client_ip::ClientIp, error::ApiError};

/// Maximum number of tracked sources, about 100 bytes each. Further sources share one count until a sweep removes idle
/// ones.
const MAX_SOURCES: usize = 100_000;
/// Minimum time between two sweeps of the tracked sources; a sweep takes a few milliseconds.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Counts failed credentials per source address. An IPv6 /64 network is one source, and all unknown addresses are one
/// source. Cheap to clone; all clones share the counts.
#[derive(Clone)]
pub struct FailureLimit(Arc<Inner>);

struct Inner {
    credentials: Limiter<DefaultClock>,
    /// Guesses at `/oauth/revoke` have a separate count, so that they do not use up the limit on authentication.
    revocations: Limiter<DefaultClock>,
    /// Reports of leaked tokens, successful or not.
    leaks: Limiter<DefaultClock>,
    /// Requests to OpenID providers, successful or not.
    exchanges: Limiter<DefaultClock>,
    per_minute: NonZero<u32>,
}

impl FailureLimit {
    /// Allows each source `per_minute` failures per minute, and twice as many in one burst.
    #[must_use]
    pub fn new(per_minute: NonZero<u32>) -> Self {
        Self(Arc::new(Inner {
            credentials: Limiter::new(per_minute, MAX_SOURCES, DefaultClock::default()),
            revocations: Limiter::new(per_minute, MAX_SOURCES, DefaultClock::default()),
            leaks: Limiter::new(per_minute, MAX_SOURCES, DefaultClock::default()),
            exchanges: Limiter::new(per_minute, MAX_SOURCES, DefaultClock::default()),
            per_minute,
        }))
    }

    /// The number of failures per source and minute.
    #[must_use]
    pub fn per_minute(&self) -> NonZero<u32> {
        self.0.per_minute
    }

    /// Counts one failed credential from `source`.
    ///
    /// # Errors
    /// [`ApiError::RateLimited`] over the limit.
    pub fn count(&self, source: ClientIp) -> Result<(), ApiError> {
        self.0.credentials.count(source).map_err(|wait| ApiError::RateLimited {
            policy: "failures",
            quota: self.0.per_minute.get().into(),
            window_seconds: 60,
            retry_after_seconds: wait.as_secs() + 1,
            detail: "Too many failed credentials from this address.".into(),
        })
    }

    /// Counts one revocation by `source` of a well-formed token that does not exist.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`] over the limit: besides 200 the only response that RFC 7009 (section 2.2.1) allows for a
    /// well-formed request.
    pub(crate) fn count_revocation(&self, source: ClientIp) -> Result<(), ApiError> {
        self.0
            .revocations
            .count(source)
            .map_err(|wait| ApiError::Unavailable { retry_after_seconds: wait.as_secs().saturating_add(1) })
    }
}

impl FailureLimit {
    /// Counts one answer of an OpenID provider from `source` for which the provider is asked, before that: anyone can invent
    /// one.
    ///
    /// # Errors
    /// [`ApiError::RateLimited`] over the limit.
    pub(crate) fn count_exchange(&self, source: ClientIp) -> Result<(), ApiError> {
        self.0.exchanges.count(source).map_err(|wait| ApiError::RateLimited {
            policy: "provider-sign-ins",
            quota: self.0.per_minute.get().into(),
            window_seconds: 60,
            retry_after_seconds: wait.as_secs() + 1,
            detail: "Too many sign-ins at providers from this address.".into(),
        })
    }

    /// Counts one report of leaked tokens by `source`, before it is read: the work is limited, and whether a token exists
    /// has no influence on the count.
    ///
    /// # Errors
    /// [`ApiError::RateLimited`] over the limit.
    pub(crate) fn count_leak_report(&self, source: ClientIp) -> Result<(), ApiError> {
        self.0.leaks.count(source).map_err(|wait| ApiError::RateLimited {
            policy: "leaks",
            quota: self.0.per_minute.get().into(),
            window_seconds: 60,
            retry_after_seconds: wait.as_secs() + 1,
            detail: "Too many reports from this address; one report can have 1,000 tokens.".into(),
        })
    }
}

/// A count per source, in bounded memory.
struct Limiter<C: Clock> {
    limiter: RateLimiter<Source, Sources, C, NoOpMiddleware<C::Instant>>,
    clock: C,
    swept_at: Mutex<Option<C::Instant>>,
    capacity: usize,
}

impl<C: Clock + Clone> Limiter<C> {
    fn new(per_minute: NonZero<u32>, capacity: usize, clock: C) -> Self {
        let burst = per_minute.saturating_mul(NonZero::<u32>::MIN.saturating_add(1));
        let quota = Quota::per_minute(per_minute).allow_burst(burst);
        let limiter = RateLimiter::new(quota, Sources::new(capacity), clock.clone());
        Self { limiter, clock, swept_at: Mutex::new(None), capacity }
    }

    /// Counts one failure; over the limit, the error is how long to wait.
    fn count(&self, source: ClientIp) -> Result<(), Duration> {
        if self.limiter.len() >= self.capacity {
            self.sweep();
        }
        let checked = self.limiter.check_key(&Source::of(source));
        checked.map_err(|until| until.wait_time_from(self.clock.now()))
    }

    /// Removes the sources whose count is back to zero, at most once per [`SWEEP_INTERVAL`].
    fn sweep(&self) {
        let mut swept_at = match self.swept_at.try_lock() {
            Ok(swept_at) => swept_at,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // Another thread sweeps.
            Err(TryLockError::WouldBlock) => return,
        };
        let now = self.clock.now();
        let elapsed = swept_at.map(|last| Duration::from(now.duration_since(last)));
        if elapsed.is_none_or(|elapsed| elapsed >= SWEEP_INTERVAL) {
            *swept_at = Some(now);
            self.limiter.retain_recent();
            self.limiter.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests;
