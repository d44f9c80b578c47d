//! A read transaction that is kept open for a moment, so that the reads beside it need no system call to lock.
//!
//! A reader of a SQLite database in WAL mode takes a shared lock on the file and gives it back: two system calls, a
//! quarter of the cost of a read by key. Connections of one process share these locks: while one of them holds it, the
//! others only count. So one idle connection keeps a transaction open while verifications go on.
//!
//! It changes nothing about what they see: each read is a transaction of its own that begins with the newest commit. It
//! does keep SQLite from reusing the write-ahead log, so the writer lets go of it before it writes, and after
//! [`MAX_HOLD`] at the latest.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::SyncSender,
    },
    time::Duration,
};

use diesel::{
    connection::{AnsiTransactionManager, TransactionManager},
    prelude::*,
};

use crate::{pool::Manager, schema::instance, writer::Job};

/// How long the transaction is kept open at most. Without readers it is not opened again.
pub(crate) const MAX_HOLD: Duration = Duration::from_millis(25);

/// Held by the readers, to ask for the pin.
pub(crate) struct SharedLockRequests {
    queue: SyncSender<Job>,
    is_asked: Arc<AtomicBool>,
}

impl SharedLockRequests {
    /// Asks the writer to hold the pin, if nobody has yet.
    pub(crate) fn ask(&self) {
        if !self.is_asked.load(Ordering::Relaxed) && !self.is_asked.swap(true, Ordering::Relaxed) {
            // A writer with that much to do has no time for it.
            if self.queue.try_send(Job::SharedLockHolder).is_err() {
                self.is_asked.store(false, Ordering::Relaxed);
            }
        }
    }
}

/// Held by the writer.
pub(crate) struct SharedLockHolder {
    manager: Manager<SqliteConnection>,
    connection: Option<SqliteConnection>,
    is_held: bool,
    is_asked: Arc<AtomicBool>,
}

impl SharedLockHolder {
    pub(crate) fn new(manager: Manager<SqliteConnection>) -> Self {
        Self { manager, connection: None, is_held: false, is_asked: Arc::default() }
    }

    /// What readers ask with, over the writer's queue.
    pub(crate) fn requests(&self, queue: SyncSender<Job>) -> SharedLockRequests {
        SharedLockRequests { queue, is_asked: self.is_asked.clone() }
    }

    pub(crate) fn is_held(&self) -> bool {
        self.is_held
    }

    /// Opens the transaction, unless it is open. If that fails, reads are slower and as right, and nobody asks again
    /// until the next change.
    pub(crate) fn hold(&mut self) {
        if self.is_held {
            return;
        }
        let connection = match self.connection.take() {
            Some(connection) => Ok(connection),
            None => self.manager.open(),
        };
        let held =
            connection.ok().and_then(|mut connection| begin(&mut connection).ok().map(|()| connection));
        self.is_held = held.is_some();
        self.connection = held;
    }

    /// Throws the connection away, in whatever state a panic left it.
    pub(crate) fn discard(&mut self) {
        self.connection = None;
        self.is_held = false;
        self.is_asked.store(false, Ordering::Relaxed);
    }

    /// Ends the transaction; the next read may ask for another.
    pub(crate) fn release(&mut self) {
        if self.is_held {
            let ended = self.connection.as_mut().map(AnsiTransactionManager::rollback_transaction);
            if !matches!(ended, Some(Ok(()))) {
                self.connection = None;
            }
            self.is_held = false;
        }
        self.is_asked.store(false, Ordering::Relaxed);
    }
}

/// The transaction locks with its first read.
fn begin(connection: &mut SqliteConnection) -> diesel::QueryResult<()> {
    AnsiTransactionManager::begin_transaction(connection)?;
    instance::table.select(instance::id).get_result::<i32>(connection)?;
    Ok(())
}
