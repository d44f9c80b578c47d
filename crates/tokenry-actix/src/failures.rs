//! A limit on refused credentials per source, so that nobody can try many; good ones are never counted or refused.

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

use self::sources::{Source, Sources};
use crate::{client_ip::ClientIp, error::ApiError};

/// At most so many sources are remembered, about 100 bytes each; all further ones share one count until a sweep has
/// forgotten those that were quiet.
const MAX_SOURCES: usize = 100_000;
/// How often the remembered sources are swept at most: it takes a few milliseconds.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Counts refused credentials per source address, an IPv6 network of /64 being one source and all unknown addresses
/// another. Cheap to clone; all clones count together.
#[derive(Clone)]
pub struct FailureLimit(Arc<Inner>);

struct Inner {
    credentials: Limiter<DefaultClock>,
    /// Guesses at `/oauth/revoke` have a count of their own: whoever guesses there takes nothing from those who sign in.
    revocations: Limiter<DefaultClock>,
    per_minute: NonZero<u32>,
}

impl FailureLimit {
    /// Lets each source fail `per_minute` times a minute, and twice as often in one burst.
    #[must_use]
    pub fn new(per_minute: NonZero<u32>) -> Self {
        let limiter = || Limiter::new(per_minute, MAX_SOURCES, DefaultClock::default());
        Self(Arc::new(Inner { credentials: limiter(), revocations: limiter(), per_minute }))
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
    pub fn count(&self, source: ClientIp) -> Result<(), ApiError> {
        self.0.credentials.count(source).map_err(|wait| ApiError::RateLimited {
            policy: "failures",
            quota: self.0.per_minute.get().into(),
            window_seconds: 60,
            retry_after_seconds: wait.as_secs() + 1,
            detail: "Too many credentials from this address were refused.".into(),
        })
    }

    /// Counts one text that `source` wanted to revoke, that has the form of a token and is none.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`] if there were too many: besides 200 the only answer that RFC 7009 (section 2.2.1) has
    /// for a client that sent a well-formed request.
    pub(crate) fn count_revocation(&self, source: ClientIp) -> Result<(), ApiError> {
        let unavailable =
            |wait: Duration| ApiError::Unavailable { retry_after_seconds: wait.as_secs().saturating_add(1) };
        self.0.revocations.count(source).map_err(unavailable)
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

    /// Counts one failure; too many are how long to wait.
    fn count(&self, source: ClientIp) -> Result<(), Duration> {
        if self.limiter.len() >= self.capacity {
            self.sweep();
        }
        let refused = self.limiter.check_key(&Source::of(source));
        refused.map_err(|until| until.wait_time_from(self.clock.now()))
    }

    /// Forgets the sources whose failures are as long ago as if there had been none, unless that was just done.
    fn sweep(&self) {
        let mut swept_at = match self.swept_at.try_lock() {
            Ok(swept_at) => swept_at,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // Another thread is at it.
            Err(TryLockError::WouldBlock) => return,
        };
        let now = self.clock.now();
        let is_due = |last: C::Instant| Duration::from(now.duration_since(last)) >= SWEEP_INTERVAL;
        if swept_at.is_none_or(is_due) {
            *swept_at = Some(now);
            self.limiter.retain_recent();
            self.limiter.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests;
