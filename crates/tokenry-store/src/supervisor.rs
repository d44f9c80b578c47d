//! Supervised background threads: each has a name, is restarted when it fails, and reports its state.
//!
//! [`Workers::start`] runs a [`Work`] on its own thread. Work that panics, or returns without a stop request, is run again
//! after a pause; the failure is logged and counted. State that must survive a failure, such as the receiving end of a
//! queue, belongs to the [`Work`] value and not to one run of it. [`Worker`] is the handle: dropping it stops the thread.

use std::{
    any::Any,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{Builder, ThreadId},
    time::{Duration, Instant},
};

/// The pause before the first restart; each further restart doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// A run of this length resets the pause to [`FIRST_PAUSE`].
const RESET_AFTER: Duration = Duration::from_secs(60);
/// How often [`Work::while_down`] is called during a pause.
const DOWN_TICK: Duration = Duration::from_millis(20);
/// How long dropping a [`Worker`] waits for its thread to end. A thread that hangs is left running.
const STOP_WAIT: Duration = Duration::from_secs(2);

/// The work of a background thread.
pub trait Work: Send + 'static {
    /// Works until a stop is requested. A panic or any other return is a failure, after which it is called again.
    fn run(&mut self, stop: &Stop);

    /// Called every 20 ms between a failure and the restart. Rejects queued jobs, so that no caller waits for a thread
    /// that is down, and drops resources that the failed run left in an unknown state.
    fn while_down(&mut self) {}
}

impl<F: FnMut(&Stop) + Send + 'static> Work for F {
    fn run(&mut self, stop: &Stop) {
        self(stop);
    }
}

/// What depends on a background thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Importance {
    /// Requests fail without it.
    Vital,
    /// Requests are answered without it; something else is late.
    Background,
}

/// The background threads of one store and of the layers above it. Clones share them.
#[derive(Clone, Default)]
pub struct Workers(Arc<Mutex<Vec<Arc<Record>>>>);

/// The current state of a background thread.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerState {
    /// Its name; several threads may share a name.
    pub name: &'static str,
    /// What depends on it.
    pub importance: Importance,
    /// How long it has been waiting for its restart; `None` while it runs.
    pub down_for: Option<Duration>,
    /// How often it failed.
    pub failures: u64,
    /// How long ago it last failed.
    pub last_failure_age: Option<Duration>,
    /// The text of the last failure. For the operator's log, not for responses.
    pub last_failure: Option<String>,
}

impl WorkerState {
    /// A thread that runs and has never failed.
    #[must_use]
    pub fn running(name: &'static str, importance: Importance) -> Self {
        Self { name, importance, down_for: None, failures: 0, last_failure_age: None, last_failure: None }
    }
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

/// Signals a stop request to the work.
pub struct Stop(Arc<Record>);

/// The handle of a background thread. Dropping it stops the thread and waits up to two seconds for its end.
pub struct Worker(Arc<Record>);

impl Workers {
    /// Starts a thread named `tokenry-NAME`.
    ///
    /// # Errors
    /// When the system cannot create a thread.
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

    /// All threads without a stop request, in the order in which they were started.
    #[must_use]
    pub fn states(&self) -> Vec<WorkerState> {
        let mut records = locked(&self.0);
        records.retain(|record| !record.state().is_stopped);
        records.iter().map(|record| record.read()).collect()
    }
}

impl Worker {
    /// Requests a stop and returns at once.
    pub fn stop(&self) {
        self.0.state().is_stopped = true;
        self.0.changed.notify_all();
    }

    /// Waits until the thread has ended; `false` after `timeout`. Request a [`stop`](Self::stop) first.
    #[must_use]
    pub fn wait(&self, timeout: Duration) -> bool {
        let state = self.0.state();
        let waited = self.0.changed.wait_timeout_while(state, timeout, |state| !state.has_ended);
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

    /// Requests a stop of a thread that hangs, without waiting for its end.
    pub fn abandon(self) {
        self.stop();
        self.0.state().has_ended = true;
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop();
        // The thread itself may drop the last handle.
        let is_own = self.0.state().thread == Some(std::thread::current().id());
        if !is_own {
            let _ = self.wait(STOP_WAIT);
        }
    }
}

impl Stop {
    /// Whether a stop was requested.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.0.state().is_stopped
    }

