//! Connections of the leases: they show the warnings of the server, and wait for its notifications.
//!
//! Diesel's connection does neither, and every other query of this crate runs on that.

use std::{str::FromStr, sync::Arc, time::Duration, vec};

use tokenry_libpq::{Connection, Notification, Wake};

use crate::{
    convert::corrupt,
    database_errors,
    error::StoreError,
    pool::connection_message,
    primary::{ConnectionProof, MAX_AGE, Primary, Session},
    session_check,
    steady_clock::{self, micros},
};

/// Opens connections that are verified to reach the primary.
pub(crate) struct DirectManager {
    pub(crate) conninfo: String,
    /// SQL that prepares a session.
    pub(crate) prepare: String,
    pub(crate) primary: Arc<Primary>,
    /// Texts that no error message may contain.
    pub(crate) secrets: Vec<String>,
}

/// A connection, and the proof that its server is the right one.
pub(crate) struct Direct {
    connection: Connection,
    pub(crate) session: ConnectionProof,
    /// When it was opened, by the steady clock.
    opened: u64,
}

/// Why a statement proves nothing.
pub(crate) enum Unproven {
    /// It failed.
    Failed(StoreError),
    /// The server answered it with a warning.
    Warned(String),
}

/// The values of a row, which are taken one after another.
pub(crate) struct Values(vec::IntoIter<Option<String>>);

impl DirectManager {
    pub(crate) fn open(&self) -> Result<Direct, StoreError> {
        let mut connection = Connection::open(&self.conninfo).map_err(|error| {
            database_errors::classify(connection_message(error.to_string(), &self.secrets))
        })?;
        Session::run(&mut connection, &self.prepare)?;
        let session = self.primary.verify(&mut connection)?;
        Ok(Direct { connection, session, opened: steady_clock::steady_now() })
    }
}

impl Direct {
    /// Runs a statement that is a transaction of its own, and returns its rows. Its first parameter is the marker of the
    /// session, which it must check.
    ///
    /// SECURITY: PostgreSQL reports success for a commit whose wait for its standbys was canceled, with a warning.
    /// So no statement with a warning counts, whatever it says.
    pub(crate) fn query(&mut self, statement: &str, parameters: &[&str]) -> Result<Vec<Values>, Unproven> {
        let marker = [Some(self.session.marker())];
        let all: Vec<_> = marker.into_iter().chain(parameters.iter().map(|text| Some(*text))).collect();
        // Those of the time between two statements.
        drop(self.connection.take_warnings());
        let rows = self.connection.execute(statement, &all).map_err(from_libpq)?;
        match self.connection.take_warnings().into_iter().next() {
            Some(warning) => Err(Unproven::Warned(warning.message)),
            None => Ok(rows.into_iter().map(|row| Values(row.into_iter())).collect()),
        }
    }

    /// Runs statements that change nothing in the database.
    pub(crate) fn run(&mut self, statements: &str) -> Result<(), StoreError> {
        Session::run(&mut self.connection, statements)
    }

    /// The notifications that have arrived.
    pub(crate) fn notifications(&mut self) -> Result<Vec<Notification>, StoreError> {
        self.connection.notifications().map_err(from_libpq)
    }

    /// Sleeps until the server has sent something, the wake is used, or the time has passed.
    pub(crate) fn wait(&mut self, timeout: Duration, wake: &Wake) -> Result<(), StoreError> {
        self.connection.wait(timeout, wake).map_err(from_libpq)
    }

    /// Whether it is so old that its address may lead to another server by now.
    pub(crate) fn is_old(&self) -> bool {
        steady_clock::steady_now().saturating_sub(self.opened) > micros(MAX_AGE)
    }
}

impl Values {
    /// The next value, which is not NULL.
    pub(crate) fn take<T: FromStr>(&mut self, column: &str) -> Result<T, StoreError> {
        self.optional(column)?.ok_or_else(|| corrupt(column, "no value"))
    }

    /// The next value; `None` is NULL.
    pub(crate) fn optional<T: FromStr>(&mut self, column: &str) -> Result<Option<T>, StoreError> {
        let text = self.0.next().flatten();
        text.map(|text| text.parse().map_err(|_| corrupt(column, "not of its type"))).transpose()
    }
}

impl Session for Connection {
    fn text(&mut self, query: &str) -> Result<String, StoreError> {
        let rows = self.execute(query, &[]).map_err(from_libpq)?;
        let value = rows.into_iter().next().and_then(|row| row.into_iter().next().flatten());
        value.ok_or_else(|| corrupt("text", "no value"))
    }

    fn run(&mut self, statements: &str) -> Result<(), StoreError> {
        self.execute_all(statements).map_err(from_libpq)
    }
}

impl From<StoreError> for Unproven {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

impl From<Unproven> for StoreError {
    fn from(unproven: Unproven) -> Self {
        match unproven {
            Unproven::Failed(error) => error,
            Unproven::Warned(warning) => Self::Unavailable(warned(&warning)),
        }
    }
}

/// The text for a warning.
pub(crate) fn warned(warning: &str) -> String {
    format!("the database answered a commit with a warning, so it may not be durable: {warning}")
}

fn from_libpq(error: tokenry_libpq::Error) -> StoreError {
    let message = error.to_string();
    database_errors::classify(session_check::check_failure(&message).map_or(message, str::to_owned))
}
