//! The only writer of a SQLite database.
//!
//! Units of work are queued for one thread. It runs all queued units in one `BEGIN IMMEDIATE` transaction, each in its
//! own savepoint, and answers them after the commit: many durable changes for one sync to disk. A unit that is alone in
//! the queue needs no savepoint, which would copy every page that it changes to a temporary file.
//!
//! Another process may hold the write lock. A caller whose wait has elapsed cancels its unit, and a cancelled unit is
//! never started.

pub(crate) mod job;

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    time::Duration,
};

use diesel::{
    SqliteConnection,
    connection::{AnsiTransactionManager, Connection, TransactionManager},
    result::Error as DieselError,
};

use self::job::{Claim, ExecutedUnit, Job, WriteUnit};
use crate::{
    database_errors,
    error::StoreError,
    pool::{Manager, TransactionError},
    shared_lock::{MAX_HOLD, SharedLockHolder, SharedLockRequests},
    supervisor::{Deadline, Importance, Stop, Work, Worker, Workers},
    tx::{Tx, catch_panic},
};

/// The most queued units; more are rejected as unavailable.
const QUEUE_CAPACITY: usize = 1024;
/// The error of a unit whose writer thread failed after the unit was started.
const OUTCOME_UNKNOWN: &str = "the writer failed, and it is not known whether the change was made";
/// The error of a unit whose writer thread failed before the unit was started.
const NOT_STARTED: &str = "the writer failed before the change was started";
/// The error of a unit that was not started in time.
const LOCKED: &str = "no write lock within the pool's wait: another process holds it, or a long change";
/// How often cancelled units are logged.
const LOG_INTERVAL: Duration = Duration::from_secs(5);
/// The most units in one commit, so that the first of them is answered soon.
const MAX_GROUP: usize = 128;
/// Waits only 20 ms for the write lock, so that units that are cancelled meanwhile leave the queue soon. SQLite retries
/// after one, two, five milliseconds, so it finds the gaps between the changes of another process. The other statements
/// of the transaction wait as long as on every other connection.
const BEGIN: &str = "PRAGMA busy_timeout = 20; BEGIN IMMEDIATE; PRAGMA busy_timeout = 5000;";

pub(crate) struct Writer {
    // Dropped first: the thread then ends after the queued units, for which no caller waits by then.
    queue: SyncSender<Job>,
    worker: Worker,
}

/// The state of the writer thread. The queue survives a failure of the thread; the connections do not.
struct WriterLoop {
    manager: Manager<SqliteConnection>,
    connection: Option<SqliteConnection>,
    shared_lock: SharedLockHolder,
    jobs: Receiver<Job>,
}

/// The connection can no longer be used.
struct ConnectionLost;

impl Writer {
    /// Starts the thread. The second value is the readers' end of the shared lock.
    pub(crate) fn start(
        manager: Manager<SqliteConnection>,
        shared_lock: Manager<SqliteConnection>,
        workers: &Workers,
    ) -> Result<(Self, SharedLockRequests), StoreError> {
        let connection = Some(manager.open()?);
        let (queue, jobs) = sync_channel(QUEUE_CAPACITY);
        let shared_lock = SharedLockHolder::new(shared_lock);
        let requests = shared_lock.requests(queue.clone());
        let writer_loop = WriterLoop { manager, connection, shared_lock, jobs };
        let worker = workers.start("writer", Importance::Vital, writer_loop)?;
        Ok((Self { queue, worker }, requests))
    }

    /// Runs a unit. If it is not started within `wait`, it is cancelled.
    pub(crate) fn run<T, E>(
        &self,
        wait: Duration,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (answer, answers) = sync_channel(1);
        let work = Box::new(move |tx: &mut Tx<'_>| {
            let result = catch_panic(|| work(tx));
            let is_ok = result.is_ok();
            let answer = move |committed: Result<(), StoreError>| {
                let result = match committed {
                    Err(error) if is_ok => Err(E::from(error)),
                    _ => result,
                };
                // The caller may have gone away; the change is durable all the same.
                let _ = answer.send(result);
            };
            ExecutedUnit { is_ok, answer: Box::new(answer) }
        });
        let claim = Claim::default();
        self.queue.try_send(Job::WriteUnit(WriteUnit { claim: claim.clone(), work })).map_err(|error| {
            match error {
                TrySendError::Full(_) => StoreError::Unavailable("too many changes are waiting".to_owned()),
                TrySendError::Disconnected(_) => stopped(),
            }
        })?;
        let failure = match answers.recv_timeout(wait) {
            Ok(result) => return result,
            // A successful claim cancels the unit.
            Err(RecvTimeoutError::Timeout) if claim.try_claim() => LOCKED,
            Err(RecvTimeoutError::Disconnected) if claim.try_claim() => NOT_STARTED,
            Err(_) => match answers.recv() {
                Ok(result) => return result,
                Err(_) => OUTCOME_UNKNOWN,
            },
        };
        Err(E::from(StoreError::Unavailable(failure.to_owned())))
    }
}

