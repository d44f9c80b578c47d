//! The one writer of a SQLite database.
//!
//! Units of work queue up for one thread, which runs all that wait in one `BEGIN IMMEDIATE` transaction, each in its
//! own savepoint, and answers them after the commit: many durable changes for one sync to disk.

use std::{
    sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    thread::JoinHandle,
};

use diesel::{Connection, SqliteConnection};

use crate::{
    backend::{Tx, caught},
    error::StoreError,
    pool::{Failure, Manager},
};

/// How many units may wait; more are refused as unavailable.
const QUEUE: usize = 1024;
/// How many units share one commit at most, so that the first of them is answered soon.
const GROUP: usize = 128;

pub(crate) struct Writer {
    queue: Option<SyncSender<Unit>>,
    thread: Option<JoinHandle<()>>,
}

type Unit = Box<dyn FnOnce(&mut Tx<'_>) -> Ran + Send>;

/// A unit that ran and waits for the commit.
struct Ran {
    keep: bool,
    answer: Box<dyn FnOnce(Result<(), StoreError>) + Send>,
}

impl Writer {
    pub(crate) fn start(manager: &Manager<SqliteConnection>) -> Result<Self, StoreError> {
        let connection = manager.open()?;
        let (queue, units) = sync_channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("tokenry-writer".to_owned())
            .spawn(move || serve(connection, &units))
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
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
        let queue = self.queue.as_ref().ok_or_else(stopped)?;
        queue.try_send(unit).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Unavailable("too many changes are waiting".to_owned()),
            TrySendError::Disconnected(_) => stopped(),
        })?;
        answered
            .recv()
            .unwrap_or_else(|_| Err(E::from(StoreError::Unavailable("the change was not begun".to_owned()))))
    }
}

impl Drop for Writer {
    /// Lets the queued units finish before the database is closed.
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            // The last owner may be the writer thread itself, when a unit of work held the store.
            if thread.thread().id() != std::thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

fn stopped() -> StoreError {
    StoreError::Unavailable("the writer has stopped".to_owned())
}

fn serve(mut connection: SqliteConnection, units: &Receiver<Unit>) {
    while let Ok(first) = units.recv() {
        let mut waiting = Vec::with_capacity(GROUP);
        let group = std::iter::once(first).chain(units.try_iter().take(GROUP - 1));
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
            (ran.answer)(
                committed.as_ref().copied().map_err(|error| StoreError::Unavailable(error.to_string())),
            );
        }
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
