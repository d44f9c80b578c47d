//! Pooled connections: prepared when they are opened, discarded when they fail.

use std::{borrow::Cow, time::Duration};

#[cfg(feature = "postgres")]
use std::sync::Arc;

#[cfg(feature = "postgres")]
use diesel::PgConnection;
#[cfg(feature = "sqlite")]
use diesel::SqliteConnection;
use diesel::{
    Connection,
    connection::{AnsiTransactionManager, TransactionManager},
    r2d2::{ManageConnection, Pool, PooledConnection},
};

use crate::{
    database_errors::{self, from_diesel},
    error::StoreError,
    supervisor::Deadline,
};
#[cfg(feature = "postgres")]
use crate::{
    primary::{self, ConnectionProof, Primary},
    session_check,
};

/// A connection of one database, with the proof that its server is the right one.
pub(crate) trait BackendConnection:
    Connection<TransactionManager = AnsiTransactionManager> + Send + 'static
{
    type ConnectionProof: Send + 'static;
    /// The maximum age of a pooled connection.
    const MAX_AGE: Option<Duration>;

    /// The SQL that begins a unit; `wait` bounds its waits for locks.
    fn begin(session: &Self::ConnectionProof, access: Access, wait: Duration) -> Cow<'static, str>;

    /// Whether the proof is still valid.
    fn is_current(session: &Self::ConnectionProof) -> bool;

    /// Verifies the session again.
    fn prove(&mut self, session: &Self::ConnectionProof) -> Result<(), StoreError>;
}

/// Whether a unit reads or writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    #[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "SQLite has one writer, without a pool"))]
    Write,
}

/// Needs no proof: an open file stays the same file.
#[cfg(feature = "sqlite")]
impl BackendConnection for SqliteConnection {
    type ConnectionProof = ();
    const MAX_AGE: Option<Duration> = None;

    fn begin(_: &(), _: Access, _: Duration) -> Cow<'static, str> {
        Cow::Borrowed("BEGIN")
    }

    fn is_current(_: &()) -> bool {
        true
    }

    fn prove(&mut self, _: &()) -> Result<(), StoreError> {
        Ok(())
    }
}

#[cfg(feature = "postgres")]
impl BackendConnection for PgConnection {
    type ConnectionProof = ConnectionProof;
    /// An address may lead to another server while old connections still reach the old one.
    const MAX_AGE: Option<Duration> = Some(primary::MAX_AGE);

    fn begin(session: &ConnectionProof, access: Access, wait: Duration) -> Cow<'static, str> {
        Cow::Owned(match access {
            Access::Read => session.begin_read(wait),
            Access::Write => session.begin_write(wait),
        })
    }

    fn is_current(session: &ConnectionProof) -> bool {
        session.is_current()
    }

    fn prove(&mut self, session: &ConnectionProof) -> Result<(), StoreError> {
        session.prove(self)
    }
}

/// Prepares a connection that was just opened.
type Prepare<C> =
    Box<dyn Fn(&mut C) -> Result<<C as BackendConnection>::ConnectionProof, StoreError> + Send + Sync>;

/// Opens connections of one kind.
pub(crate) struct Manager<C: BackendConnection> {
    url: String,
    prepare: Prepare<C>,
    /// Texts that no error message may contain.
    secrets: Vec<String>,
}

/// A connection and whether it is known to be lost. Diesel detects a lost connection only inside a transaction, and r2d2
/// would hand it out forever.
pub(crate) struct Managed<C: BackendConnection> {
    pub(crate) connection: C,
    session: C::ConnectionProof,
    is_lost: bool,
}

#[cfg(feature = "sqlite")]
impl<C: BackendConnection<ConnectionProof = ()>> Manager<C> {
    pub(crate) fn new(url: String, prepare: fn(&mut C) -> diesel::QueryResult<()>) -> Self {
        let prepare = move |connection: &mut C| prepare(connection).map_err(from_diesel);
        Self { url, prepare: Box::new(prepare), secrets: Vec::new() }
    }
}

#[cfg(feature = "postgres")]
impl Manager<PgConnection> {
    /// Opens connections that are verified to reach the primary.
    pub(crate) fn proven(
        url: String,
        primary: Arc<Primary>,
        prepare: impl Fn(&mut PgConnection) -> diesel::QueryResult<()> + Send + Sync + 'static,
    ) -> Self {
        let prepare = move |connection: &mut PgConnection| {
            prepare(connection).map_err(from_diesel)?;
            primary.verify(connection)
        };
        Self { url, prepare: Box::new(prepare), secrets: Vec::new() }
    }

    /// Keeps these secrets of the address out of error messages.
    pub(crate) fn hiding(self, secrets: Vec<String>) -> Self {
        Self { secrets, ..self }
    }
}

impl<C: BackendConnection> Manager<C> {
    /// Opens a connection and verifies it.
    pub(crate) fn open_session(&self) -> Result<(C, C::ConnectionProof), StoreError> {
        let mut connection = C::establish(&self.url).map_err(|error| {
            database_errors::classify(connection_message(error.to_string(), &self.secrets))
        })?;
        let session = (self.prepare)(&mut connection)?;
        Ok((connection, session))
    }
}

/// A driver's message about a connection that cannot be opened, withheld if it contains one of these secrets.
pub(crate) fn connection_message(message: String, secrets: &[String]) -> String {
    #[cfg(feature = "postgres")]
    if let Some(text) = session_check::rejected_by_libpq(&message) {
        return text.to_owned();
    }
    match secrets.iter().any(|secret| message.contains(secret.as_str())) {
        true => "the server cannot be reached or rejects the login; its message is withheld, since it contains the \
                 password"
            .to_owned(),
        false => message,
    }
}