impl Drop for Writer {
    /// Requests the stop before the queue is closed; a closed queue without that request counts as a failure.
    fn drop(&mut self) {
        self.worker.stop();
    }
}

fn stopped() -> StoreError {
    StoreError::Unavailable("the writer has stopped".to_owned())
}

impl Work for WriterLoop {
    fn run(&mut self, _: &Stop) {
        loop {
            let connection = match &mut self.connection {
                Some(connection) => connection,
                missing => match self.manager.open() {
                    Ok(connection) => missing.insert(connection),
                    Err(error) => return tracing::error!(%error, "the writer cannot open the database"),
                },
            };
            match serve(connection, &mut self.shared_lock, &self.jobs) {
                Ok(()) => return,
                Err(ConnectionLost) => self.connection = None,
            }
        }
    }

    /// Drops the connection too, since after a panic it may hold the write lock.
    fn while_down(&mut self) {
        self.connection = None;
        self.shared_lock.discard();
        self.jobs.try_iter().for_each(drop);
    }
}

/// Runs jobs until the queue is closed.
fn serve(
    connection: &mut SqliteConnection,
    shared_lock: &mut SharedLockHolder,
    jobs: &Receiver<Job>,
) -> Result<(), ConnectionLost> {
    loop {
        let job = match shared_lock.is_held() {
            false => jobs.recv().map_err(RecvTimeoutError::from),
            true => jobs.recv_timeout(MAX_HOLD),
        };
        match job {
            Ok(Job::WriteUnit(first)) => {
                shared_lock.release();
                if run_queued(connection, first, jobs)? {
                    shared_lock.acquire();
                }
            }
            Ok(Job::AcquireSharedLock) => shared_lock.acquire(),
            Err(RecvTimeoutError::Timeout) => shared_lock.release(),
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
}

/// Waits for the write lock, then runs the first unit and the other queued units that are not cancelled. Returns whether
/// the shared lock was requested meanwhile.
fn run_queued(
    connection: &mut SqliteConnection,
    first: WriteUnit,
    jobs: &Receiver<Job>,
) -> Result<bool, ConnectionLost> {
    let (mut waiting, mut is_lock_requested) = (vec![first], false);
    let mut cancelled = CancelledUnits::default();
    while !waiting.is_empty() {
        match AnsiTransactionManager::begin_transaction_sql(connection, BEGIN) {
            Ok(()) => {
                let taken = waiting.len().min(MAX_GROUP);
                let mut queued = jobs.try_iter().filter_map(|job| write_unit(job, &mut is_lock_requested));
                let mut group: Vec<WriteUnit> = waiting.drain(..taken).collect();
                group.extend(queued.by_ref().take(usize::from(taken == 1)));
                match group.len() {
                    1 => group.into_iter().for_each(|unit| run_alone(connection, unit, &mut cancelled)),
                    _ => {
                        run_group(connection, group.into_iter().chain(queued).take(MAX_GROUP), &mut cancelled)
                    }
                }
            }
            Err(error) if is_busy(&error) => {
                let room = QUEUE_CAPACITY.saturating_sub(waiting.len());
                let queued = jobs.try_iter().take(room);
                waiting.extend(queued.filter_map(|job| write_unit(job, &mut is_lock_requested)));
                let before = waiting.len();
                waiting.retain(|unit| !unit.claim.is_claimed());
                cancelled.add(before - waiting.len());
            }
            Err(error) => {
                tracing::error!(%error, units = waiting.len(), "the transaction for a group of changes failed to begin");
                return Err(ConnectionLost);
            }
        }
    }
    Ok(is_lock_requested)
}

/// Counts cancelled units and logs the count at intervals, and once more when dropped.
#[derive(Default)]
struct CancelledUnits {
    unreported: usize,
    next_log: Option<Deadline>,
}

impl CancelledUnits {
    fn add(&mut self, units: usize) {
        self.unreported += units;
        if self.unreported > 0 && self.next_log.is_none_or(|at| at.left().is_zero()) {
            self.log();
            self.next_log = Some(Deadline::after(LOG_INTERVAL));
        }
    }

    fn log(&mut self) {
        let units = std::mem::take(&mut self.unreported);
        if units > 0 {
            tracing::warn!(units, "the write lock was not free in time; these changes were not made");
        }
    }
}

impl Drop for CancelledUnits {
    fn drop(&mut self) {
        self.log();
    }
}

/// Returns the unit of a job, or notes the request for the shared lock.
fn write_unit(job: Job, is_lock_requested: &mut bool) -> Option<WriteUnit> {
    match job {
        Job::WriteUnit(unit) => Some(unit),
        Job::AcquireSharedLock => {
            *is_lock_requested = true;
            None
        }
    }
}

/// Whether the file is locked. Diesel has no error kind for it, so the message is compared.
fn is_busy(error: &DieselError) -> bool {
    matches!(error, DieselError::DatabaseError(_, info) if info.message() == "database is locked")
}

/// Runs a unit, unless it is cancelled, in the open transaction, and ends the transaction.
fn run_alone(connection: &mut SqliteConnection, unit: WriteUnit, cancelled: &mut CancelledUnits) {
    let executed = unit.claim.try_claim().then(|| (unit.work)(&mut Tx::sqlite(connection)));
    cancelled.add(usize::from(executed.is_none()));
    let ended = if executed.as_ref().is_some_and(|unit| unit.is_ok) {
        AnsiTransactionManager::commit_transaction(connection)
    } else {
        AnsiTransactionManager::rollback_transaction(connection)
    };
    answer(executed, &ended);
}

/// Runs the units that are not cancelled in the open transaction, and ends it.
fn run_group(
    connection: &mut SqliteConnection,
    group: impl Iterator<Item = WriteUnit>,
    cancelled: &mut CancelledUnits,
) {
    let mut executed = Vec::with_capacity(MAX_GROUP);
    let result = group
        .filter(|unit| {
            let is_ours = unit.claim.try_claim();
            cancelled.add(usize::from(!is_ours));
            is_ours
        })
        .try_for_each(|unit| run_in_savepoint(connection, unit).map(|unit| executed.push(unit)));
    let committed = match result {
        Ok(()) => AnsiTransactionManager::commit_transaction(connection),
        Err(error) => AnsiTransactionManager::rollback_transaction(connection).and(Err(error)),
    };
    answer(executed, &committed);
}

/// Answers the units of an ended transaction.
fn answer(executed: impl IntoIterator<Item = ExecutedUnit>, ended: &diesel::QueryResult<()>) {
    if let Err(error) = ended {
        tracing::error!(%error, "the transaction of a group of changes did not end as intended");
    }
    for unit in executed {
        let ended = ended.as_ref().copied();
        (unit.answer)(ended.map_err(|error| database_errors::classify(error.to_string())));
    }
}

fn run_in_savepoint(connection: &mut SqliteConnection, unit: WriteUnit) -> diesel::QueryResult<ExecutedUnit> {
    let mut executed = None;
    let result = connection.transaction(|c| {
        let unit = (unit.work)(&mut Tx::sqlite(c));
        let is_ok = unit.is_ok;
        executed = Some(unit);
        if is_ok { Ok(()) } else { Err(TransactionError::Work(())) }
    });
    match (result, executed) {
        (Ok(()) | Err(TransactionError::Work(())), Some(unit)) => Ok(unit),
        (Err(TransactionError::Database(error)), _) => Err(error),
        // The closure sets `executed` before it returns, so here the savepoint could not be created.
        (_, None) => Err(DieselError::RollbackTransaction),
    }
}

#[cfg(test)]
mod tests {
    use diesel::connection::SimpleConnection as _;
    use tokenry_testkit::{TestDatabase, user as new_user};

    use crate::{
        database_errors::from_diesel, error::StoreError, settings::StoreSettings, store::Store,
        tx::AnyConnection, user,
    };

    fn insert(store: &Store, subject: &str) -> Result<(), StoreError> {
        let row = new_user(subject);
        store.write(move |tx| user::insert(tx, &row))
    }

    #[test]
    fn a_writer_whose_connection_can_no_longer_write_opens_another() {
        let db = TestDatabase::sqlite();
        let store = Store::open(&db.url().parse().unwrap(), StoreSettings::default()).unwrap();
        // SQLite puts a connection into a similar state after it has read a damaged page.
        let read_only: Result<(), StoreError> = store.write(|tx| {
            #[allow(irrefutable_let_patterns, reason = "without PostgreSQL there is no other connection")]
            let AnyConnection::Sqlite(c) = &mut tx.0 else { panic!("not SQLite") };
            c.batch_execute("PRAGMA query_only = ON").map_err(from_diesel)
        });
        read_only.unwrap();
        let failed = insert(&store, "failed");
        assert!(matches!(failed, Err(StoreError::Unavailable(_))), "{failed:?}");
        insert(&store, "after").unwrap();
        let (users, _) = store.read(|tx| user::list(tx, None, None, 10)).unwrap();
        assert_eq!(users.iter().map(|user| user.subject.as_str()).collect::<Vec<_>>(), ["after"]);
    }
}
