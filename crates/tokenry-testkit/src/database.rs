//! A database of its own for one test.

use std::path::PathBuf;

use diesel::{
    Connection as _, PgConnection, QueryableByName, RunQueryDsl as _, SqliteConnection,
    connection::SimpleConnection as _, sql_query,
};
use tempfile::TempDir;
use tokenry_store::Store;

use crate::{open::open, postgres::Scratch};

/// A new, migrated database that is deleted after the test.
pub struct TestDatabase {
    store: Option<Store>,
    url: String,
    // Dropped after the store: dropping them closes its connections.
    folder: Option<TempDir>,
    _scratch: Option<Scratch>,
}

impl TestDatabase {
    /// A SQLite file in a temporary folder.
    #[must_use]
    pub fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("tokenry.db").display());
        Self::open(url, Some(folder), None)
    }

    /// A database on the test server, copied from a migrated template; `None` without a server.
    ///
    /// # Panics
    /// Without a server under `CI`.
    #[must_use]
    pub fn postgres() -> Option<Self> {
        let scratch = Scratch::create()?;
        Some(Self::open(scratch.url(), None, Some(scratch)))
    }

    /// The database at an address that the test provides. It is kept after the test.
    #[must_use]
    pub fn at(url: String) -> Self {
        Self::open(url, None, None)
    }

    fn open(url: String, folder: Option<TempDir>, scratch: Option<Scratch>) -> Self {
        let store = open(&url);
        store.migrate().unwrap();
        Self { store: Some(store), url, folder, _scratch: scratch }
    }

    /// The store of this database.
    #[must_use]
    pub fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    /// Another store on the same database, as a second process would have.
    #[must_use]
    pub fn second_store(&self) -> Store {
        open(&self.url)
    }

    /// The address of this database.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Changes the database on a connection of its own, unseen by the service. Returns the number of changed rows.
    ///
    /// # Panics
    /// When the database rejects it.
    pub fn execute(&self, statement: &str) -> usize {
        let path = self.url.strip_prefix("sqlite://");
        let done = match path {
            Some(path) => SqliteConnection::establish(path).map(|mut c| {
                // The service may be writing.
                sql_query("PRAGMA busy_timeout = 5000").execute(&mut c)?;
                sql_query(statement).execute(&mut c)
            }),
            None => PgConnection::establish(&self.url).map(|mut c| sql_query(statement).execute(&mut c)),
        };
        done.unwrap().unwrap()
    }

    /// Runs statements on PostgreSQL as the owner of the database, on one connection.
    ///
    /// # Errors
    /// The server's message when it rejects them.
    ///
    /// # Panics
    /// When the database is not on PostgreSQL or does not respond.
    pub fn try_run(&self, statements: &str) -> Result<(), String> {
        let mut connection = PgConnection::establish(&self.url).unwrap();
        connection.batch_execute(statements).map_err(|error| error.to_string())
    }

    /// Runs statements on PostgreSQL like [`TestDatabase::try_run`]; they must succeed.
    ///
    /// # Panics
    /// When the server rejects them.
    pub fn run(&self, statements: &str) {
        self.try_run(statements).unwrap();
    }

    /// The only column of a query on PostgreSQL, as text.
    ///
    /// # Panics
    /// When the server rejects them.
    #[must_use]
    pub fn texts(&self, query: &str) -> Vec<String> {
        let mut connection = PgConnection::establish(&self.url).unwrap();
        let rows = sql_query(format!("SELECT value::text AS value FROM ({query}) AS rows (value)"));
        let rows: Vec<TextRow> = rows.load(&mut connection).unwrap();
        rows.into_iter().map(|row| row.value).collect()
    }

    /// The folder of the SQLite file; `None` on PostgreSQL.
    #[must_use]
    pub fn folder(&self) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.path().to_owned())
    }
}

#[derive(QueryableByName)]
struct TextRow {
    #[diesel(sql_type = diesel::sql_types::Text)]
    value: String,
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        drop(self.store.take());
    }
}