#[cfg(feature = "sqlite")]
impl Manager<SqliteConnection> {
    pub(crate) fn open(&self) -> Result<SqliteConnection, StoreError> {
        self.open_session().map(|(connection, ())| connection)
    }
}

impl<C: BackendConnection> ManageConnection for Manager<C> {
    type Connection = Managed<C>;
    type Error = StoreError;

    fn connect(&self) -> Result<Managed<C>, StoreError> {
        self.open_session().map(|(connection, session)| Managed { connection, session, is_lost: false })
    }

    fn is_valid(&self, managed: &mut Managed<C>) -> Result<(), StoreError> {
        managed.connection.batch_execute("SELECT 1").map_err(from_diesel)
    }

    fn has_broken(&self, managed: &mut Managed<C>) -> bool {
        managed.is_lost
    }
}

/// A pool that opens connections on demand and waits at most `wait` for one.
pub(crate) fn pool<C: BackendConnection>(manager: Manager<C>, size: u32, wait: Duration) -> Pool<Manager<C>> {
    Pool::builder()
        .max_lifetime(C::MAX_AGE)
        .max_size(size)
        .min_idle(Some(1))
        .connection_timeout(wait)
        .test_on_check_out(false)
        .build_unchecked(manager)
}

/// Takes a connection from the pool and runs `work` in a transaction on it. `wait` bounds the waits for the connection and
/// for locks together.
///
/// A pooled connection may have failed while it was idle, or lead to another server. Its BEGIN then fails before any work
/// was done, so the next connection is tried.
pub(crate) fn transaction<C, T, E>(
    pool: &Pool<Manager<C>>,
    access: Access,
    wait: Duration,
    mut work: impl FnMut(&mut C) -> Result<T, E>,
) -> Result<T, E>
where
    C: BackendConnection,
    E: From<StoreError>,
{
    let deadline = Deadline::after(wait);
    for _ in 0..pool.max_size() {
        let mut managed = check_out(pool, deadline)?;
        if managed.begin(access, deadline).is_ok() {
            return managed.run(&mut work);
        }
    }
    let mut managed = check_out(pool, deadline)?;
    managed.begin(access, deadline)?;
    managed.run(&mut work)
}

impl<C: BackendConnection> Managed<C> {
    /// Runs `work` in a transaction, as on a connection of a pool. `wait` bounds the waits for locks.
    #[cfg(feature = "postgres")]
    pub(crate) fn transaction<T, E: From<StoreError>>(
        &mut self,
        access: Access,
        wait: Duration,
        mut work: impl FnMut(&mut C) -> Result<T, E>,
    ) -> Result<T, E> {
        self.begin(access, Deadline::after(wait))?;
        self.run(&mut work)
    }

    fn begin(&mut self, access: Access, deadline: Deadline) -> Result<(), StoreError> {
        // Until BEGIN succeeds.
        self.is_lost = true;
        if !C::is_current(&self.session) {
            return Err(StoreError::Unavailable("the database is another server now".to_owned()));
        }
        let begin = C::begin(&self.session, access, deadline.left());
        AnsiTransactionManager::begin_transaction_sql(&mut self.connection, &begin).map_err(from_diesel)?;
        self.is_lost = false;
        Ok(())
    }

    fn run<T, E: From<StoreError>>(&mut self, work: &mut impl FnMut(&mut C) -> Result<T, E>) -> Result<T, E> {
        let connection = &mut self.connection;
        match work(connection) {
            Ok(value) => {
                let committed = AnsiTransactionManager::commit_transaction(connection).map_err(from_diesel);
                self.is_lost = committed.is_err();
                committed?;
                // SECURITY: the new primary may lack what was written on the server that it replaced.
                if !C::is_current(&self.session) {
                    self.is_lost = true;
                    let message =
                        "the database is another server now: it is not known whether it has the change";
                    return Err(E::from(StoreError::Unavailable(message.to_owned())));
                }
                Ok(value)
            }
            Err(error) => {
                // The cause is unknown here; the server may have become read-only.
                let rolled_back = AnsiTransactionManager::rollback_transaction(connection);
                self.is_lost = rolled_back.is_err() || connection.prove(&self.session).is_err();
                Err(error)
            }
        }
    }
}

/// Takes a connection from the pool and runs statements that are transactions of their own. `work` gets the marker of the
/// session, which each statement must check.
#[cfg(feature = "postgres")]
pub(crate) fn query<T>(
    pool: &Pool<Manager<PgConnection>>,
    deadline: Deadline,
    work: impl FnOnce(&mut PgConnection, &str) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let mut managed = check_out(pool, deadline)?;
    let managed = &mut *managed;
    // Until the work succeeds.
    managed.is_lost = true;
    if !managed.session.is_current() {
        return Err(StoreError::Unavailable("the database is another server now".to_owned()));
    }
    let result = work(&mut managed.connection, managed.session.marker());
    managed.is_lost = result.is_err();
    result
}

fn check_out<C: BackendConnection>(
    pool: &Pool<Manager<C>>,
    deadline: Deadline,
) -> Result<PooledConnection<Manager<C>>, StoreError> {
    // The pool's error contains that of the last attempt to connect.
    pool.get_timeout(deadline.left())
        .map_err(|error| StoreError::Unavailable(format!("no connection within the pool's wait: {error}")))
}

/// Distinguishes an error of the work from one of BEGIN or COMMIT.
#[cfg(feature = "sqlite")]
pub(crate) enum TransactionError<E> {
    /// The work failed and was rolled back.
    Work(E),
    /// The transaction itself failed.
    Database(diesel::result::Error),
}

#[cfg(feature = "sqlite")]
impl<E> From<diesel::result::Error> for TransactionError<E> {
    fn from(error: diesel::result::Error) -> Self {
        Self::Database(error)
    }
}
