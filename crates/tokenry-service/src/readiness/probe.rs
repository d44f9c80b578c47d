//! Runs the checks, each on a thread of its own, so that a check that hangs blocks no request.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, SyncSender, channel, sync_channel},
    },
    time::Duration,
};

use futures_channel::oneshot;
use tokenry_domain::UnixMillis;
use tokenry_store::{
    Store, StoreError,
    supervisor::{Deadline, Importance, Stop, Work, Worker},
};

use super::finding::{Check, CheckState, Finding, Readiness};

/// How long a round waits for its checks.
const ROUND: Duration = Duration::from_millis(2500);
/// How long a round waits if its requests already waited for a round without an answer.
const SHORT_ROUND: Duration = Duration::from_millis(400);
/// After this time a running check counts as hanging and may be started once more concurrently.
const HANGS_AFTER: Duration = Duration::from_secs(10);
/// How many threads of one check may hang.
const MAX_RUNNING: usize = 2;
/// How many requests may wait for the next round.
const QUEUE: usize = 1024;

/// A check of the database.
pub(crate) type StoreCheck = fn(&Store, UnixMillis) -> Result<Finding, StoreError>;

type Run = dyn Fn(&Store, UnixMillis) -> Result<Finding, StoreError> + Send + Sync;

/// Requests rounds of checks; one round runs at a time.
pub(crate) struct Prober {
    probes: Arc<Mutex<Vec<Arc<Probe>>>>,
    queue: SyncSender<Asked>,
    worker: Worker,
}

/// A request that waits for a round.
struct Asked {
    now: UnixMillis,
    answer: oneshot::Sender<Readiness>,
}

/// One check and its progress.
struct Probe {
    name: &'static str,
    run: Box<Run>,
    progress: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    running: usize,
    hangs_at: Option<Deadline>,
    last: Option<CheckState>,
}

struct Rounds {
    store: Store,
    probes: Arc<Mutex<Vec<Arc<Probe>>>>,
    asked: Receiver<Asked>,
}

