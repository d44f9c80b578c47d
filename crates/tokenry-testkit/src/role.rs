//! A PostgreSQL role for one test.

use std::{
    process,
    sync::atomic::{AtomicU32, Ordering},
};

use diesel::{Connection, PgConnection, RunQueryDsl, connection::SimpleConnection, sql_query};

use crate::database::TestDatabase;

/// A role that can log in and owns nothing; dropping this value removes it. Create it after its database, so that it is
/// dropped first.
pub struct TestRole {
    owner: String,
    url: String,
    name: String,
}

impl TestRole {
    /// Creates a role without any rights except those of PUBLIC.
    ///
    /// # Panics
    /// When the database is not on PostgreSQL.
    #[must_use]
    pub fn new(db: &TestDatabase) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("tokenry_role_{}_{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let (scheme, rest) = db.url().split_once("://").unwrap();
        let (_, host) = rest.split_once('@').unwrap();
        let role = Self {
            owner: db.url().to_owned(),
            url: format!("{scheme}://{name}:{name}@{host}"),
            name: name.clone(),
        };
        db.run(&format!("DROP ROLE IF EXISTS {name}; CREATE ROLE {name} LOGIN PASSWORD '{name}'"));
        role
    }

    /// The name, which needs no quotes.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The address of the database for this role.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Runs a statement as this role.
    ///
    /// # Errors
    /// The server's message when it rejects the statement.
    pub fn execute(&self, statement: &str) -> Result<usize, String> {
        let mut connection = PgConnection::establish(&self.url).map_err(|error| error.to_string())?;
        sql_query(statement).execute(&mut connection).map_err(|error| error.to_string())
    }

    /// Runs statements as this role, on one connection.
    ///
    /// # Errors
    /// The server's message when it rejects the statement.
    pub fn run(&self, statements: &str) -> Result<(), String> {
        let mut connection = PgConnection::establish(&self.url).map_err(|error| error.to_string())?;
        connection.batch_execute(statements).map_err(|error| error.to_string())
    }
}

impl Drop for TestRole {
    fn drop(&mut self) {
        let mut connection = PgConnection::establish(&self.owner).unwrap();
        let gone = format!("DROP OWNED BY {0}; DROP ROLE {0}", self.name);
        connection.batch_execute(&gone).unwrap();
    }
}
