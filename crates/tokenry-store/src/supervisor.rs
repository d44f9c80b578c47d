//! The one way to run a background thread: it is named, restarted when it fails, and its state can be read.
//!
//! [`Workers::start`] runs a [`Work`] on a thread of its own. Work that panics, or returns although nobody told it to,
//! is run again after a pause; the failure is logged and counted. What must survive a failure, such as the receiving end
//! of a queue, is part of the work and not of one run of it. [`Worker`] is the other end: dropping it is an orderly stop.

use std::{
    any::Any,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{Builder, ThreadId},
    time::{Duration, Instant},
};

/// The pause before the first restart; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// After a run of this length the next failure counts as the first one again.
const QUIET: Duration = Duration::from_secs(60);
/// How often work that waits for its restart refuses what was queued for it.
const DOWN_TICK: Duration = Duration::from_millis(20);
/// How long dropping a [`Worker`] waits for the end of its thread. One that hangs is left behind.
const STOP_WAIT: Duration = Duration::from_secs(2);

/// What a background thread does.
pub trait Work: Send + 'static {
    /// Works until it is told to stop. A panic and any other return are failures, after which it is called again.
    fn run(&mut self, stop: &Stop);

    /// Called again and again between a failure and the restart: refuses what was queued, so that nobody waits for a
    /// thread that is down, and lets go of what the failed run left in an unknown state.
    fn while_down(&mut self) {}
}

impl<F: FnMut(&Stop) + Send + 'static> Work for F {
    fn run(&mut self, stop: &Stop) {
        self(stop);
    }
}

/// What depends on a background thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Importance {
    /// Requests fail without it.
    Vital,
    /// Requests are answered without it; something else is late.
    Background,
}

/// The background threads of one store and of everything that is built on it. Clones share them.
#[derive(Clone, Default)]
pub struct Workers(Arc<Mutex<Vec<Arc<Record>>>>);

/// How a background thread is at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerState {
    /// What it was started as; several threads may share a name.
    pub name: &'static str,
    /// What depends on it.
    pub importance: Importance,
    /// For how long it has been waiting for its restart; `None` while it runs.
    pub down_for: Option<Duration>,
    /// How often it failed.
    pub failures: u64,
    /// How long ago it last failed.
    pub last_failure_age: Option<Duration>,
    /// What it failed with. For the operator's log, not for answers.
    pub last_failure: Option<String>,
}

struct Record {
    name: &'static str,
    importance: Importance,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    is_stopped: bool,
    has_ended: bool,
    thread: Option<ThreadId>,
    down_since: Option<Instant>,
    failures: u64,
    last_failure: Option<(Instant, String)>,
}

/// Tells the work that it is to end.
pub struct Stop(Arc<Record>);

/// A background thread. Dropping it stops the thread and waits for its end, for a bounded time.
pub struct Worker(Arc<Record>);

impl Workers {
    /// Starts a thread named `tokenry-NAME`.
    ///
    /// # Errors
    /// When the system gives no further thread.
    pub fn start(
        &self,
        name: &'static str,
        importance: Importance,
        work: impl Work,
    ) -> Result<Worker, io::Error> {
        let record = Arc::new(Record { name, importance, state: Mutex::default(), changed: Condvar::new() });
        let supervised = record.clone();
        let thread =
            Builder::new().name(format!("tokenry-{name}")).spawn(move || supervise(&supervised, work))?;
        record.state().thread = Some(thread.thread().id());
        locked(&self.0).push(record.clone());
        Ok(Worker(record))
    }

    /// All threads that were not told to stop, in the order in which they were started.
    #[must_use]
    pub fn states(&self) -> Vec<WorkerState> {
        let mut records = locked(&self.0);
        records.retain(|record| !record.state().is_stopped);
        records.iter().map(|record| record.read()).collect()
    }
}

impl Worker {
    /// Tells the thread to stop and returns at once.
    pub fn stop(&self) {
        self.0.state().is_stopped = true;
        self.0.changed.notify_all();
    }

