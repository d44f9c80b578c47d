//! The schedule of fetches of one issuer's keys.

use std::time::{Duration, Instant};

use super::{KeySource, waiters::Waiters};

/// The bounds of the interval between fetches: they protect the issuer and keep clock arithmetic in range.
const REFRESH: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30 * 24 * 60 * 60));

/// The bounds of the pause after a failure; each consecutive failure doubles it.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// How long after its start a fetch proves that the issuer does not have a key. The issuer may start to use a new key
/// at any time.
const CURRENT: Duration = Duration::from_secs(3);

pub(super) struct Plan {
    source: KeySource,
    due: Instant,
    pause: Duration,
    /// When a forced fetch was last requested.
    forced_at: Option<Instant>,
    /// When the forced fetch is due that was requested too soon after the last one.
    postponed: Option<Instant>,
    /// When the last fetch began; `None` if it brought no keys.
    fresh_since: Option<Instant>,
    waiters: Waiters,
}

impl Plan {
    /// The first fetch is due at once.
    pub(super) fn new(source: KeySource, now: Instant) -> Self {
        Self {
            source,
            due: now,
            pause: PAUSE.0,
            forced_at: None,
            postponed: None,
            fresh_since: None,
            waiters: Waiters::default(),
        }
    }

    pub(super) fn source(&self) -> &KeySource {
        &self.source
    }

    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// Records a completed fetch and schedules the next one.
    pub(super) fn record(&mut self, is_fresh: bool, started: Instant, now: Instant) {
        // A key requested during the fetch may be newer than the fetched set.
        let is_outdated = self.forced_at.is_some_and(|at| at > started);
        let pause = match is_fresh {
            true if is_outdated => Duration::ZERO,
            true => self.source.refresh.clamp(REFRESH.0, REFRESH.1),
            false => self.pause,
        };
        self.due = now + pause;
        if self.postponed.is_some_and(|at| at <= started) {
            self.forced_at = Some(started);
            self.postponed = None;
        }
        if let Some(postponed) = self.postponed.filter(|_| is_fresh) {
            self.due = self.due.min(postponed);
        }
        self.fresh_since = is_fresh.then_some(started);
        // Requests that arrived during the fetch wait for the next one.
        if !self.is_fetching(now) {
            self.waiters.wake();
        }
        self.pause = if is_fresh { PAUSE.0 } else { (self.pause * 2).min(PAUSE.1) };
    }

    /// Whether a fetch is due or running; `due` does not change until it completes.
    pub(super) fn is_fetching(&self, now: Instant) -> bool {
        self.due <= now
    }

    /// Whether the last fetch is recent enough to prove that an unknown key does not exist.
    pub(super) fn is_current(&self, now: Instant) -> bool {
        self.fresh_since.is_some_and(|began| now < began + CURRENT)
    }

    /// The requests that wait for the due or running fetch.
    pub(super) fn waiters(&mut self) -> &mut Waiters {
        &mut self.waiters
    }

    /// Makes a fetch due now, or once the minimum interval between forced fetches has passed. Returns whether it is
    /// due now.
    pub(super) fn request_refresh(&mut self, now: Instant) -> bool {
        let next_forced = self.forced_at.map(|at| at + self.source.min_forced).filter(|at| now < *at);
        if let Some(at) = next_forced {
            self.due = self.due.min(at);
            self.postponed = Some(at);
            return false;
        }
        self.due = self.due.min(now);
        self.forced_at = Some(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(refresh: Duration, now: Instant) -> Plan {
        let (issuer, url, min_forced) = ("a".to_owned(), String::new(), KeySource::MIN_FORCED);
        Plan::new(KeySource { issuer, url, refresh, min_forced }, now)
    }

    #[test]
    fn pauses_grow_with_failures_and_a_success_resets_them() {
        let start = super::super::now();
        let mut plan = plan(Duration::from_secs(300), start);
        let mut pause_after = |is_fresh| {
            plan.record(is_fresh, start, start);
            plan.due().duration_since(start).as_secs()
        };
        assert_eq!([false; 9].map(&mut pause_after), [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!([true, true, false, false].map(&mut pause_after), [300, 300, 1, 2]);
    }

    #[test]
    fn refresh_intervals_are_clamped() {
        let start = super::super::now();
        for (refresh, seconds) in [(Duration::ZERO, 1), (Duration::MAX, 30 * 24 * 60 * 60)] {
            let mut plan = plan(refresh, start);
            plan.record(true, start, start);
            assert_eq!(plan.due().duration_since(start).as_secs(), seconds);
        }
    }

    #[test]
    fn forced_fetches_happen_at_most_once_in_30_seconds() {
        let start = super::super::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut plan = plan(Duration::from_secs(300), start);
        plan.record(true, start, start);
        for (seconds, may) in [(5, true), (5, false), (34, false), (35, true), (64, false), (65, true)] {
            assert_eq!(plan.request_refresh(at(seconds)), may, "{seconds}");
            if may {
                assert_eq!(plan.due(), at(seconds));
                plan.record(true, at(seconds), at(seconds));
            }
        }
    }

    #[test]
    fn a_request_during_a_fetch_causes_another_fetch() {
        let start = super::super::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut plan = plan(Duration::from_secs(300), start);
        assert!(plan.request_refresh(at(1)));
        plan.record(true, start, at(2));
        assert_eq!(plan.due(), at(2));
        plan.record(true, at(2), at(3));
        assert_eq!(plan.due(), at(303));
    }

    #[test]
    fn a_fetch_proves_absence_briefly_and_a_request_that_comes_too_soon_is_postponed() {
        let start = super::super::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut plan = plan(Duration::from_secs(300), start);
        assert!(!plan.is_current(start));
        assert!(plan.request_refresh(at(1)));
        plan.record(true, at(1), at(2));
        assert_eq!([1, 3, 4, 20].map(|seconds| plan.is_current(at(seconds))), [true, true, false, false]);
        // Requested at 20 for a key that the fetch at 1 may have missed; 31 is the end of the minimum interval.
        assert!(!plan.request_refresh(at(20)));
        assert_eq!(plan.due(), at(31));
        plan.record(true, at(31), at(32));
        assert_eq!(plan.due(), at(332));
        // The postponed fetch counts as forced.
        assert!(!plan.request_refresh(at(33)));
        assert_eq!(plan.due(), at(61));
        plan.record(false, at(61), at(62));
        assert!(!plan.is_current(at(62)));
    }
}
