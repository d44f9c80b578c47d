//! The store: one type for both databases, and the units of work that run on it.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

#[cfg(feature = "postgres")]
use diesel::PgConnection;
#[cfg(feature = "sqlite")]
use diesel::SqliteConnection;
use diesel::{connection::SimpleConnection, r2d2::Pool};

use crate::{
    error::StoreError,
    pool::{self, Access, Manager},
    supervisor::Workers,
    url::{DatabaseUrl, Location},
};
#[cfg(feature = "sqlite")]
use crate::{file, live::sqlite::SqliteReader, writer::Writer};
#[cfg(feature = "postgres")]
use crate::{
    live::postgres::BatchReader,
    lock_timeout,
    primary::{self, Primary},
};

/// The transaction of a unit of work; queries take it as their first argument.
pub enum Tx<'c> {
    /// On SQLite.
    #[cfg(feature = "sqlite")]
    Sqlite(&'c mut SqliteConnection),
    /// On PostgreSQL.
    #[cfg(feature = "postgres")]
    Postgres(&'c mut PgConnection),
}

/// How a store uses its database.
#[derive(Debug, Clone, Copy)]
pub struct StoreSettings {
    /// The most connections for units of work. Default 8.
    pub pool_size: u32,
    /// How long a unit waits before it fails as unavailable: on PostgreSQL for a connection and locks, on SQLite for the
    /// writer and the file lock. Default 2 s.
    pub pool_wait: Duration,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self { pool_size: 8, pool_wait: Duration::from_secs(2) }
    }
}

/// A database of tokens. Cheap to clone; all clones share connections.
#[derive(Clone)]
pub struct Store {
    pub(crate) opened: Arc<Opened>,
    /// How long a unit waits.
    wait: Duration,
}

pub(crate) struct Opened {
    pub(crate) backend: Backend,
    /// Counts units that may have changed access rights.
    changes: AtomicU64,
    workers: Workers,
    /// Counts all writing units.
    writes: AtomicU64,
}

pub(crate) enum Backend {
    #[cfg(feature = "sqlite")]
    // The live reader holds a sender of the writer's queue, so it must be dropped first, in this field order.
    Sqlite { readers: Pool<Manager<SqliteConnection>>, live: SqliteReader, writer: Writer },
    #[cfg(feature = "postgres")]
    Postgres { pool: Pool<Manager<PgConnection>>, live: BatchReader },
}

impl Store {
    /// Opens the database and checks that it responds; a missing SQLite file is created, readable by its owner only.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if there is no database at `url`, [`StoreError::Unusable`] if it is not a Tokenry
    /// database.
    pub fn open(url: &DatabaseUrl, settings: StoreSettings) -> Result<Self, StoreError> {
        let workers = Workers::default();
        let backend = match &url.0 {
            #[cfg(feature = "sqlite")]
            Location::Sqlite(path) => {
                let path = file::open(path)?;
                let reader = || Manager::new(path.clone(), prepare_sqlite_reader);
                let manager = Manager::new(path.clone(), prepare_sqlite_writer);
                let (writer, shared_lock) = Writer::start(manager, reader(), &workers)?;
                Backend::Sqlite {
                    readers: pool::pool(reader(), settings.pool_size, settings.pool_wait),
                    // Verification has its own connections, so that long list queries cannot delay it.
                    live: SqliteReader::new(reader(), settings.pool_size, shared_lock),
                    writer,
                }
            }
            #[cfg(feature = "postgres")]
            Location::Postgres(server) => {
                let primary = Arc::<Primary>::default();
                let manager = |prepare: fn(&mut PgConnection, Duration) -> diesel::QueryResult<()>| {
                    let one_wait = lock_timeout::for_one_read(settings.pool_wait);
                    let prepare = move |connection: &mut PgConnection| prepare(connection, one_wait);
                    Manager::proven(server.conninfo(), primary.clone(), prepare).hiding(server.secrets())
                };
                let (reader, manager) = (manager(prepare_postgres_reader), manager(prepare_postgres));
                let connected = primary::connect(&reader, &manager)?;
                let live = BatchReader::start(reader, connected, settings.pool_wait, &workers)?;
                Backend::Postgres { pool: pool::pool(manager, settings.pool_size, settings.pool_wait), live }
            }
            #[cfg(not(feature = "sqlite"))]
            Location::Sqlite(_) => {
                return Err(StoreError::Bug("a backend that this build leaves out".to_owned()));
            }
        };
        let opened = Opened { backend, workers, changes: AtomicU64::new(0), writes: AtomicU64::new(0) };
        Ok(Self { opened: Arc::new(opened), wait: settings.pool_wait })
    }

    /// The same store, with units that wait at most this long: for callers that retry later anyway.
    #[must_use]
    pub fn waiting_at_most(&self, wait: Duration) -> Self {
        Self { opened: self.opened.clone(), wait: self.wait.min(wait) }
    }

    /// The same store, with units that wait at least this long.
    pub(crate) fn waiting_at_least(&self, wait: Duration) -> Self {
        Self { opened: self.opened.clone(), wait: self.wait.max(wait) }
    }

