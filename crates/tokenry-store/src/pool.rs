//! Connections that are prepared once and thrown away when they fail.

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

#[cfg(feature = "postgres")]
use crate::primary::{self, ConnectionProof, Primary};
use crate::{error::StoreError, sentences, supervisor::Deadline};

/// A connection of one database, and what is proven about it.
pub(crate) trait BackendConnection:
    Connection<TransactionManager = AnsiTransactionManager> + Send + 'static
{
    type ConnectionProof: Send + 'static;
    /// How old one may become that is kept.
    const MAX_AGE: Option<Duration>;

    /// How a unit begins that waits so long for locks.
    fn begin(session: &Self::ConnectionProof, access: Access, wait: Duration) -> Cow<'static, str>;

    /// Whether what was proven at the beginning of a unit holds at its end.
    fn is_current(session: &Self::ConnectionProof) -> bool;

    /// Proves it anew.
    fn prove(&mut self, session: &Self::ConnectionProof) -> Result<(), StoreError>;
}

/// What a unit does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    #[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "SQLite has one writer, without a pool"))]
    Write,
}

/// A file cannot be mistaken for another while it is open.
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
    /// An address may lead elsewhere by now, and leave behind who is connected.
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

/// What is done with a connection that was just opened.
type Prepare<C> =
    Box<dyn Fn(&mut C) -> Result<<C as BackendConnection>::ConnectionProof, StoreError> + Send + Sync>;

/// How to open connections of one kind.
pub(crate) struct Manager<C: BackendConnection> {
    url: String,
    prepare: Prepare<C>,
    /// What no message of the driver may show.
    secrets: Vec<String>,
}

/// A connection and whether it is known to be lost. Diesel itself notices a lost connection only inside a
/// transaction, and r2d2 would hand it out for ever.
pub(crate) struct Managed<C: BackendConnection> {
    pub(crate) connection: C,
    session: C::ConnectionProof,
    is_lost: bool,
}

impl<C: BackendConnection<ConnectionProof = ()>> Manager<C> {
    pub(crate) fn new(url: String, prepare: fn(&mut C) -> diesel::QueryResult<()>) -> Self {
        let prepare = move |connection: &mut C| Ok(prepare(connection)?);
        Self { url, prepare: Box::new(prepare), secrets: Vec::new() }
    }
}

#[cfg(feature = "postgres")]
impl Manager<PgConnection> {
    /// Connections that are proven to lead to the primary.
    pub(crate) fn proven(
        url: String,
        primary: Arc<Primary>,
        prepare: impl Fn(&mut PgConnection) -> diesel::QueryResult<()> + Send + Sync + 'static,
    ) -> Self {
        let prepare = move |connection: &mut PgConnection| {
            prepare(connection)?;
            primary.admit(connection)
        };
        Self { url, prepare: Box::new(prepare), secrets: Vec::new() }
    }

    /// The same, with secrets in its address.
    pub(crate) fn hiding(self, secrets: Vec<String>) -> Self {
        Self { secrets, ..self }
    }
}

impl<C: BackendConnection> Manager<C> {
    /// A connection and what is proven about it.
    pub(crate) fn open_session(&self) -> Result<(C, C::ConnectionProof), StoreError> {
        let mut connection = C::establish(&self.url).map_err(|error| sentences::told(self.told(&error)))?;
        let session = (self.prepare)(&mut connection)?;
        Ok((connection, session))
    }

    /// What the driver says of a connection that cannot be opened, unless it shows a secret.
    fn told(&self, error: &diesel::ConnectionError) -> String {
        let told = error.to_string();
        #[cfg(feature = "postgres")]
        if let Some(told) = primary::told_by_driver(&told) {
            return told.to_owned();
        }
        match self.secrets.iter().any(|secret| told.contains(secret.as_str())) {
            true => "the server cannot be reached or refuses the login; why is not shown, as it holds the password"
                .to_owned(),
            false => told,
        }
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
        Ok(managed.connection.batch_execute("SELECT 1")?)
    }

    fn has_broken(&self, managed: &mut Managed<C>) -> bool {
        managed.is_lost
    }
}

/// A pool that opens connections as they are needed and waits at most `wait` for one.
pub(crate) fn pool<C: BackendConnection>(manager: Manager<C>, size: u32, wait: Duration) -> Pool<Manager<C>> {
    Pool::builder()
        .max_lifetime(C::MAX_AGE)
        .max_size(size)
        .min_idle(Some(1))
        .connection_timeout(wait)
        .test_on_check_out(false)
        .build_unchecked(manager)
}

/// Takes a connection out of the pool and runs `work` in a transaction on it. What `wait` leaves when there is a connection
/// is for locks.
///
/// A pooled connection may have died while it was idle, or lead elsewhere by now. That shows at its BEGIN, before anything
/// was done, so the next one is tried.
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
        let mut managed = checked_out(pool, deadline)?;
        if managed.begin(access, deadline).is_ok() {
            return managed.run(&mut work);
        }
    }
    let mut managed = checked_out(pool, deadline)?;
    managed.begin(access, deadline)?;
    managed.run(&mut work)
}

impl<C: BackendConnection> Managed<C> {
    fn begin(&mut self, access: Access, deadline: Deadline) -> Result<(), StoreError> {
        // Until it is proven.
        self.is_lost = true;
        if !C::is_current(&self.session) {
            return Err(StoreError::Unavailable("the database is another server now".to_owned()));
        }
        let begin = C::begin(&self.session, access, deadline.left());
        AnsiTransactionManager::begin_transaction_sql(&mut self.connection, &begin)?;
        self.is_lost = false;
        Ok(())
    }

    fn run<T, E: From<StoreError>>(&mut self, work: &mut impl FnMut(&mut C) -> Result<T, E>) -> Result<T, E> {
        let connection = &mut self.connection;
        match work(connection) {
            Ok(value) => {
                let committed = AnsiTransactionManager::commit_transaction(connection);
                self.is_lost = committed.is_err();
                committed.map_err(StoreError::from)?;
                // SECURITY: what was written on a server that another has taken the place of is not there.
                if !C::is_current(&self.session) {
                    self.is_lost = true;
                    let told = "the database is another server now: whether the change is there is not known";
                    return Err(E::from(StoreError::Unavailable(told.to_owned())));
                }
                Ok(value)
            }
            Err(error) => {
                // Why it failed is known to the work alone. It may be a server that cannot be written to any more.
                let undone = AnsiTransactionManager::rollback_transaction(connection);
                self.is_lost = undone.is_err() || connection.prove(&self.session).is_err();
                Err(error)
            }
        }
    }
}

fn checked_out<C: BackendConnection>(
    pool: &Pool<Manager<C>>,
    deadline: Deadline,
) -> Result<PooledConnection<Manager<C>>, StoreError> {
    // The pool tells what the last attempt to connect failed of.
    pool.get_timeout(deadline.left())
        .map_err(|error| StoreError::Unavailable(format!("no connection within the pool's wait: {error}")))
}

/// Keeps an error of the work apart from one of BEGIN or COMMIT.
pub(crate) enum TransactionError<E> {
    /// The work refused; it was rolled back.
    Work(E),
    /// The transaction itself failed.
    Database(diesel::result::Error),
}

impl<E> From<diesel::result::Error> for TransactionError<E> {
    fn from(error: diesel::result::Error) -> Self {
        Self::Database(error)
    }
}
