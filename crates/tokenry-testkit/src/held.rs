//! What somebody else has locked.

use diesel::{Connection as _, PgConnection, SqliteConnection, connection::SimpleConnection as _};

use crate::database::TestDatabase;

/// A transaction on a connection of its own, as another program has one. It ends with this value and changes nothing.
pub struct Held(Connection);

enum Connection {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// Whoever changes a row or locks one waits, whoever reads does not.
const TABLES: &str = "LOCK TABLE users, former_subjects, personal_access_tokens, audit_events, instance, \
                      retired_secrets, sessions, token_usage, token_scope_uses, token_counts IN EXCLUSIVE MODE";

impl TestDatabase {
    /// Holds what every change needs: the write lock of a SQLite file, all tables on PostgreSQL.
    #[must_use]
    pub fn hold_writes(&self) -> Held {
        self.hold(if self.folder().is_some() { "" } else { TABLES })
    }

    /// Holds what this statement locks, on SQLite the write lock of the file.
    ///
    /// # Panics
    /// When the database refuses it.
    #[must_use]
    pub fn hold(&self, statement: &str) -> Held {
        Held::at(self.url(), statement)
    }
}

impl Held {
    /// The same for the database at an address.
    ///
    /// # Panics
    /// When the database refuses it.
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
        // A connection that is lost holds nothing either.
        let _ = match &mut self.0 {
            Connection::Sqlite(c) => c.batch_execute("ROLLBACK"),
            Connection::Postgres(c) => c.batch_execute("ROLLBACK"),
        };
    }
}
