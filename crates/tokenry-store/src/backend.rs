//! The connections of a store, which differ between the two databases.

#[cfg(feature = "sqlite")]
use std::path::Path;
#[cfg(feature = "postgres")]
use std::{sync::Arc, time::Duration};

#[cfg(feature = "postgres")]
use diesel::PgConnection;
#[cfg(feature = "sqlite")]
use diesel::SqliteConnection;
use diesel::{connection::SimpleConnection, r2d2::Pool};

#[cfg(feature = "postgres")]
use crate::{
    direct::DirectManager,
    lease::Leases,
    live::postgres::BatchReader,
    lock_timeout,
    primary::{ConnectionProof, Primary},
    session_check,
    url::Server,
};
use crate::{
    error::StoreError,
    pool::{self, Manager},
    settings::StoreSettings,
    supervisor::Workers,
    url::{DatabaseUrl, Location},
};
#[cfg(feature = "sqlite")]
use crate::{file, live::sqlite::SqliteReader, writer::Writer};

pub(crate) enum Backend {
    #[cfg(feature = "sqlite")]
    // The live reader holds a sender of the writer's queue, so it must be dropped first, in this field order.
    Sqlite { readers: Pool<Manager<SqliteConnection>>, live: SqliteReader, writer: Writer },
    #[cfg(feature = "postgres")]
    Postgres { pool: Pool<Manager<PgConnection>>, live: BatchReader, leases: Leases },
}

impl Backend {
    /// Connects to the database and starts its background threads.
    pub(crate) fn open(
        url: &DatabaseUrl,
        settings: StoreSettings,
        workers: &Workers,
    ) -> Result<Self, StoreError> {
        match &url.0 {
            #[cfg(feature = "sqlite")]
            Location::Sqlite(path) => Self::open_sqlite(path, settings, workers),
            #[cfg(feature = "postgres")]
            Location::Postgres(server) => Self::open_postgres(server, settings, workers),
            #[cfg(not(feature = "sqlite"))]
            Location::Sqlite(_) => Err(StoreError::Bug("a backend that this build leaves out".to_owned())),
        }
    }

    #[cfg(feature = "sqlite")]
    fn open_sqlite(path: &Path, settings: StoreSettings, workers: &Workers) -> Result<Self, StoreError> {
        let path = file::open(path)?;
        let writer = Manager::new(path.clone(), prepare_sqlite_writer);
        let lock_holder = Manager::new(path.clone(), prepare_sqlite_reader);
        let pooled = Manager::new(path.clone(), prepare_sqlite_reader);
        let live = Manager::new(path, prepare_sqlite_reader);
        let (writer, shared_lock) = Writer::start(writer, lock_holder, workers)?;
        Ok(Self::Sqlite {
            readers: pool::pool(pooled, settings.pool_size, settings.pool_wait),
            // Verification has its own connections, so that long list queries cannot delay it.
            live: SqliteReader::new(live, settings.pool_size, shared_lock),
            writer,
        })
    }

    #[cfg(feature = "postgres")]
    fn open_postgres(
        server: &Server,
        settings: StoreSettings,
        workers: &Workers,
    ) -> Result<Self, StoreError> {
        let primary = Arc::<Primary>::default();
        let reader = postgres_manager(server, &primary, settings, prepare_postgres_reader);
        let manager = postgres_manager(server, &primary, settings, prepare_postgres);
        let connected = connect(&reader, &manager)?;
        let live = BatchReader::start(reader, connected, settings.pool_wait, workers)?;
        let direct = direct_manager(server, &primary, settings);
        // A pool may be used up by requests that hang on a server that was replaced.
        let repair = postgres_manager(server, &primary, settings, prepare_postgres);
        let pool = pool::pool(manager, settings.pool_size, settings.pool_wait);
        let leases = Leases::new(direct, repair, primary, settings, workers)?;
        Ok(Self::Postgres { pool, live, leases })
    }
}

#[cfg(feature = "postgres")]
fn postgres_manager(
    server: &Server,
    primary: &Arc<Primary>,
    settings: StoreSettings,
    prepare: fn(&mut PgConnection, Duration) -> diesel::QueryResult<()>,
) -> Manager<PgConnection> {
    let one_wait = lock_timeout::for_one_read(settings.pool_wait);
    let prepare = move |connection: &mut PgConnection| prepare(connection, one_wait);
    Manager::proven(server.conninfo(), primary.clone(), prepare).hiding(server.secrets())
}

/// Opens two connections and returns the first. A pooler that shares sessions is detected, since it serves both
/// connections with one session or takes the session away from one of them.
#[cfg(feature = "postgres")]
fn connect(
    reader: &Manager<PgConnection>,
    pool: &Manager<PgConnection>,
) -> Result<(PgConnection, ConnectionProof), StoreError> {
    connect_both(reader, pool).map_err(|error| match &error {
        StoreError::Unavailable(message) if session_check::is_shared(message) => {
            StoreError::Unusable(session_check::SHARED.to_owned())
        }
        _ => error,
    })
}

#[cfg(feature = "postgres")]
fn connect_both(
    reader: &Manager<PgConnection>,
    pool: &Manager<PgConnection>,
) -> Result<(PgConnection, ConnectionProof), StoreError> {
    let (mut first, session) = reader.open_session()?;
    let (mut second, other) = pool.open_session()?;
    for _ in 0..3 {
        session.prove(&mut first)?;
        other.prove(&mut second)?;
    }
    Ok((first, session))
}

/// A unit that changes many rows, such as an import's, changes up to two thousand pages:
///
/// - With the default cache of 2 MiB SQLite writes each of them to the log several times.
/// - With the default of 1,000 pages in the log it copies them into the file after nearly every unit. In a log of up to 4,000
///   pages a reader still finds a page by a single hash table.
/// - A page that a statement changes is saved beforehand, by default in a temporary file. In memory that is faster if a unit
///   has few statements: in a savepoint SQLite walks through all that the unit has saved, for each of them.
#[cfg(feature = "sqlite")]
fn prepare_sqlite_writer(connection: &mut SqliteConnection) -> diesel::QueryResult<()> {
    connection.batch_execute(
        "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
         PRAGMA trusted_schema = OFF; PRAGMA journal_size_limit = 67108864; PRAGMA wal_autocheckpoint = 4000; \
         PRAGMA cache_size = -8192; PRAGMA temp_store = MEMORY;",
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
    connection.batch_execute(&session_sql(one_wait))
}

#[cfg(feature = "postgres")]
fn session_sql(one_wait: Duration) -> String {
    // SECURITY: a change is answered only when it is durable, also on the standbys that the server waits for.
    format!(
        "SET lock_timeout = {}; SET statement_timeout = '30s'; SET idle_in_transaction_session_timeout = '60s'; \
         SET client_min_messages = warning; SELECT set_config('synchronous_commit', 'on', false) \
         WHERE current_setting('synchronous_commit') IN ('off', 'local', 'remote_write');",
        one_wait.as_millis()
    )
}

/// Opens the connections of the leases. A statement that is late is of no use to them, and must not occupy a thread for
/// long.
#[cfg(feature = "postgres")]
fn direct_manager(server: &Server, primary: &Arc<Primary>, settings: StoreSettings) -> DirectManager {
    let prepare = session_sql(lock_timeout::for_one_read(settings.pool_wait));
    DirectManager {
        conninfo: server.conninfo(),
        prepare: prepare + " SET statement_timeout = '10s'; SET lock_timeout = '1s';",
        primary: primary.clone(),
        secrets: server.secrets(),
    }
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