    /// Waits for the end of the thread, which somebody told to stop; `false` if it has not ended by then.
    #[must_use]
    pub fn wait(&self, most: Duration) -> bool {
        let state = self.0.state();
        let waited = self.0.changed.wait_timeout_while(state, most, |state| !state.has_ended);
        waited.unwrap_or_else(PoisonError::into_inner).0.has_ended
    }

    /// Whether the thread has ended for good.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.0.state().has_ended
    }

    /// Whether the thread waits for its restart.
    #[must_use]
    pub fn is_down(&self) -> bool {
        self.0.state().down_since.is_some()
    }

    /// Tells a thread that hangs to stop when it comes back, and waits for nothing.
    pub fn abandon(self) {
        self.stop();
        self.0.state().has_ended = true;
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop();
        // The last owner may be the thread itself.
        let is_own = self.0.state().thread == Some(std::thread::current().id());
        if !is_own {
            let _ = self.wait(STOP_WAIT);
        }
    }
}

impl Stop {
    /// Whether it is to end now.
    #[must_use]
    pub fn is_told(&self) -> bool {
        self.0.state().is_stopped
    }

    /// Sleeps for so long, or until it is to end: then the result is `true`.
    #[must_use]
    pub fn wait(&self, most: Duration) -> bool {
        let state = self.0.state();
        let waited = self.0.changed.wait_timeout_while(state, most, |state| !state.is_stopped);
        waited.unwrap_or_else(PoisonError::into_inner).0.is_stopped
    }
}

impl Record {
    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }

    fn read(&self) -> WorkerState {
        let state = self.state();
        WorkerState {
            name: self.name,
            importance: self.importance,
            down_for: state.down_since.map(|since| since.elapsed()),
            failures: state.failures,
            last_failure_age: state.last_failure.as_ref().map(|(at, _)| at.elapsed()),
            last_failure: state.last_failure.as_ref().map(|(_, text)| text.clone()),
        }
    }

    fn fail(&self, text: &str, pause: Duration) {
        let failures = {
            let mut state = self.state();
            let at = now();
            state.failures += 1;
            state.down_since.get_or_insert(at);
            state.last_failure = Some((at, text.to_owned()));
            state.failures
        };
        // A subscriber that panics must not end the thread that is to restart.
        let _ = catch_unwind(|| {
            let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
            tracing::error!(
                worker = self.name,
                failures,
                pause_ms,
                text,
                "a background thread failed and is restarted"
            );
        });
    }

    fn end(&self) {
        self.state().has_ended = true;
        self.changed.notify_all();
    }
}

/// The thread: runs the work again and again until it is told to stop.
fn supervise(record: &Arc<Record>, mut work: impl Work) {
    let stop = Stop(record.clone());
    let mut pause = FIRST_PAUSE;
    loop {
        let started = now();
        let ended = catch_unwind(AssertUnwindSafe(|| work.run(&stop)));
        if stop.is_told() {
            break;
        }
        if started.elapsed() >= QUIET {
            pause = FIRST_PAUSE;
        }
        let text = ended.map_or_else(message, |()| "it returned although nobody told it to".to_owned());
        record.fail(&text, pause);
        if stay_down(&mut work, &stop, pause) {
            break;
        }
        pause = (pause * 2).min(MAX_PAUSE);
        record.state().down_since = None;
    }
    let _ = catch_unwind(AssertUnwindSafe(move || drop(work)));
    record.end();
}

/// Waits for the restart; `true` if it is to end instead.
fn stay_down(work: &mut impl Work, stop: &Stop, pause: Duration) -> bool {
    let begun = now();
    loop {
        let _ = catch_unwind(AssertUnwindSafe(|| work.while_down()));
        let left = pause.saturating_sub(begun.elapsed());
        if left.is_zero() {
            return stop.is_told();
        }
        if stop.wait(left.min(DOWN_TICK)) {
            return true;
        }
    }
}

