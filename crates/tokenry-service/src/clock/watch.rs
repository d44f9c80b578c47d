//! Whether the clock of this node can be believed: against one that does not step, and against the database's.
//!
//! A wrong clock is told of and refuses nobody by itself. One that may be more than a day ahead removes nothing, and what it
//! calls over is refused and not recorded: what a cleanup takes away, or a row says has ended, does not come back when the
//! clock is set right.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokenry_domain::UnixMillis;
use tokenry_store::clock::DatabaseClock;

use crate::monotonic::Monotonic;

/// Clocks may differ by so much without a word.
const TOLERATED: Duration = Duration::from_secs(5);
/// A clock that may be ahead by more removes nothing.
const DAY: Duration = Duration::from_secs(86_400);

/// What is wrong with a node's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClockFault {
    /// It went back by so much while this process ran.
    SteppedBack(Duration),
    /// It is behind the clock of the database's server.
    BehindDatabase(Duration),
    /// It is ahead of the clock of the database's server.
    AheadOfDatabase(Duration),
    /// It is behind the newest entry of the audit log: it is wrong, or the one was that wrote the entry.
    BehindAuditLog(Duration),
    /// The newest entry of the audit log is so old that a clock far ahead cannot be told from a long quiet time, and
    /// there is no other clock to ask. It is believed after this process has run for a day.
    Unconfirmed(Duration),
}

impl ClockFault {
    /// Whether nothing may be removed by such a clock.
    #[must_use]
    pub fn forbids_cleanup(self) -> bool {
        match self {
            Self::Unconfirmed(_) => true,
            Self::AheadOfDatabase(by) | Self::BehindDatabase(by) | Self::BehindAuditLog(by) => by > DAY,
            Self::SteppedBack(_) => false,
        }
    }

    /// Whether the clock is far ahead of one that is right.
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
                    "the newest entry of the audit log is {hours} h old: a long quiet time, or a clock far ahead"
                )
            }
        }
    }
}

/// What was found of this node's clock so far.
pub(crate) struct ClockWatch {
    monotonic: Monotonic,
    seen: Mutex<Seen>,
}

/// An instant by the clock that tells the time, and by the one that does not step.
type Point = (UnixMillis, Duration);

#[derive(Default)]
struct Seen {
    /// Where the time of day was the latest, measured by the other clock, as long as it was believed: what is behind it went
    /// back.
    line: Option<Point>,
    /// Where it was at the last look. What is far ahead of both jumped; what is far ahead of one was there before.
    last: Option<Point>,
    /// Since when nobody knows whether the time is a day ahead or a day has passed, and by how much.
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

    /// `took` is how long it took to ask the database after `now`.
    pub(super) fn judge(&self, now: UnixMillis, took: Duration, database: DatabaseClock) -> Vec<ClockFault> {
        // When `now` was read: a database that is slow is no step of the clock.
        let elapsed = self.monotonic.elapsed().saturating_sub(took);
        let mut seen = self.seen();
        let mut faults = Vec::new();
        // How much more, or less, the time of day moved than the time that passed.
        let forward = seen.line.map_or(Duration::ZERO, |line| now.since(expected(line, elapsed)));
        let has_jumped = seen.has_jumped(now, elapsed);
        let back = seen.line.map_or(Duration::ZERO, |line| expected(line, elapsed).since(now));
        if back > TOLERATED {
            faults.push(ClockFault::SteppedBack(back));
        }
        let is_first = seen.last.is_none();
        // A look that began earlier may be answered later.
        if seen.last.is_none_or(|(_, then)| then <= elapsed) {
            seen.last = Some((now, elapsed));
        }
        match (database.server, database.newest_audit) {
            (Some(server), _) => {
                let (ahead, behind) = (now.since(server), server.since(later(now, took)));
                faults.extend((ahead > TOLERATED).then_some(ClockFault::AheadOfDatabase(ahead)));
                faults.extend((behind > TOLERATED).then_some(ClockFault::BehindDatabase(behind)));
            }
            (None, Some(newest)) => {
                let quiet = now.since(newest);
                if has_jumped {
                    seen.unconfirmed = Some((elapsed, forward));
                } else if is_first && quiet > DAY {
                    seen.unconfirmed = Some((elapsed, quiet));
                }
            }
            // Nothing happened yet, so there is nothing to lose.
            (None, None) => {}
        }
        if let Some(behind) = database.newest_audit.map(|newest| newest.since(later(now, took)))
            && behind > TOLERATED
        {
            faults.push(ClockFault::BehindAuditLog(behind));
        }
        seen.unconfirmed = seen.unconfirmed.filter(|(since, _)| elapsed.saturating_sub(*since) < DAY);
        faults.extend(seen.unconfirmed.map(|(_, by)| ClockFault::Unconfirmed(by)));
        let is_doubted =
            faults.iter().any(|fault| fault.is_far_ahead()) || (forward > DAY && seen.unconfirmed.is_some());
        if back.is_zero() && !is_doubted {
            seen.line = Some((now, elapsed));
        }
        tell(&seen.faults, &faults);
        seen.faults.clone_from(&faults);
        faults
    }

