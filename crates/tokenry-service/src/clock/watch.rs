//! Detects a wrong clock by comparison with a monotonic clock and with the database's clock.
//!
//! A wrong clock is logged and does not itself reject requests. While it may be more than a day ahead, no cleanup runs,
//! and expiries are rejected but not recorded: removed rows and recorded expiries would remain after the clock is
//! corrected.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokenry_domain::UnixMillis;
use tokenry_store::clock::DatabaseClock;

use crate::monotonic::Monotonic;

/// Differences up to this are not reported.
const TOLERANCE: Duration = Duration::from_secs(5);
/// A clock that may be ahead by more than this forbids a cleanup.
const DAY: Duration = Duration::from_secs(86_400);

/// A fault of a node's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClockFault {
    /// It went back by this much while the process ran.
    SteppedBack(Duration),
    /// It is behind the database server's clock.
    BehindDatabase(Duration),
    /// It is ahead of the database server's clock.
    AheadOfDatabase(Duration),
    /// It is behind the newest audit entry: this clock is wrong, or the clock that wrote the entry was.
    BehindAuditLog(Duration),
    /// The newest audit entry is so old that the clock may be far ahead, or the installation was idle, and there is no
    /// other clock to compare with. The clock is trusted after this process has run for a day.
    Unconfirmed(Duration),
}

impl ClockFault {
    /// Whether a cleanup must not run with such a clock.
    #[must_use]
    pub fn forbids_cleanup(self) -> bool {
        match self {
            Self::Unconfirmed(_) => true,
            Self::AheadOfDatabase(by) | Self::BehindDatabase(by) | Self::BehindAuditLog(by) => by > DAY,
            Self::SteppedBack(_) => false,
        }
    }

    /// Whether the clock is far ahead of the database server.
    fn is_far_ahead(self) -> bool {
        matches!(self, Self::AheadOfDatabase(by) if by > DAY)
    }

    fn is_same_kind(self, other: Self) -> bool {
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
            && self.forbids_cleanup() == other.forbids_cleanup()
    }
}

impl fmt::Display for ClockFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SteppedBack(by) => write!(f, "the clock went back by {} s", by.as_secs()),
            Self::BehindDatabase(by) => write!(f, "the clock is {} s behind the database's", by.as_secs()),
            Self::AheadOfDatabase(by) => write!(f, "the clock is {} s ahead of the database's", by.as_secs()),
            Self::BehindAuditLog(by) => {
                write!(f, "the clock is {} s behind the newest entry of the audit log", by.as_secs())
            }
            Self::Unconfirmed(by) => {
                let hours = by.as_secs() / 3600;
                write!(
                    f,
                    "the newest entry of the audit log is {hours} h old: the installation was idle, or the clock is far ahead"
                )
            }
        }
    }
}

/// The observations of this node's clock so far.
pub(crate) struct ClockWatch {
    monotonic: Monotonic,
    seen: Mutex<Seen>,
}

/// An instant by the wall clock and by the monotonic clock.
type Point = (UnixMillis, Duration);

#[derive(Default)]
struct Seen {
    /// The latest trusted wall-clock reading, projected by the monotonic clock: a reading behind it means that the
    /// clock went back.
    reference: Option<Point>,
    /// The reading at the last check. A clock far ahead of both readings has jumped; far ahead of one, it was there
    /// before.
    last: Option<Point>,
    /// Since when it is unknown whether the clock is a day ahead or a day has passed, and by how much.
    unconfirmed: Option<(Duration, Duration)>,
    faults: Vec<ClockFault>,
}

impl ClockWatch {
    pub(crate) fn with(monotonic: Monotonic) -> Self {
        Self { monotonic, seen: Mutex::default() }
    }

    /// How long this process has been running.
    pub(super) fn elapsed(&self) -> Duration {
        self.monotonic.elapsed()
    }

