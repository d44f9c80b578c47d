//! The one writer of a SQLite database.
//!
//! Units of work queue up for one thread, which runs all that wait in one `BEGIN IMMEDIATE` transaction, each in its
//! own savepoint, and answers them after the commit: many durable changes for one sync to disk.
//!
//! Another process may hold the write lock. Whoever has waited for as long as a unit may wait withdraws it, and only one
//! that is not withdrawn is begun.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    time::Duration,
};

use diesel::{
    SqliteConnection,
    connection::{AnsiTransactionManager, Connection, TransactionManager},
    result::Error as DieselError,
};

use crate::{
    backend::{Tx, caught},
    error::StoreError,
    pool::{Manager, TransactionError},
    sentences,
    shared_lock::{MAX_HOLD, SharedLockHolder, SharedLockRequests},
    supervisor::{Deadline, Importance, Stop, Work, Worker, Workers},
};

/// How many units may wait; more are refused as unavailable.
const QUEUE: usize = 1024;
/// What a unit is answered whose thread failed before its answer.
const OUTCOME_UNKNOWN: &str = "the writer failed, and whether the change was made is not known";
/// What a unit is answered whose thread failed before its turn.
const NOT_BEGUN: &str = "the writer failed before the change was begun";
/// What a unit is answered that got no turn in time.
const LOCKED: &str = "no write lock within the pool's wait: another process holds it, or a long change";
/// How often it is told that units are withdrawn.
const TOLD_EVERY: Duration = Duration::from_secs(5);
/// How many units share one commit at most, so that the first of them is answered soon.
const GROUP: usize = 128;
/// Waits for the write lock so briefly that units which are withdrawn meanwhile leave soon. SQLite asks for it again
/// after one, two, five milliseconds, so that gaps between the changes of another process are found. What follows in the
/// transaction waits as long as on every other connection.
const BEGIN: &str = "PRAGMA busy_timeout = 20; BEGIN IMMEDIATE; PRAGMA busy_timeout = 5000;";

pub(crate) struct Writer {
    // Dropped first: the thread then ends after what is queued, which by then nobody waits for.
    queue: SyncSender<Job>,
    worker: Worker,
}

/// What the thread works with. The queue outlives a failure; the connections do not.
struct Serving {
    manager: Manager<SqliteConnection>,
    connection: Option<SqliteConnection>,
    pin: SharedLockHolder,
    jobs: Receiver<Job>,
}

/// The connection cannot be used any more.
struct Lost;

/// What the thread is asked to do.
pub(crate) enum Job {
    /// To run a unit of work.
    WriteUnit(WriteUnit),
    /// To hold the pin for the readers.
    SharedLockHolder,
}

/// A unit of work that waits.
pub(crate) struct WriteUnit {
    turn: Turn,
    work: Box<dyn FnOnce(&mut Tx<'_>) -> Ran + Send>,
}

/// Whether a unit is begun or withdrawn is for whoever takes its turn first: the writer, or who waits for it.
#[derive(Clone, Default)]
struct Turn(Arc<AtomicBool>);

impl Turn {
    /// Whether nobody took it before.
    fn take(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }

    fn is_taken(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

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
    ) -> Result<(Self, SharedLockRequests), StoreError> {
        let connection = Some(manager.open()?);
        let (queue, jobs) = sync_channel(QUEUE);
        let pin = SharedLockHolder::new(pin);
        let requests = pin.requests(queue.clone());
        let serving = Serving { manager, connection, pin, jobs };
        let worker = workers.start("writer", Importance::Vital, serving)?;
        Ok((Self { queue, worker }, requests))
    }

