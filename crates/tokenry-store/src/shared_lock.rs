//! Keeps one read transaction open for a moment, so that concurrent reads need no system call to lock the file.
//!
//! A reader of a SQLite database in WAL mode acquires a shared lock on the file and releases it again: two system calls,
//! a quarter of the cost of a read by key. Connections of one process share these locks: while one connection holds the
//! lock, the others only increment a counter. So one idle connection keeps a transaction open while verifications run.
//!
//! The open transaction does not change what other connections read: each read is its own transaction and begins with
//! the newest commit. It does keep SQLite from reusing the write-ahead log, so the writer releases it before each write,
//! and after [`MAX_HOLD`] at the latest.

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

use crate::{pool::Manager, schema::instance, writer::job::Job};

/// The longest time that the transaction stays open. It is opened again only when a reader requests it.
pub(crate) const MAX_HOLD: Duration = Duration::from_millis(25);

/// The readers' end: requests the shared lock from the writer.
pub(crate) struct SharedLockRequests {
    queue: SyncSender<Job>,
    is_requested: Arc<AtomicBool>,
}

impl SharedLockRequests {
    /// Requests the shared lock, unless a request is pending.
    pub(crate) fn request(&self) {
        if !self.is_requested.load(Ordering::Relaxed) && !self.is_requested.swap(true, Ordering::Relaxed) {
            // A writer with a full queue has no time to hold the lock.
            if self.queue.try_send(Job::AcquireSharedLock).is_err() {
                self.is_requested.store(false, Ordering::Relaxed);
            }
        }
    }
}

/// The writer's end: acquires and releases the shared lock.
pub(crate) struct SharedLockHolder {
    manager: Manager<SqliteConnection>,
    connection: Option<SqliteConnection>,
    is_held: bool,
    is_requested: Arc<AtomicBool>,
}

impl SharedLockHolder {
    pub(crate) fn new(manager: Manager<SqliteConnection>) -> Self {
        Self { manager, connection: None, is_held: false, is_requested: Arc::default() }
    }

    /// Returns the readers' end, which sends its requests over the writer's queue.
    pub(crate) fn requests(&self, queue: SyncSender<Job>) -> SharedLockRequests {
        SharedLockRequests { queue, is_requested: self.is_requested.clone() }
    }

    pub(crate) fn is_held(&self) -> bool {
        self.is_held
    }

    /// Opens the transaction, unless it is open. If that fails, reads are slower but still correct, and there are no
    /// further requests until the next write.
    pub(crate) fn acquire(&mut self) {
        if self.is_held {
            return;
        }
        let connection = match self.connection.take() {
            Some(connection) => Ok(connection),
            None => self.manager.open(),
        };
        let locked =
            connection.ok().and_then(|mut connection| begin(&mut connection).ok().map(|()| connection));
        self.is_held = locked.is_some();
        self.connection = locked;
    }

    /// Drops the connection, whatever state a panic left it in.
    pub(crate) fn discard(&mut self) {
        self.connection = None;
        self.is_held = false;
        self.is_requested.store(false, Ordering::Relaxed);
    }

    /// Ends the transaction; the next read may request another.
    pub(crate) fn release(&mut self) {
        if self.is_held {
            let ended = self.connection.as_mut().map(AnsiTransactionManager::rollback_transaction);
            if !matches!(ended, Some(Ok(()))) {
                self.connection = None;
            }
            self.is_held = false;
        }
        self.is_requested.store(false, Ordering::Relaxed);
    }
}

/// Begins a transaction and reads one row, since SQLite acquires the lock with the first read.
fn begin(connection: &mut SqliteConnection) -> diesel::QueryResult<()> {
    AnsiTransactionManager::begin_transaction(connection)?;
    instance::table.select(instance::id).get_result::<i32>(connection)?;
    Ok(())
}