    /// Updates the observations. `took` is the time from reading `now` to the answer of the database.
    pub(super) fn update(&self, now: UnixMillis, took: Duration, database: DatabaseClock) -> Vec<ClockFault> {
        // The instant when `now` was read: a slow database is not a step of the clock.
        let elapsed = self.monotonic.elapsed().saturating_sub(took);
        let mut seen = self.seen();
        let mut faults = Vec::new();
        // How much further the wall clock moved than the monotonic clock.
        let forward = seen.reference.map_or(Duration::ZERO, |point| now.since(expected(point, elapsed)));
        let has_jumped = seen.has_jumped(now, elapsed);
        let back = seen.reference.map_or(Duration::ZERO, |point| expected(point, elapsed).since(now));
        if back > TOLERANCE {
            faults.push(ClockFault::SteppedBack(back));
        }
        let is_first = seen.last.is_none();
        // A check that began earlier may end later.
        if seen.last.is_none_or(|(_, then)| then <= elapsed) {
            seen.last = Some((now, elapsed));
        }
        match (database.server, database.newest_audit) {
            (Some(server), _) => {
                let (ahead, behind) = (now.since(server), server.since(later(now, took)));
                faults.extend((ahead > TOLERANCE).then_some(ClockFault::AheadOfDatabase(ahead)));
                faults.extend((behind > TOLERANCE).then_some(ClockFault::BehindDatabase(behind)));
            }
            (None, Some(newest)) => {
                let quiet = now.since(newest);
                if has_jumped {
                    seen.unconfirmed = Some((elapsed, forward));
                } else if is_first && quiet > DAY {
                    seen.unconfirmed = Some((elapsed, quiet));
                }
            }
            // The audit log is empty, so there is nothing to lose.
            (None, None) => {}
        }
        if let Some(behind) = database.newest_audit.map(|newest| newest.since(later(now, took)))
            && behind > TOLERANCE
        {
            faults.push(ClockFault::BehindAuditLog(behind));
        }
        seen.unconfirmed = seen.unconfirmed.filter(|(since, _)| elapsed.saturating_sub(*since) < DAY);
        faults.extend(seen.unconfirmed.map(|(_, by)| ClockFault::Unconfirmed(by)));
        let is_doubted =
            faults.iter().any(|fault| fault.is_far_ahead()) || (forward > DAY && seen.unconfirmed.is_some());
        if back.is_zero() && !is_doubted {
            seen.reference = Some((now, elapsed));
        }
        log_changes(&seen.faults, &faults);
        seen.faults.clone_from(&faults);
        faults
    }

    /// Whether the clock that reads `now` is more than a day ahead as far as known without the database: the last check
    /// found so, or the clock has jumped since.
    pub(crate) fn is_ahead(&self, now: UnixMillis) -> bool {
        let elapsed = self.monotonic.elapsed();
        let seen = self.seen();
        seen.has_jumped(now, elapsed) || seen.faults.iter().any(|fault| fault.is_far_ahead())
    }

    /// Whether the clock is ahead, or cannot be confirmed. A clock that is behind expires nothing too early.
    pub(crate) fn may_be_ahead(&self, now: UnixMillis) -> bool {
        self.is_ahead(now) || self.seen().unconfirmed.is_some()
    }

    /// The faults that the last check found.
    pub(crate) fn faults(&self) -> Vec<ClockFault> {
        self.seen().faults.clone()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    /// Whether the wall clock is more than a day ahead of both readings; a clock that recovers from a step back is not.
    fn has_jumped(&self, now: UnixMillis, elapsed: Duration) -> bool {
        let points = [self.reference, self.last];
        let latest = points.into_iter().flatten().map(|point| expected(point, elapsed)).max();
        latest.is_some_and(|latest| now.since(latest) > DAY)
    }
}

/// Logs one line for each new fault, and one when all are gone.
fn log_changes(before: &[ClockFault], faults: &[ClockFault]) {
    for fault in faults.iter().filter(|fault| !before.iter().any(|known| known.is_same_kind(**fault))) {
        if fault.forbids_cleanup() {
            tracing::error!(%fault, "the clock of this node may be wrong; no cleanup runs");
        } else {
            tracing::warn!(%fault, "the clock of this node may be wrong");
        }
    }
    if faults.is_empty() && !before.is_empty() {
        tracing::info!("the clock of this node is correct again");
    }
}

/// What a clock without steps would read when `elapsed` has passed.
fn expected((at, then): Point, elapsed: Duration) -> UnixMillis {
    match elapsed.checked_sub(then) {
        Some(passed) => later(at, passed),
        None => {
            let millis = at.get().saturating_sub(millis(then.saturating_sub(elapsed)));
            UnixMillis::new(millis).unwrap_or(UnixMillis::MIN)
        }
    }
}

fn later(at: UnixMillis, by: Duration) -> UnixMillis {
    UnixMillis::new(at.get().saturating_add(millis(by))).unwrap_or(UnixMillis::MAX)
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    };

    use super::*;

    const HOUR: u64 = 3600;

    struct Node {
        passed: Arc<AtomicU64>,
        watch: ClockWatch,
    }

