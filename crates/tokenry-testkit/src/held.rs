//! Locks that another program holds.

use diesel::{
    Connection as _, PgConnection, QueryableByName, RunQueryDsl as _, SqliteConnection,
    connection::SimpleConnection as _, sql_query, sql_types::Text,
};

use crate::database::TestDatabase;

/// An open transaction of another program. Dropping it rolls the transaction back.
pub struct Held(Connection);

enum Connection {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl TestDatabase {
    /// Blocks all writes by others: takes the write lock of the SQLite file, or locks all tables on PostgreSQL. Reads
    /// continue.
    ///
    /// # Panics
    /// When the database rejects it.
    #[must_use]
    pub fn hold_writes(&self) -> Held {
        if self.folder().is_some() {
            return self.hold("");
        }
        let mut connection = PgConnection::establish(self.url()).unwrap();
        let tables = "SELECT string_agg(quote_ident(table_name), ', ') AS names FROM information_schema.tables \
                      WHERE table_schema = current_schema AND table_type = 'BASE TABLE'";
        let tables: Tables = sql_query(tables).get_result(&mut connection).unwrap();
        self.hold(&format!("LOCK TABLE {} IN EXCLUSIVE MODE", tables.names))
    }

    /// Holds the locks that `statement` takes; on SQLite, the write lock of the file.
    ///
    /// # Panics
    /// When the database rejects it.
    #[must_use]
    pub fn hold(&self, statement: &str) -> Held {
        Held::at(self.url(), statement)
    }
}

impl Held {
    /// Holds the locks that `statement` takes in the database at `url`.
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

impl Drop for Held {
    fn drop(&mut self) {
        // A lost connection holds no lock, so a failed rollback does not matter.
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