    /// Sleeps for `timeout`, or until a stop is requested; returns whether one was requested.
    #[must_use]
    pub fn wait(&self, timeout: Duration) -> bool {
        let state = self.0.state();
        let waited = self.0.changed.wait_timeout_while(state, timeout, |state| !state.is_stopped);
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
        // A log subscriber that panics must not end the supervising thread.
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

/// The body of the thread: runs the work until a stop is requested.
fn supervise(record: &Arc<Record>, mut work: impl Work) {
    let stop = Stop(record.clone());
    let mut pause = FIRST_PAUSE;
    loop {
        let started = now();
        let ended = catch_unwind(AssertUnwindSafe(|| work.run(&stop)));
        if stop.is_requested() {
            break;
        }
        if started.elapsed() >= RESET_AFTER {
            pause = FIRST_PAUSE;
        }
        let text = ended.map_or_else(panic_message, |()| "it returned without a stop request".to_owned());
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

/// Waits until the restart is due; `true` if a stop was requested.
fn stay_down(work: &mut impl Work, stop: &Stop, pause: Duration) -> bool {
    let started = now();
    loop {
        let _ = catch_unwind(AssertUnwindSafe(|| work.while_down()));
        let left = pause.saturating_sub(started.elapsed());
        if left.is_zero() {
            return stop.is_requested();
        }
        if stop.wait(left.min(DOWN_TICK)) {
            return true;
        }
    }
}

/// The message of a panic, if it is a literal in the source code.
///
/// SECURITY: a message that was formatted at run time may quote a secret, as the panic of a string sliced at a wrong
/// index does, so it is left out.
#[must_use]
pub fn panic_text(payload: &(dyn Any + Send)) -> &'static str {
    payload.downcast_ref::<&'static str>().copied().unwrap_or("a panic whose text may quote a secret")
}

fn panic_message(payload: Box<dyn Any + Send>) -> String {
    let text = panic_text(&*payload).to_owned();
    // Dropping the payload may panic, and nothing would catch that.
    std::mem::forget(payload);
    text
}

/// An instant of the monotonic clock at which a wait ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// The deadline that is `duration` from now.
    #[must_use]
    pub fn after(duration: Duration) -> Self {
        Self(now() + duration)
    }

    /// The remaining time; zero once the deadline has passed.
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
    // No code panics while it holds one of these mutexes.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    fn wait_until(condition: impl Fn() -> bool) {
        let start = now();
        while !condition() {
            assert!(start.elapsed() < Duration::from_secs(10), "timed out");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn work_that_panics_or_returns_is_restarted_and_its_failure_is_reported() {
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
        wait_until(|| workers.states().iter().all(|state| state.down_for.is_none()));
        let [state] = &workers.states()[..] else { panic!("one worker") };
        assert_eq!((state.name, state.failures), ("test", 2));
        assert_eq!(state.last_failure.as_deref(), Some("it returned without a stop request"));
        drop(worker);
        assert!(workers.states().is_empty());
        assert!(runs.recv().is_err(), "an orderly stop is no failure");
    }

    #[test]
    fn a_panic_message_is_reported_only_if_it_is_a_literal() {
        fn reported(panics: fn()) -> String {
            panic_message(catch_unwind(panics).unwrap_err())
        }
        assert_eq!(reported(|| panic!("a literal")), "a literal");
        let quoting = reported(|| {
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
    fn jobs_queued_for_a_thread_that_is_down_are_rejected_and_its_stop_is_prompt() {
        let workers = Workers::default();
        let (queue, jobs) = channel();
        let worker = workers.start("test", Importance::Vital, Queue(jobs)).unwrap();
        wait_until(|| workers.states().iter().any(|state| state.failures >= 3));
        let (answer, answered) = channel::<()>();
        queue.send(answer).unwrap();
        assert!(answered.recv().is_err());
        let start = now();
        drop(worker);
        assert!(start.elapsed() < Duration::from_secs(1), "it waited for the restart");
    }

    #[test]
    fn dropping_the_handle_of_a_thread_that_hangs_returns_in_time() {
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