    fn at(second: u64) -> UnixMillis {
        UnixMillis::new(i64::try_from(second * 1000).unwrap()).unwrap()
    }

    impl Node {
        fn new() -> Self {
            let passed = Arc::new(AtomicU64::new(0));
            let elapsed = passed.clone();
            let monotonic = Monotonic::from_fn(move || Duration::from_secs(elapsed.load(Ordering::SeqCst)));
            Self { passed, watch: ClockWatch::with(monotonic) }
        }

        /// The faults after `passed` seconds, when this clock reads `now`, the server's `server`, and the newest entry
        /// is of `audit`.
        fn see(&self, passed: u64, now: u64, server: Option<u64>, audit: Option<u64>) -> Vec<ClockFault> {
            self.passed.store(passed, Ordering::SeqCst);
            let database = DatabaseClock { server: server.map(at), newest_audit: audit.map(at) };
            self.watch.update(at(now), Duration::ZERO, database)
        }

        /// The faults after `passed` seconds by a check that began `took` seconds before, when this clock read `now`.
        fn see_slowly(&self, passed: u64, now: u64, took: u64) -> Vec<ClockFault> {
            self.passed.store(passed, Ordering::SeqCst);
            let database = DatabaseClock { server: None, newest_audit: None };
            self.watch.update(at(now), seconds(took), database)
        }

        /// Whether the clock that reads `now` after `passed` seconds is ahead, and whether it may be.
        fn doubts(&self, passed: u64, now: u64) -> (bool, bool) {
            self.passed.store(passed, Ordering::SeqCst);
            (self.watch.is_ahead(at(now)), self.watch.may_be_ahead(at(now)))
        }
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_step_back_is_reported_until_the_clock_has_caught_up() {
        let node = Node::new();
        assert_eq!(node.see(0, 10_000, None, None), []);
        assert_eq!(node.see(60, 10_055, None, None), [], "within the tolerance");
        assert_eq!(node.see(120, 10_060, None, None), [ClockFault::SteppedBack(seconds(60))]);
        assert_eq!(node.see(180, 10_120, None, None), [ClockFault::SteppedBack(seconds(60))]);
        assert_eq!(node.see(240, 10_240, None, None), []);
    }

    #[test]
    fn the_database_servers_clock_decides_after_a_long_idle_time() {
        let node = Node::new();
        let now = 1000 * HOUR;
        assert_eq!(node.see(0, now, Some(now - 5), Some(now - 900 * HOUR)), []);
        assert_eq!(node.see(60, now + 60, Some(now + 50), None), [ClockFault::AheadOfDatabase(seconds(10))]);
        assert_eq!(node.see(60, now + 60, Some(now + 70), None), [ClockFault::BehindDatabase(seconds(10))]);
        let far = node.see(120, now + 25 * HOUR, Some(now + 120), Some(now));
        assert!(far.iter().any(|fault| fault.forbids_cleanup()), "{far:?}");
    }

    #[test]
    fn without_another_clock_a_long_idle_time_is_trusted_after_a_day_of_running() {
        let node = Node::new();
        let begun = 1000 * HOUR;
        assert_eq!(
            node.see(0, begun, None, Some(begun - 25 * HOUR)),
            [ClockFault::Unconfirmed(seconds(25 * HOUR))]
        );
        // An entry written by this clock proves nothing.
        assert!(node.see(HOUR, begun + HOUR, None, Some(begun + HOUR))[0].forbids_cleanup());
        assert_eq!(node.see(24 * HOUR, begun + 24 * HOUR, None, Some(begun)), []);
        assert_eq!(
            node.see(96 * HOUR, begun + 96 * HOUR, None, Some(begun)),
            [],
            "the process ran during the idle time"
        );
        let jump = node.see(97 * HOUR, begun + 8000 * HOUR, None, Some(begun));
        assert!(jump[0].forbids_cleanup(), "{jump:?}");
        assert_eq!(Node::new().see(0, begun, None, Some(begun - 23 * HOUR)), []);
    }

    #[test]
    fn a_clock_behind_the_audit_log_is_reported() {
        let node = Node::new();
        assert_eq!(node.see(0, 1000, None, Some(1004)), []);
        assert_eq!(node.see(0, 1000, None, Some(1060)), [ClockFault::BehindAuditLog(seconds(60))]);
    }

