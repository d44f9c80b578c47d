//! Locks of another program.

use diesel::{
    Connection as _, PgConnection, QueryableByName, RunQueryDsl as _, SqliteConnection,
    connection::SimpleConnection as _, sql_query, sql_types::Text,
};

use crate::database::TestDatabase;

/// An open transaction of another program. Dropping it rolls the transaction back.
pub struct LockHolder(Connection);

enum Connection {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl TestDatabase {
    /// Blocks all writes by others: acquires the write lock of the SQLite file, or locks all tables on PostgreSQL. Reads
    /// continue.
    ///
    /// # Panics
    /// When the database rejects it.
    #[must_use]
    pub fn lock_writes(&self) -> LockHolder {
        if self.folder().is_some() {
            return self.lock("");
        }
        let mut connection = PgConnection::establish(self.url()).unwrap();
        let tables = "SELECT string_agg(quote_ident(table_name), ', ') AS names FROM information_schema.tables \
                      WHERE table_schema = current_schema AND table_type = 'BASE TABLE'";
        let tables: Tables = sql_query(tables).get_result(&mut connection).unwrap();
        self.lock(&format!("LOCK TABLE {} IN EXCLUSIVE MODE", tables.names))
    }

    /// Acquires the locks of `statement`; on SQLite, the write lock of the file.
    ///
    /// # Panics
    /// When the database rejects it.
    #[must_use]
    pub fn lock(&self, statement: &str) -> LockHolder {
        LockHolder::at(self.url(), statement)
    }
}

impl LockHolder {
    /// Acquires the locks of `statement` in the database at `url`.
    ///
    /// # Panics
    /// When the database rejects it.
    #[must_use]
    pub fn at(url: &str, statement: &str) -> Self {
        Self(match url.strip_prefix("sqlite://") {
            Some(path) => {
                let mut c = SqliteConnection::establish(path).unwrap();
                // The service may be writing.
                c.batch_execute("PRAGMA busy_timeout = 5000; BEGIN IMMEDIATE;").unwrap();
                c.batch_execute(statement).unwrap();
                Connection::Sqlite(c)
            }
            None => {
                let mut c = PgConnection::establish(url).unwrap();
                c.batch_execute(&format!("BEGIN; {statement}")).unwrap();
                Connection::Postgres(c)
            }
        })
    }
}

impl Drop for LockHolder {
    fn drop(&mut self) {
        // A lost connection has no locks, so a failed rollback does not matter.
        let _ = match &mut self.0 {
            Connection::Sqlite(c) => c.batch_execute("ROLLBACK"),
            Connection::Postgres(c) => c.batch_execute("ROLLBACK"),
        };
    }
}

#[derive(QueryableByName)]
struct Tables {
    #[diesel(sql_type = Text)]
    names: String,
}