    /// Whether the clock that says `now` is more than a day ahead as far as can be known without the database: the last
    /// look found it so, or it has jumped since then.
    pub(crate) fn is_ahead(&self, now: UnixMillis) -> bool {
        let elapsed = self.monotonic.elapsed();
        let seen = self.seen();
        seen.has_jumped(now, elapsed) || seen.faults.iter().any(|fault| fault.is_far_ahead())
    }

    /// The same, or nobody can tell. One that is behind calls nothing over that is not.
    pub(crate) fn may_be_ahead(&self, now: UnixMillis) -> bool {
        self.is_ahead(now) || self.seen().unconfirmed.is_some()
    }

    /// What the last look found.
    pub(crate) fn faults(&self) -> Vec<ClockFault> {
        self.seen().faults.clone()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    /// Whether the time of day is more than a day ahead of where it was, and not only back from a step.
    fn has_jumped(&self, now: UnixMillis, elapsed: Duration) -> bool {
        let should_be = |point| expected(point, elapsed);
        let latest = self.line.map(should_be).max(self.last.map(should_be));
        latest.is_some_and(|latest| now.since(latest) > DAY)
    }
}

/// One line for each fault that came, and one when all are gone.
fn tell(before: &[ClockFault], faults: &[ClockFault]) {
    let is_new = |fault: &&ClockFault| !before.iter().any(|known| known.is_same_kind(**fault));
    for fault in faults.iter().filter(is_new) {
        if fault.forbids_cleanup() {
            tracing::error!(%fault, "the clock of this node may be wrong: nothing is cleaned up");
        } else {
            tracing::warn!(%fault, "the clock of this node may be wrong");
        }
    }
    if faults.is_empty() && !before.is_empty() {
        tracing::info!("the clock of this node is right again");
    }
}

/// What a clock that does not step would say when `elapsed` has passed.
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
            let told = passed.clone();
            let monotonic = Monotonic::from_fn(move || Duration::from_secs(told.load(Ordering::SeqCst)));
            Self { passed, watch: ClockWatch::with(monotonic) }
        }

        /// What is found after `passed` seconds, when it is `now` here, `server` there and the newest entry is of `audit`.
        fn see(&self, passed: u64, now: u64, server: Option<u64>, audit: Option<u64>) -> Vec<ClockFault> {
            self.passed.store(passed, Ordering::SeqCst);
            let database = DatabaseClock { server: server.map(at), newest_audit: audit.map(at) };
            self.watch.judge(at(now), Duration::ZERO, database)
        }

        /// What is found after `passed` seconds by a look that began `took` seconds before, when it was `now` here.
        fn see_slowly(&self, passed: u64, now: u64, took: u64) -> Vec<ClockFault> {
            self.passed.store(passed, Ordering::SeqCst);
            let database = DatabaseClock { server: None, newest_audit: None };
            self.watch.judge(at(now), seconds(took), database)
        }

        /// What is doubted of `now` after `passed` seconds: whether it is ahead, and whether it may be.
        fn doubts(&self, passed: u64, now: u64) -> (bool, bool) {
            self.passed.store(passed, Ordering::SeqCst);
            (self.watch.is_ahead(at(now)), self.watch.may_be_ahead(at(now)))
        }
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_step_back_is_seen_until_the_clock_has_made_up_for_it() {
        let node = Node::new();
        assert_eq!(node.see(0, 10_000, None, None), []);
        assert_eq!(node.see(60, 10_055, None, None), [], "within the tolerance");
        assert_eq!(node.see(120, 10_060, None, None), [ClockFault::SteppedBack(seconds(60))]);
        assert_eq!(node.see(180, 10_120, None, None), [ClockFault::SteppedBack(seconds(60))]);
        assert_eq!(node.see(240, 10_240, None, None), []);
    }

    #[test]
    fn the_clock_of_a_server_decides_about_long_quiet_times() {
        let node = Node::new();
        let now = 1000 * HOUR;
        assert_eq!(node.see(0, now, Some(now - 5), Some(now - 900 * HOUR)), []);
        assert_eq!(node.see(60, now + 60, Some(now + 50), None), [ClockFault::AheadOfDatabase(seconds(10))]);
        assert_eq!(node.see(60, now + 60, Some(now + 70), None), [ClockFault::BehindDatabase(seconds(10))]);
        let far = node.see(120, now + 25 * HOUR, Some(now + 120), Some(now));
        assert!(far.iter().any(|fault| fault.forbids_cleanup()), "{far:?}");
    }

    #[test]
    fn without_another_clock_a_long_quiet_time_is_believed_after_a_day_of_running() {
        let node = Node::new();
        let begun = 1000 * HOUR;
        assert_eq!(
            node.see(0, begun, None, Some(begun - 25 * HOUR)),
            [ClockFault::Unconfirmed(seconds(25 * HOUR))]
        );
        // What is written by this very clock proves nothing.
        assert!(node.see(HOUR, begun + HOUR, None, Some(begun + HOUR))[0].forbids_cleanup());
        assert_eq!(node.see(24 * HOUR, begun + 24 * HOUR, None, Some(begun)), []);
        assert_eq!(
            node.see(96 * HOUR, begun + 96 * HOUR, None, Some(begun)),
            [],
            "it ran through the quiet time"
        );
        let jump = node.see(97 * HOUR, begun + 8000 * HOUR, None, Some(begun));
        assert!(jump[0].forbids_cleanup(), "{jump:?}");
        assert_eq!(Node::new().see(0, begun, None, Some(begun - 23 * HOUR)), []);
    }

    #[test]
    fn a_clock_behind_the_audit_log_is_told_of() {
        let node = Node::new();
        assert_eq!(node.see(0, 1000, None, Some(1004)), []);
        assert_eq!(node.see(0, 1000, None, Some(1060)), [ClockFault::BehindAuditLog(seconds(60))]);
    }

    #[test]
    fn a_database_that_answers_late_is_no_step_of_the_clock() {
        let node = Node::new();
        assert_eq!(node.see_slowly(0, 10_000, 0), []);
        assert_eq!(node.see_slowly(80, 10_060, 20), []);
        assert_eq!(node.see_slowly(120, 10_120, 0), []);
        // Began before the last one, and is answered after it.
        assert_eq!(node.see_slowly(130, 10_100, 30), []);
        assert_eq!(node.see_slowly(180, 10_180, 0), []);
        assert_eq!(node.see_slowly(240, 10_230, 0), [ClockFault::SteppedBack(seconds(10))]);
    }

    #[test]
    fn a_clock_that_jumped_since_the_last_look_is_doubted_at_once() {
        let (node, begun) = (Node::new(), 1000 * HOUR);
        assert_eq!(node.doubts(0, begun + 9000 * HOUR), (false, false), "nobody has looked");
        assert_eq!(node.see(0, begun, Some(begun), None), []);
        assert_eq!(node.doubts(30, begun + 30 + 24 * HOUR), (false, false));
        assert_eq!(node.doubts(30, begun + 31 + 24 * HOUR), (true, true));
        assert_eq!(node.doubts(30, 5), (false, false), "a clock behind calls nothing over that is not");
        assert_eq!(node.doubts(50 * HOUR, begun + 50 * HOUR), (false, false), "no look is no jump");
        assert!(node.see(60, begun + 9000 * HOUR, Some(begun + 60), None)[0].is_far_ahead());
        assert_eq!(node.doubts(70, begun + 70), (true, true), "until the next look");
        assert_eq!(node.see(120, begun + 120, Some(begun + 120), None), [], "what was wrong is no line");
        assert_eq!(node.doubts(130, begun + 130), (false, false));
        assert_eq!(node.doubts(130, begun + 9000 * HOUR), (true, true), "it jumped again");
        assert!(node.see(180, begun, Some(begun + 100 * HOUR), None)[0].to_string().contains("went back"));
        assert_eq!(node.doubts(180, begun), (false, false), "far behind");
    }

    #[test]
    fn a_clock_that_nobody_can_confirm_may_be_ahead() {
        let (node, begun) = (Node::new(), 1000 * HOUR);
        assert_eq!(node.see(0, begun, None, Some(begun - 25 * HOUR)).len(), 1);
        assert_eq!(node.doubts(30, begun + 30), (false, true));
        assert_eq!(node.see(24 * HOUR, begun + 24 * HOUR, None, Some(begun)), []);
        assert_eq!(node.doubts(24 * HOUR, begun + 24 * HOUR), (false, false));
    }

    #[test]
    fn a_second_jump_is_noticed_like_the_first() {
        let (node, begun) = (Node::new(), 1000 * HOUR);
        let is_unconfirmed =
            |faults: Vec<ClockFault>| faults.iter().any(|fault| matches!(fault, ClockFault::Unconfirmed(_)));
        let jumped = begun + 9000 * HOUR;
        assert!(!is_unconfirmed(node.see(0, begun, None, Some(begun))));
        assert!(is_unconfirmed(node.see(60, jumped, None, Some(begun))));
        assert!(is_unconfirmed(node.see(120, begun + 120, None, Some(begun))), "which of the two was right?");
        assert!(!is_unconfirmed(node.see(25 * HOUR, begun + 25 * HOUR, None, Some(begun))));
        assert!(is_unconfirmed(node.see(26 * HOUR, jumped, None, Some(begun))));
        assert!(is_unconfirmed(node.see(27 * HOUR, jumped + HOUR, None, Some(jumped))));
        assert_eq!(
            node.see(50 * HOUR, jumped + 24 * HOUR, None, Some(jumped)),
            [],
            "a day later it is believed"
        );
        assert_eq!(node.doubts(51 * HOUR, jumped + 25 * HOUR), (false, false));
        let back = node.see(51 * HOUR, begun + 51 * HOUR, None, None);
        assert!(matches!(back[..], [ClockFault::SteppedBack(_)]), "{back:?}");
    }

    #[test]
    fn a_clock_that_went_back_and_is_right_again_is_not_ahead() {
        let (node, begun) = (Node::new(), 1000 * HOUR);
        assert_eq!(node.see(0, begun, None, Some(begun)), []);
        assert_eq!(node.see(60, begun - 48 * HOUR, None, None).len(), 1);
        assert_eq!(node.doubts(90, begun + 90), (false, false));
        assert_eq!(node.see(120, begun + 120, None, Some(begun)), []);
    }
}