impl Prober {
    /// Starts with these checks, each with its name.
    pub(crate) fn start(store: &Store, checks: &[(&'static str, StoreCheck)]) -> Result<Self, StoreError> {
        let (queue, asked) = sync_channel(QUEUE);
        let probes: Arc<Mutex<Vec<_>>> = Arc::default();
        let rounds = Rounds { store: store.clone(), probes: probes.clone(), asked };
        let worker = store.workers().start("readiness", Importance::Background, rounds)?;
        let prober = Self { probes, queue, worker };
        checks.iter().for_each(|&(name, check)| prober.add(name, check));
        Ok(prober)
    }

    pub(crate) fn add(
        &self,
        name: &'static str,
        run: impl Fn(&Store, UnixMillis) -> Result<Finding, StoreError> + Send + Sync + 'static,
    ) {
        let probe = Probe { name, run: Box::new(run), progress: Mutex::default() };
        locked(&self.probes).push(Arc::new(probe));
    }

    pub(crate) async fn ask(&self, now: UnixMillis) -> Readiness {
        let (answer, answered) = oneshot::channel();
        if self.queue.try_send(Asked { now, answer }).is_err() {
            return unknown();
        }
        answered.await.unwrap_or_else(|_| unknown())
    }
}

impl Drop for Prober {
    /// Stops the worker before the queue closes: an end without a stop request counts as a failure.
    fn drop(&mut self) {
        self.worker.stop();
    }
}

impl Work for Rounds {
    fn run(&mut self, _: &Stop) {
        let mut was_silent = false;
        loop {
            let (first, limit) = match self.asked.try_recv() {
                Ok(asked) if was_silent => (asked, SHORT_ROUND),
                Ok(asked) => (asked, ROUND),
                Err(_) => match self.asked.recv() {
                    Ok(asked) => (asked, ROUND),
                    Err(_) => return,
                },
            };
            // Later requests are answered by the next round, which begins after they arrived.
            let asked: Vec<Asked> = std::iter::once(first).chain(self.asked.try_iter()).collect();
            let Some(now) = asked.iter().map(|asked| asked.now).max() else { continue };
            let readiness = self.round(now, limit);
            was_silent = !readiness.is_ready;
            for Asked { answer, .. } in asked {
                // The request may have been cancelled.
                let _ = answer.send(readiness.clone());
            }
        }
    }

    fn while_down(&mut self) {
        self.asked.try_iter().for_each(drop);
    }
}

impl Rounds {
    fn round(&self, now: UnixMillis, limit: Duration) -> Readiness {
        let probes = locked(&self.probes).clone();
        let (answer, answers) = channel();
        let mut findings: Vec<Option<Finding>> = vec![None; probes.len()];
        for (index, (probe, finding)) in probes.iter().zip(&mut findings).enumerate() {
            let (store, answer) = (self.store.clone(), answer.clone());
            *finding = probe.begin(store, now, move |found| drop(answer.send((index, found)))).err();
        }
        drop(answer);
        let deadline = Deadline::after(limit);
        while let Ok((index, found)) = answers.recv_timeout(deadline.left()) {
            if let Some(finding) = findings.get_mut(index) {
                *finding = Some(found);
            }
        }
        let checks: Vec<Check> = probes
            .iter()
            .zip(findings)
            .map(|(probe, found)| {
                probe.conclude(found.unwrap_or_else(|| Finding::failed("no answer in time")))
            })
            .collect();
        Readiness { is_ready: checks.iter().all(|check| check.state != CheckState::Failed), checks }
    }
}

impl Probe {
    /// Starts the check, unless earlier runs of it hang.
    fn begin(
        self: &Arc<Self>,
        store: Store,
        now: UnixMillis,
        answer: impl FnOnce(Finding) + Send + 'static,
    ) -> Result<(), Finding> {
        {
            let mut progress = locked(&self.progress);
            let is_free = match progress.running {
                0 => true,
                MAX_RUNNING.. => false,
                _ => progress.hangs_at.is_some_and(|at| at.left().is_zero()),
            };
            if !is_free {
                return Err(Finding::failed("an earlier check has no answer yet"));
            }
            progress.running += 1;
            progress.hangs_at = Some(Deadline::after(HANGS_AFTER));
        }
        let running = Running(self.clone());
        let started = std::thread::Builder::new().name("tokenry-check".to_owned()).spawn(move || {
            let found = running.0.check(&store, now);
            // Before the answer, since the next round may begin after it.
            drop(running);
            answer(found);
        });
        started.map(drop).map_err(|_| Finding::failed("the system cannot start another thread"))
    }

    fn check(&self, store: &Store, now: UnixMillis) -> Finding {
        (self.run)(store, now).unwrap_or_else(|error| {
            // The answer is public, but the cause may name files and servers, so it goes to the log.
            if locked(&self.progress).last != Some(CheckState::Failed) {
                tracing::warn!(check = self.name, %error, "a readiness check failed");
            }
            Finding::failed(match error {
                StoreError::Unavailable(_) => "the database is unavailable",
                StoreError::Unusable(_) => "the database needs an operator; the log says why",
                StoreError::Corrupt(_) => "a stored value cannot be read",
                _ => "it failed; the log says why",
            })
        })
    }

    /// Logs a change of state.
    fn conclude(&self, Finding { state, detail }: Finding) -> Check {
        let before = locked(&self.progress).last.replace(state).unwrap_or(CheckState::Ok);
        if before != state {
            let (check, detail) = (self.name, detail.as_deref().unwrap_or_default());
            match state {
                CheckState::Ok => tracing::info!(check, "a readiness check succeeds again"),
                _ => tracing::warn!(check, ?state, detail, "a readiness check found something"),
            }
        }
        Check { name: self.name, state, detail }
    }
}

/// A running check; dropped however it ends.
struct Running(Arc<Probe>);

impl Drop for Running {
    fn drop(&mut self) {
        locked(&self.0.progress).running -= 1;
    }
}

/// The answer when no round can run.
fn unknown() -> Readiness {
    let detail = Some("the checks cannot be made".to_owned());
    Readiness {
        is_ready: false,
        checks: vec![Check { name: "readiness", state: CheckState::Failed, detail }],
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code panics while holding one of these locks.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