    #[test]
    fn a_slow_database_is_not_a_step_of_the_clock() {
        let node = Node::new();
        assert_eq!(node.see_slowly(0, 10_000, 0), []);
        assert_eq!(node.see_slowly(80, 10_060, 20), []);
        assert_eq!(node.see_slowly(120, 10_120, 0), []);
        // Began before the last check and ends after it.
        assert_eq!(node.see_slowly(130, 10_100, 30), []);
        assert_eq!(node.see_slowly(180, 10_180, 0), []);
        assert_eq!(node.see_slowly(240, 10_230, 0), [ClockFault::SteppedBack(seconds(10))]);
    }

    #[test]
    fn a_jump_since_the_last_check_is_detected_at_once() {
        let (node, begun) = (Node::new(), 1000 * HOUR);
        assert_eq!(node.doubts(0, begun + 9000 * HOUR), (false, false), "no check yet");
        assert_eq!(node.see(0, begun, Some(begun), None), []);
        assert_eq!(node.doubts(30, begun + 30 + 24 * HOUR), (false, false));
        assert_eq!(node.doubts(30, begun + 31 + 24 * HOUR), (true, true));
        assert_eq!(node.doubts(30, 5), (false, false), "a clock that is behind is not ahead");
        assert_eq!(
            node.doubts(50 * HOUR, begun + 50 * HOUR),
            (false, false),
            "a missing check is not a jump"
        );
        assert!(node.see(60, begun + 9000 * HOUR, Some(begun + 60), None)[0].is_far_ahead());
        assert_eq!(node.doubts(70, begun + 70), (true, true), "until the next check");
        assert_eq!(
            node.see(120, begun + 120, Some(begun + 120), None),
            [],
            "a wrong reading is no reference"
        );
        assert_eq!(node.doubts(130, begun + 130), (false, false));
        assert_eq!(node.doubts(130, begun + 9000 * HOUR), (true, true), "it jumped again");
        assert!(node.see(180, begun, Some(begun + 100 * HOUR), None)[0].to_string().contains("went back"));
        assert_eq!(node.doubts(180, begun), (false, false), "far behind");
    }

    #[test]
    fn an_unconfirmed_clock_may_be_ahead() {
        let (node, begun) = (Node::new(), 1000 * HOUR);
        assert_eq!(node.see(0, begun, None, Some(begun - 25 * HOUR)).len(), 1);
        assert_eq!(node.doubts(30, begun + 30), (false, true));
        assert_eq!(node.see(24 * HOUR, begun + 24 * HOUR, None, Some(begun)), []);
        assert_eq!(node.doubts(24 * HOUR, begun + 24 * HOUR), (false, false));
    }

    #[test]
    fn a_second_jump_is_detected_like_the_first() {
        let (node, begun) = (Node::new(), 1000 * HOUR);
        let is_unconfirmed =
            |faults: Vec<ClockFault>| faults.iter().any(|fault| matches!(fault, ClockFault::Unconfirmed(_)));
        let jumped = begun + 9000 * HOUR;
        assert!(!is_unconfirmed(node.see(0, begun, None, Some(begun))));
        assert!(is_unconfirmed(node.see(60, jumped, None, Some(begun))));
        assert!(is_unconfirmed(node.see(120, begun + 120, None, Some(begun))), "either may have been right");
        assert!(!is_unconfirmed(node.see(25 * HOUR, begun + 25 * HOUR, None, Some(begun))));
        assert!(is_unconfirmed(node.see(26 * HOUR, jumped, None, Some(begun))));
        assert!(is_unconfirmed(node.see(27 * HOUR, jumped + HOUR, None, Some(jumped))));
        assert_eq!(
            node.see(50 * HOUR, jumped + 24 * HOUR, None, Some(jumped)),
            [],
            "a day later it is trusted"
        );
        assert_eq!(node.doubts(51 * HOUR, jumped + 25 * HOUR), (false, false));
        let back = node.see(51 * HOUR, begun + 51 * HOUR, None, None);
        assert!(matches!(back[..], [ClockFault::SteppedBack(_)]), "{back:?}");
    }

    #[test]
    fn a_clock_that_recovers_from_a_step_back_is_not_ahead() {
        let (node, begun) = (Node::new(), 1000 * HOUR);
        assert_eq!(node.see(0, begun, None, Some(begun)), []);
        assert_eq!(node.see(60, begun - 48 * HOUR, None, None).len(), 1);
        assert_eq!(node.doubts(90, begun + 90), (false, false));
        assert_eq!(node.see(120, begun + 120, None, Some(begun)), []);
    }
}