    /// Runs a unit, which waits at most so long until it is begun.
    pub(crate) fn run<T, E>(
        &self,
        wait: Duration,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (answer, answered) = sync_channel(1);
        let work = Box::new(move |tx: &mut Tx<'_>| {
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
        let turn = Turn::default();
        self.queue.try_send(Job::WriteUnit(WriteUnit { turn: turn.clone(), work })).map_err(|error| {
            match error {
                TrySendError::Full(_) => StoreError::Unavailable("too many changes are waiting".to_owned()),
                TrySendError::Disconnected(_) => stopped(),
            }
        })?;
        let failed = match answered.recv_timeout(wait) {
            Ok(result) => return result,
            // Nobody begins it from here on.
            Err(RecvTimeoutError::Timeout) if turn.take() => LOCKED,
            Err(RecvTimeoutError::Disconnected) if turn.take() => NOT_BEGUN,
            Err(_) => match answered.recv() {
                Ok(result) => return result,
                Err(_) => OUTCOME_UNKNOWN,
            },
        };
        Err(E::from(StoreError::Unavailable(failed.to_owned())))
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
        loop {
            let connection = match &mut self.connection {
                Some(connection) => connection,
                lost => match self.manager.open() {
                    Ok(connection) => lost.insert(connection),
                    Err(error) => return tracing::error!(%error, "the writer cannot open the database"),
                },
            };
            match serve(connection, &mut self.pin, &self.jobs) {
                Ok(()) => return,
                Err(Lost) => self.connection = None,
            }
        }
    }

    /// A connection that a panic left behind may hold the write lock.
    fn while_down(&mut self) {
        self.connection = None;
        self.pin.discard();
        self.jobs.try_iter().for_each(drop);
    }
}

/// Serves until the queue is closed.
fn serve(
    connection: &mut SqliteConnection,
    pin: &mut SharedLockHolder,
    jobs: &Receiver<Job>,
) -> Result<(), Lost> {
    loop {
        let job = match pin.is_held() {
            false => jobs.recv().map_err(RecvTimeoutError::from),
            true => jobs.recv_timeout(MAX_HOLD),
        };
        match job {
            Ok(Job::WriteUnit(first)) => {
                pin.release();
                if run_waiting(connection, first, jobs)? {
                    pin.hold();
                }
            }
            Ok(Job::SharedLockHolder) => pin.hold(),
            Err(RecvTimeoutError::Timeout) => pin.release(),
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
}

/// Runs a unit and what else waits as soon as the write lock is free, but for what is withdrawn until then. Whether the
/// pin was asked for meanwhile.
fn run_waiting(
    connection: &mut SqliteConnection,
    first: WriteUnit,
    jobs: &Receiver<Job>,
) -> Result<bool, Lost> {
    let (mut waiting, mut is_asked) = (vec![first], false);
    let mut withdrawn = Withdrawn::default();
    while !waiting.is_empty() {
        match AnsiTransactionManager::begin_transaction_sql(connection, BEGIN) {
            Ok(()) => {
                let held = waiting.len().min(GROUP);
                let queued = jobs.try_iter().filter_map(|job| unit_of(job, &mut is_asked));
                let group = waiting.drain(..held).chain(queued.take(GROUP - held));
                run_group(connection, group, &mut withdrawn);
            }
            Err(error) if is_busy(&error) => {
                let room = QUEUE.saturating_sub(waiting.len());
                waiting.extend(jobs.try_iter().take(room).filter_map(|job| unit_of(job, &mut is_asked)));
                let before = waiting.len();
                waiting.retain(|unit| !unit.turn.is_taken());
                withdrawn.count(before - waiting.len());
            }
            Err(error) => {
                tracing::error!(%error, units = waiting.len(), "a group of changes was not begun");
                return Err(Lost);
            }
        }
    }
    Ok(is_asked)
}

/// How many units were withdrawn, told now and then as long as it goes on, and at its end.
#[derive(Default)]
struct Withdrawn {
    units: usize,
    tell: Option<Deadline>,
}

impl Withdrawn {
    fn count(&mut self, units: usize) {
        self.units += units;
        if self.units > 0 && self.tell.is_none_or(|at| at.left().is_zero()) {
            self.told();
            self.tell = Some(Deadline::after(TOLD_EVERY));
        }
    }

    fn told(&mut self) {
        let units = std::mem::take(&mut self.units);
        if units > 0 {
            tracing::warn!(units, "the write lock was not free in time; these changes were not made");
        }
    }
}

impl Drop for Withdrawn {
    fn drop(&mut self) {
        self.told();
    }
}

fn unit_of(job: Job, is_asked: &mut bool) -> Option<WriteUnit> {
    match job {
        Job::WriteUnit(unit) => Some(unit),
        Job::SharedLockHolder => {
            *is_asked = true;
            None
        }
    }
}

/// Diesel has no kind for it.
fn is_busy(error: &DieselError) -> bool {
    matches!(error, DieselError::DatabaseError(_, info) if info.message() == "database is locked")
}

/// Runs what is not withdrawn in the transaction that is open, and ends it.
fn run_group(
    connection: &mut SqliteConnection,
    group: impl Iterator<Item = WriteUnit>,
    withdrawn: &mut Withdrawn,
) {
    let mut waiting = Vec::with_capacity(GROUP);
    let ran = group
        .filter(|unit| {
            let is_ours = unit.turn.take();
            withdrawn.count(usize::from(!is_ours));
            is_ours
        })
        .try_for_each(|unit| in_savepoint(connection, unit).map(|ran| waiting.push(ran)));
    let committed = match ran {
        Ok(()) => AnsiTransactionManager::commit_transaction(connection),
        Err(error) => AnsiTransactionManager::rollback_transaction(connection).and(Err(error)),
    };
    if let Err(error) = &committed {
        tracing::error!(%error, units = waiting.len(), "a group of changes was not committed");
    }
    for ran in waiting {
        (ran.answer)(committed.as_ref().copied().map_err(|error| sentences::told(error.to_string())));
    }
}

fn in_savepoint(connection: &mut SqliteConnection, unit: WriteUnit) -> diesel::QueryResult<Ran> {
    let mut ran = None;
    let result = connection.transaction(|c| {
        let unit = (unit.work)(&mut Tx::Sqlite(c));
        let keep = unit.keep;
        ran = Some(unit);
        if keep { Ok(()) } else { Err(TransactionError::Work(())) }
    });
    match (result, ran) {
        (Ok(()) | Err(TransactionError::Work(())), Some(ran)) => Ok(ran),
        (Err(TransactionError::Database(error)), _) => Err(error),
        // The closure sets `ran` before it returns, so this is the savepoint that could not be made.
        (_, None) => Err(DieselError::RollbackTransaction),
    }
}
