//! When the keys of one issuer are fetched next.

use std::time::{Duration, Instant};

use super::{KeySource, waiters::Waiters};

/// The bounds of the time between two fetches: not a flood for the issuer, and within what clocks can add.
const REFRESH: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30 * 24 * 60 * 60));

/// The bounds of the pause after a failure; each failure in a row doubles it.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// How long after a fetch out of turn none follows: anyone can present a token that names an unknown key.
const MIN_FORCED_INTERVAL: Duration = Duration::from_secs(30);

/// For how long, from its beginning, a fetch tells which keys the issuer does not have. An issuer may begin to use a key at any
/// moment after that.
const CURRENT: Duration = Duration::from_secs(3);

pub(super) struct Plan {
    source: KeySource,
    due: Instant,
    pause: Duration,
    /// When a fetch was last asked for out of turn.
    hurried: Option<Instant>,
    /// When the fetch is due that was asked for too soon after that.
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
            hurried: None,
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

    /// Plans the fetch after the one that has just ended.
    pub(super) fn note(&mut self, is_fresh: bool, started: Instant, now: Instant) {
        // What was asked for meanwhile may be newer than what was fetched.
        let is_outdated = self.hurried.is_some_and(|at| at > started);
        let pause = match is_fresh {
            true if is_outdated => Duration::ZERO,
            true => self.source.refresh.clamp(REFRESH.0, REFRESH.1),
            false => self.pause,
        };
        self.due = now + pause;
        if self.postponed.is_some_and(|at| at <= started) {
            self.hurried = Some(started);
            self.postponed = None;
        }
        if let Some(postponed) = self.postponed.filter(|_| is_fresh) {
            self.due = self.due.min(postponed);
        }
        self.fresh_since = is_fresh.then_some(started);
        // Whoever asked after the fetch had begun waits for the next one.
        if !self.is_fetching(now) {
            self.waiters.wake();
        }
        self.pause = if is_fresh { PAUSE.0 } else { (self.pause * 2).min(PAUSE.1) };
    }

    /// Whether a fetch is due or under way: until it has ended, its time stays what it was.
    pub(super) fn is_fetching(&self, now: Instant) -> bool {
        self.due <= now
    }

    /// Whether a key that is not there now is none of the issuer's: the last fetch has just brought all there are.
    pub(super) fn is_current(&self, now: Instant) -> bool {
        self.fresh_since.is_some_and(|began| now < began + CURRENT)
    }

    /// Those who wait for the fetch that is due or under way.
    pub(super) fn waiters(&mut self) -> &mut Waiters {
        &mut self.waiters
    }

    /// Makes the fetch due now, or as soon as one out of turn may follow the last. Says whether it is now.
    pub(super) fn request_refresh(&mut self, now: Instant) -> bool {
        let calm_until = self.hurried.map(|at| at + MIN_FORCED_INTERVAL).filter(|calm| now < *calm);
        if let Some(calm) = calm_until {
            self.due = self.due.min(calm);
            self.postponed = Some(calm);
            return false;
        }
        self.due = self.due.min(now);
        self.hurried = Some(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(refresh: Duration, now: Instant) -> Plan {
        Plan::new(KeySource { issuer: "a".to_owned(), url: String::new(), refresh }, now)
    }

    #[test]
    fn pauses_grow_with_failures_and_a_success_forgets_them() {
        let start = super::super::now();
        let mut plan = plan(Duration::from_secs(300), start);
        let mut pause_after = |is_fresh| {
            plan.note(is_fresh, start, start);
            plan.due().duration_since(start).as_secs()
        };
        assert_eq!([false; 9].map(&mut pause_after), [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!([true, true, false, false].map(&mut pause_after), [300, 300, 1, 2]);
    }

    #[test]
    fn absurd_refresh_times_are_bounded() {
        let start = super::super::now();
        for (refresh, seconds) in [(Duration::ZERO, 1), (Duration::MAX, 30 * 24 * 60 * 60)] {
            let mut plan = plan(refresh, start);
            plan.note(true, start, start);
            assert_eq!(plan.due().duration_since(start).as_secs(), seconds);
        }
    }

    #[test]
    fn out_of_turn_comes_at_most_once_in_30_seconds() {
        let start = super::super::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut plan = plan(Duration::from_secs(300), start);
        plan.note(true, start, start);
        for (seconds, may) in [(5, true), (5, false), (34, false), (35, true), (64, false), (65, true)] {
            assert_eq!(plan.request_refresh(at(seconds)), may, "{seconds}");
            if may {
                assert_eq!(plan.due(), at(seconds));
                plan.note(true, at(seconds), at(seconds));
            }
        }
    }

    #[test]
    fn what_is_asked_for_during_a_fetch_is_fetched_after_it() {
        let start = super::super::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut plan = plan(Duration::from_secs(300), start);
        assert!(plan.request_refresh(at(1)));
        plan.note(true, start, at(2));
        assert_eq!(plan.due(), at(2));
        plan.note(true, at(2), at(3));
        assert_eq!(plan.due(), at(303));
    }

    #[test]
    fn a_fetch_tells_for_a_moment_what_is_not_there_and_the_next_one_is_not_left_to_its_turn() {
        let start = super::super::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut plan = plan(Duration::from_secs(300), start);
        assert!(!plan.is_current(start));
        assert!(plan.request_refresh(at(1)));
        plan.note(true, at(1), at(2));
        assert_eq!([1, 3, 4, 20].map(|seconds| plan.is_current(at(seconds))), [true, true, false, false]);
        // Asked at 20 for what the fetch of 1 may not have seen: 31 is the first moment that is not too soon.
        assert!(!plan.request_refresh(at(20)));
        assert_eq!(plan.due(), at(31));
        plan.note(true, at(31), at(32));
        assert_eq!(plan.due(), at(332));
        // That was one out of turn.
        assert!(!plan.request_refresh(at(33)));
        assert_eq!(plan.due(), at(61));
        plan.note(false, at(61), at(62));
        assert!(!plan.is_current(at(62)));
    }
}
