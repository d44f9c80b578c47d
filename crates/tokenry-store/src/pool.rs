//! Connections that are prepared once and thrown away when they fail.

use std::time::Duration;

use diesel::{
    Connection,
    r2d2::{ManageConnection, Pool, PooledConnection},
};

use crate::error::StoreError;

/// How to open connections of one kind.
pub(crate) struct Manager<C> {
    url: String,
    prepare: fn(&mut C) -> diesel::QueryResult<()>,
    /// What no message of the driver may show.
    secrets: Vec<String>,
}

/// A connection and whether it is known to be lost. Diesel itself notices a lost connection only inside a
/// transaction, and r2d2 would hand it out for ever.
pub(crate) struct Managed<C> {
    pub(crate) connection: C,
    pub(crate) is_lost: bool,
}

impl<C> Manager<C> {
    pub(crate) fn new(url: String, prepare: fn(&mut C) -> diesel::QueryResult<()>) -> Self {
        Self { url, prepare, secrets: Vec::new() }
    }

    /// The same, with secrets in its address.
    #[cfg(feature = "postgres")]
    pub(crate) fn hiding(self, secrets: Vec<String>) -> Self {
        Self { secrets, ..self }
    }

    /// What the driver says of a connection that cannot be opened, unless it shows a secret.
    fn told(&self, error: &diesel::ConnectionError) -> String {
        let told = error.to_string();
        match self.secrets.iter().any(|secret| told.contains(secret.as_str())) {
            true => "the server cannot be reached or refuses the login; why is not shown, as it holds the password"
                .to_owned(),
            false => told,
        }
    }
}

impl<C: Connection + Send + 'static> Manager<C> {
    pub(crate) fn open(&self) -> Result<C, StoreError> {
        let mut connection =
            C::establish(&self.url).map_err(|error| StoreError::Unavailable(self.told(&error)))?;
        (self.prepare)(&mut connection)?;
        Ok(connection)
    }
}

impl<C: Connection + Send + 'static> ManageConnection for Manager<C> {
    type Connection = Managed<C>;
    type Error = StoreError;

    fn connect(&self) -> Result<Managed<C>, StoreError> {
        self.open().map(|connection| Managed { connection, is_lost: false })
    }

    fn is_valid(&self, managed: &mut Managed<C>) -> Result<(), StoreError> {
        Ok(managed.connection.batch_execute("SELECT 1")?)
    }

    fn has_broken(&self, managed: &mut Managed<C>) -> bool {
        managed.is_lost
    }
}

/// A pool that opens connections as they are needed and waits at most `wait` for one.
pub(crate) fn pool<C: Connection + Send + 'static>(
    manager: Manager<C>,
    size: u32,
    wait: Duration,
) -> Pool<Manager<C>> {
    Pool::builder()
        .max_size(size)
        .min_idle(Some(1))
        .connection_timeout(wait)
        .test_on_check_out(false)
        .build_unchecked(manager)
}

/// Takes a connection out of the pool and runs `work` in a transaction on it.
///
/// A pooled connection may have died while it was idle. That shows at its BEGIN, before anything was done, so the
/// next one is tried.
pub(crate) fn transaction<C, T, E>(
    pool: &Pool<Manager<C>>,
    mut work: impl FnMut(&mut C) -> Result<T, E>,
) -> Result<T, E>
where
    C: Connection + Send + 'static,
    E: From<StoreError>,
{
    let mut tries = pool.max_size();
    loop {
        let mut managed = checked_out(pool)?;
        let mut begun = false;
        let result = managed.connection.transaction(|connection| {
            begun = true;
            work(connection).map_err(Failure::Work)
        });
        match result {
            Ok(value) => return Ok(value),
            Err(Failure::Work(error)) => return Err(error),
            Err(Failure::Database(error)) => {
                managed.is_lost = true;
                if begun || tries == 0 {
                    return Err(E::from(error.into()));
                }
                tries -= 1;
            }
        }
    }
}

fn checked_out<C: Connection + Send + 'static>(
    pool: &Pool<Manager<C>>,
) -> Result<PooledConnection<Manager<C>>, StoreError> {
    pool.get().map_err(|_| StoreError::Unavailable("no connection within the pool's wait".to_owned()))
}

/// Keeps an error of the work apart from one of BEGIN or COMMIT.
pub(crate) enum Failure<E> {
    /// The work refused; it was rolled back.
    Work(E),
    /// The transaction itself failed.
    Database(diesel::result::Error),
}

impl<E> From<diesel::result::Error> for Failure<E> {
    fn from(error: diesel::result::Error) -> Self {
        Self::Database(error)
    }
}
