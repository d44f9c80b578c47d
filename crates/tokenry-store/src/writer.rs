//! The one writer of a SQLite database.
//!
//! Units of work queue up for one thread, which runs all that wait in one `BEGIN IMMEDIATE` transaction, each in its
//! own savepoint, and answers them after the commit: many durable changes for one sync to disk.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};

use diesel::{Connection, SqliteConnection};

use crate::{
    backend::{Tx, caught},
    error::StoreError,
    pin::{HELD, Pin, PinRequests},
    pool::{Failure, Manager},
    supervisor::{Importance, Stop, Work, Worker, Workers},
};

/// How many units may wait; more are refused as unavailable.
const QUEUE: usize = 1024;
/// What a unit is answered whose thread failed before its answer.
const OUTCOME_UNKNOWN: &str = "the writer failed, and whether the change was made is not known";
/// How many units share one commit at most, so that the first of them is answered soon.
const GROUP: usize = 128;

pub(crate) struct Writer {
    // Dropped first: the thread then ends after what is queued.
    queue: SyncSender<Job>,
    worker: Worker,
}

/// What the thread works with. The queue outlives a failure; the connections do not.
struct Serving {
    manager: Manager<SqliteConnection>,
    connection: Option<SqliteConnection>,
    pin: Pin,
    jobs: Receiver<Job>,
}

/// What the thread is asked to do.
pub(crate) enum Job {
    /// To run a unit of work.
    Unit(Unit),
    /// To hold the pin for the readers.
    Pin,
}

pub(crate) type Unit = Box<dyn FnOnce(&mut Tx<'_>) -> Ran + Send>;

/// A unit that ran and waits for the commit.
pub(crate) struct Ran {
    keep: bool,
    answer: Box<dyn FnOnce(Result<(), StoreError>) + Send>,
}

impl Writer {
    /// Starts the thread. The pin is the readers' to ask for with the result's second part.
    pub(crate) fn start(
        manager: Manager<SqliteConnection>,
        pin: Manager<SqliteConnection>,
        workers: &Workers,
    ) -> Result<(Self, PinRequests), StoreError> {
        let connection = Some(manager.open()?);
        let (queue, jobs) = sync_channel(QUEUE);
        let pin = Pin::new(pin);
        let requests = pin.requests(queue.clone());
        let serving = Serving { manager, connection, pin, jobs };
        let worker = workers.start("writer", Importance::Vital, serving)?;
        Ok((Self { queue, worker }, requests))
    }

    pub(crate) fn run<T, E>(
        &self,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (answer, answered) = sync_channel(1);
        let unit: Unit = Box::new(move |tx| {
            let result = caught(|| work(tx));
            let keep = result.is_ok();
            let answer = move |committed: Result<(), StoreError>| {
                let result = match committed {
                    Err(error) if keep => Err(E::from(error)),
                    _ => result,
                };
                // Whoever asked may have gone away; the change stands all the same.
                let _ = answer.send(result);
            };
            Ran { keep, answer: Box::new(answer) }
        });
        self.queue.try_send(Job::Unit(unit)).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Unavailable("too many changes are waiting".to_owned()),
            TrySendError::Disconnected(_) => stopped(),
        })?;
        answered.recv().unwrap_or_else(|_| Err(E::from(StoreError::Unavailable(OUTCOME_UNKNOWN.to_owned()))))
    }
}

impl Drop for Writer {
    /// Before the queue is closed, which without an order to stop would be a failure.
    fn drop(&mut self) {
        self.worker.stop();
    }
}

fn stopped() -> StoreError {
    StoreError::Unavailable("the writer has stopped".to_owned())
}

impl Work for Serving {
    fn run(&mut self, _: &Stop) {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            lost => match self.manager.open() {
                Ok(connection) => lost.insert(connection),
                Err(error) => return tracing::error!(%error, "the writer cannot open the database"),
            },
        };
        serve(connection, &mut self.pin, &self.jobs);
    }

    /// A connection that a panic left behind may hold the write lock.
    fn while_down(&mut self) {
        self.connection = None;
        self.pin.discard();
        self.jobs.try_iter().for_each(drop);
    }
}

fn serve(connection: &mut SqliteConnection, pin: &mut Pin, jobs: &Receiver<Job>) {
    loop {
        let job = match pin.is_held() {
            false => jobs.recv().map_err(RecvTimeoutError::from),
            true => jobs.recv_timeout(HELD),
        };
        match job {
            Ok(Job::Unit(first)) => {
                pin.release();
                let mut is_asked = false;
                let others = jobs.try_iter().filter_map(|job| match job {
                    Job::Unit(unit) => Some(unit),
                    Job::Pin => {
                        is_asked = true;
                        None
                    }
                });
                run_group(connection, std::iter::once(first).chain(others).take(GROUP));
                if is_asked {
                    pin.hold();
                }
            }
            Ok(Job::Pin) => pin.hold(),
            Err(RecvTimeoutError::Timeout) => pin.release(),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn run_group(connection: &mut SqliteConnection, group: impl Iterator<Item = Unit>) {
    let mut waiting = Vec::with_capacity(GROUP);
    let committed = connection.immediate_transaction(|c| {
        for unit in group {
            waiting.push(in_savepoint(c, unit)?);
        }
        Ok::<(), diesel::result::Error>(())
    });
    if let Err(error) = &committed {
        tracing::error!(%error, units = waiting.len(), "a group of changes was not committed");
    }
    for ran in waiting {
        (ran.answer)(committed.as_ref().copied().map_err(|error| StoreError::Unavailable(error.to_string())));
    }
}

fn in_savepoint(connection: &mut SqliteConnection, unit: Unit) -> diesel::QueryResult<Ran> {
    let mut ran = None;
    let result = connection.transaction(|c| {
        let unit = unit(&mut Tx::Sqlite(c));
        let keep = unit.keep;
        ran = Some(unit);
        if keep { Ok(()) } else { Err(Failure::Work(())) }
    });
    match (result, ran) {
        (Ok(()) | Err(Failure::Work(())), Some(ran)) => Ok(ran),
        (Err(Failure::Database(error)), _) => Err(error),
        // The closure sets `ran` before it returns, so this is the savepoint that could not be made.
        (_, None) => Err(diesel::result::Error::RollbackTransaction),
    }
}