    /// The background threads of this store; layers above start theirs here too.
    #[must_use]
    pub fn workers(&self) -> &Workers {
        &self.opened.workers
    }

    /// Runs `work` on a consistent snapshot. Blocks the thread; after a lost connection `work` may run twice.
    ///
    /// # Errors
    /// Whatever `work` returns, or [`StoreError::Unavailable`].
    pub fn read<T, E: From<StoreError>>(
        &self,
        mut work: impl FnMut(&mut Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        match &self.opened.backend {
            #[cfg(feature = "sqlite")]
            Backend::Sqlite { readers, .. } => pool::transaction(readers, Access::Read, self.wait, |c| {
                catch_panic(|| work(&mut Tx::Sqlite(c)))
            }),
            #[cfg(feature = "postgres")]
            Backend::Postgres { pool, .. } => pool::transaction(pool, Access::Read, self.wait, |c| {
                catch_panic(|| work(&mut Tx::Postgres(c)))
            }),
        }
    }

    /// Runs `work` in a transaction and returns after it is durable; an error of `work` rolls it back.
    ///
    /// On SQLite all units run one after another on one thread, several in one commit. On PostgreSQL they run
    /// concurrently, and a unit that checks before it acts must lock the row it checks ([`crate::user::lock`]). Blocks the
    /// thread.
    ///
    /// # Errors
    /// The error that `work` returns, or [`StoreError::Unavailable`] when the change is not known to be durable.
    pub fn write<T, E>(&self, work: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let result = self.run(work);
        // SECURITY: counted before the result is returned, and also on an error: a unit whose commit failed may be durable
        // all the same.
        self.opened.changes.fetch_add(1, Ordering::SeqCst);
        result
    }

    /// How many units [`write`](Self::write) has run on this store. Rows read before the count grew may be out of date.
    /// Writes of other processes and of [`write_bookkeeping`](Self::write_bookkeeping) are not counted.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.opened.changes.load(Ordering::SeqCst)
    }

    /// How many writing units of either kind this store has run.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.opened.writes.load(Ordering::SeqCst)
    }

    pub(crate) fn run<T, E>(
        &self,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let result = self.run_once(work);
        self.opened.writes.fetch_add(1, Ordering::SeqCst);
        result
    }

    pub(crate) fn run_once<T, E>(
        &self,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        match &self.opened.backend {
            #[cfg(feature = "sqlite")]
            Backend::Sqlite { writer, .. } => writer.run(self.wait, work),
            #[cfg(feature = "postgres")]
            Backend::Postgres { pool, .. } => {
                let mut work = Some(work);
                pool::transaction(pool, Access::Write, self.wait, |c| match work.take() {
                    Some(work) => catch_panic(|| work(&mut Tx::Postgres(c))),
                    None => Err(E::from(StoreError::Bug("a unit of work ran twice".to_owned()))),
                })
            }
        }
    }
}

/// Turns a panic into an error *inside* the transaction, which is then rolled back. Caught outside, it would leave
/// Diesel's transaction depth wrong, and every later unit on this connection would fail.
pub(crate) fn catch_panic<T, E: From<StoreError>>(work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    std::panic::catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(E::from(StoreError::Bug("a unit of work panicked".to_owned()))))
}

#[cfg(feature = "sqlite")]
fn prepare_sqlite_writer(connection: &mut SqliteConnection) -> diesel::QueryResult<()> {
    connection.batch_execute(
        "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
         PRAGMA trusted_schema = OFF; PRAGMA journal_size_limit = 67108864;",
    )
}

#[cfg(feature = "sqlite")]
fn prepare_sqlite_reader(connection: &mut SqliteConnection) -> diesel::QueryResult<()> {
    connection
        .batch_execute("PRAGMA busy_timeout = 5000; PRAGMA query_only = ON; PRAGMA trusted_schema = OFF;")
}

/// Sets the timeouts of a session. `one_wait` bounds waits for locks outside of units of work, which set their own bound.
#[cfg(feature = "postgres")]
pub(crate) fn prepare_postgres(connection: &mut PgConnection, one_wait: Duration) -> diesel::QueryResult<()> {
    connection.batch_execute(&format!(
        "SET lock_timeout = {}; SET statement_timeout = '30s'; SET idle_in_transaction_session_timeout = '60s'; \
         SET client_min_messages = warning;",
        one_wait.as_millis()
    ))
}

/// Prepares a session for the live read, which only fetches rows by their unique key. With default settings the planner
/// may scan a table of some thousands of rows for every batch instead, depending on its statistics.
#[cfg(feature = "postgres")]
pub(crate) fn prepare_postgres_reader(
    connection: &mut PgConnection,
    one_wait: Duration,
) -> diesel::QueryResult<()> {
    prepare_postgres(connection, one_wait)?;
    // Not by SET, since compatible engines need not know all these settings.
    connection.batch_execute(
        "SELECT set_config(name, CASE name WHEN 'plan_cache_mode' THEN 'force_generic_plan' ELSE 'off' END, false) \
         FROM pg_settings WHERE name IN \
         ('plan_cache_mode', 'enable_seqscan', 'enable_hashjoin', 'enable_mergejoin', 'jit')",
    )
}