/// What a panic said, if that stands in the source.
///
/// SECURITY: a text that was put together while it ran may quote a secret, as that of a string cut at a wrong place does,
/// and is left out.
#[must_use]
pub fn panic_text(payload: &(dyn Any + Send)) -> &'static str {
    payload.downcast_ref::<&'static str>().copied().unwrap_or("a panic whose text may quote a secret")
}

fn message(payload: Box<dyn Any + Send>) -> String {
    let text = panic_text(&*payload).to_owned();
    // Its own end may panic, and nobody is left to catch that.
    std::mem::forget(payload);
    text
}

/// An instant of the monotonic clock by which something is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// So far from now.
    #[must_use]
    pub fn after(duration: Duration) -> Self {
        Self(now() + duration)
    }

    /// How long it is until then; zero afterwards.
    #[must_use]
    pub fn left(self) -> Duration {
        self.0.saturating_duration_since(now())
    }
}

#[allow(clippy::disallowed_methods, reason = "pauses and ages are measured with the monotonic clock")]
fn now() -> Instant {
    Instant::now()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it holds one of these.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    fn until(is_so: impl Fn() -> bool) {
        let start = now();
        while !is_so() {
            assert!(start.elapsed() < Duration::from_secs(10), "it did not happen");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn work_that_panics_or_returns_is_run_again_and_the_failure_can_be_read() {
        let workers = Workers::default();
        let (ran, runs) = channel();
        let mut count = 0;
        let worker = workers
            .start("test", Importance::Vital, move |stop: &Stop| {
                count += 1;
                ran.send(count).unwrap();
                match count {
                    1 => panic!("for this test"),
                    2 => {}
                    _ => while !stop.wait(Duration::from_secs(60)) {},
                }
            })
            .unwrap();
        assert_eq!(runs.iter().take(3).collect::<Vec<_>>(), [1, 2, 3]);
        until(|| workers.states().iter().all(|state| state.down_for.is_none()));
        let [state] = &workers.states()[..] else { panic!("one worker") };
        assert_eq!((state.name, state.failures), ("test", 2));
        assert_eq!(state.last_failure.as_deref(), Some("it returned although nobody told it to"));
        drop(worker);
        assert!(workers.states().is_empty());
        assert!(runs.recv().is_err(), "an orderly stop is no failure");
    }

    #[test]
    fn the_text_of_a_panic_is_told_unless_it_was_put_together() {
        let said = |panics: fn()| message(catch_unwind(panics).unwrap_err());
        assert_eq!(said(|| panic!("as it stands")), "as it stands");
        let quoting = said(|| {
            let secret = String::from("pat_é");
            let _ = secret.split_at(5);
        });
        assert_eq!(quoting, "a panic whose text may quote a secret");
    }

    struct Queue(Receiver<std::sync::mpsc::Sender<()>>);

    impl Work for Queue {
        fn run(&mut self, _: &Stop) {
            panic!("for this test");
        }

        fn while_down(&mut self) {
            self.0.try_iter().for_each(drop);
        }
    }

    #[test]
    fn what_is_queued_for_a_thread_that_is_down_is_refused_and_its_stop_is_prompt() {
        let workers = Workers::default();
        let (queue, jobs) = channel();
        let worker = workers.start("test", Importance::Vital, Queue(jobs)).unwrap();
        until(|| workers.states().iter().any(|state| state.failures >= 3));
        let (answer, answered) = channel::<()>();
        queue.send(answer).unwrap();
        assert!(answered.recv().is_err());
        let start = now();
        drop(worker);
        assert!(start.elapsed() < Duration::from_secs(1), "it waited for the restart");
    }

    #[test]
    fn a_thread_that_hangs_does_not_keep_its_owner() {
        let workers = Workers::default();
        let (_release, released) = channel::<()>();
        let worker = workers
            .start("test", Importance::Background, move |_: &Stop| {
                let _ = released.recv();
            })
            .unwrap();
        let start = now();
        drop(worker);
        assert!(start.elapsed() < STOP_WAIT + Duration::from_secs(3));
    }
}
