//! A lock that keeps everybody else from writing.

use diesel::{
    Connection as _, PgConnection, QueryableByName, RunQueryDsl as _, SqliteConnection,
    connection::SimpleConnection as _, sql_query, sql_types::Text,
};

use crate::TestDatabase;

/// Keeps everybody else from writing into a database, as another program does that holds its lock, until it is dropped.
/// Reading goes on.
pub struct WriteLock {
    _connection: Connection,
}

#[allow(dead_code, reason = "a connection holds the lock until its end")]
enum Connection {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl WriteLock {
    /// Takes the lock.
    ///
    /// # Panics
    /// When the database does not give it.
    #[must_use]
    pub fn hold(db: &TestDatabase) -> Self {
        let connection = match db.url().strip_prefix("sqlite://") {
            Some(path) => {
                let mut connection = SqliteConnection::establish(path).unwrap();
                connection.batch_execute("PRAGMA busy_timeout = 5000; BEGIN IMMEDIATE").unwrap();
                Connection::Sqlite(connection)
            }
            None => {
                let mut connection = PgConnection::establish(db.url()).unwrap();
                let tables = tables(&mut connection);
                let lock = format!("BEGIN; LOCK TABLE {} IN EXCLUSIVE MODE", tables.join(", "));
                connection.batch_execute(&lock).unwrap();
                Connection::Postgres(connection)
            }
        };
        Self { _connection: connection }
    }
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

fn tables(connection: &mut PgConnection) -> Vec<String> {
    let query = "SELECT quote_ident(table_name) AS name FROM information_schema.tables \
         WHERE table_schema = current_schema AND table_type = 'BASE TABLE' ORDER BY table_name";
    sql_query(query).load::<Name>(connection).unwrap().into_iter().map(|row| row.name).collect()
}
