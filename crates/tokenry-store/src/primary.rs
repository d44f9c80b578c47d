//! Verifies that each connection reaches the writable primary and has its own session.
//!
//! A floating address, a list of hosts or a pooler between Tokenry and PostgreSQL may redirect a connection. So each
//! connection queries the identity of its server when it is opened, and each unit of work and each batch of reads includes
//! a check that the server evaluates in the same request: it is no standby, it is not read-only, and the session is the
//! one that was prepared. A result without this proof is discarded.
//!
//! All connections of a store lead to one server. When a newer server is found (the address now leads to it, or it was
//! promoted), connections to the old one are no longer used, and a unit that ran there is not reported as durable.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use diesel::{PgConnection, QueryableByName, RunQueryDsl, connection::SimpleConnection, sql_query};

use crate::{
    convert::{corrupt, parsed},
    database_errors::from_diesel,
    error::StoreError,
    lock_timeout,
    session_check::{STANDBY, check},
};

/// The maximum age of a connection: an address may lead to another server while old connections still reach the old one.
pub(crate) const MAX_AGE: Duration = Duration::from_secs(30);

/// The server that the connections of a store lead to.
#[derive(Default)]
pub(crate) struct Primary {
    known: Mutex<Option<Server>>,
    /// Incremented whenever another server becomes the known one.
    generation: AtomicU64,
}

/// One run of a server process, from its start to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Server {
    /// The same for a primary and its standbys; 0 if the server does not report it.
    system: i64,
    /// Incremented with each promotion; 0 if the server does not report it.
    timeline: u32,
    started: i64,
}

/// The session of a connection, as it was verified when the connection was opened.
pub(crate) struct ConnectionProof {
    /// A random value that is set in this session only.
    marker: String,
    /// The generation of the server.
    generation: u64,
    primary: Arc<Primary>,
}

impl Primary {
    /// Verifies a connection that was just opened.
    pub(crate) fn verify(
        self: &Arc<Self>,
        connection: &mut impl Session,
    ) -> Result<ConnectionProof, StoreError> {
        let facts = ServerFacts::query(connection)?;
        if facts.encoding != "UTF8" {
            return Err(StoreError::Unusable(format!(
                "its encoding is {}: make one with ENCODING 'UTF8' TEMPLATE template0",
                facts.encoding
            )));
        }
        if facts.is_standby || facts.is_read_only {
            return Err(StoreError::Unavailable(STANDBY.to_owned()));
        }
        // Engines that are only compatible with PostgreSQL may lack these functions.
        let (system, timeline) = identity(connection).unwrap_or_default();
        let generation = self.record(Server { system, timeline, started: facts.started })?;
        let session = ConnectionProof { marker: facts.marker, generation, primary: self.clone() };
        // In a new transaction: a pooler may have assigned another session after the last one.
        session.prove(connection)?;
        Ok(session)
    }

    /// The generation of the known server.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    /// Records the server of a new connection and returns its generation.
    ///
    /// SECURITY: of servers with one system identifier the higher timeline is newer, whichever was connected to last; of
    /// unrelated servers the one that was connected to last replaces the other.
    fn record(&self, found: Server) -> Result<u64, StoreError> {
        // No code panics while it holds this mutex.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match *known {
            Some(server) if server == found => return Ok(self.generation.load(Ordering::SeqCst)),
            // SECURITY: a missing identity does not count as another server: it may hide an old primary.
            Some(server) if server.system != 0 && found.system == 0 => {
                return Err(StoreError::Unavailable("the server does not report its identity".to_owned()));
            }
            Some(server) if server.system == found.system && found.timeline < server.timeline => {
                return Err(StoreError::Unavailable(format!(
                    "the server is an old primary (timeline {}): another was promoted (timeline {})",
                    found.timeline, server.timeline
                )));
            }
            Some(_) => tracing::warn!(timeline = found.timeline, "the database is another server now"),
            None => {}
        }
        *known = Some(found);
        Ok(self.generation.fetch_add(1, Ordering::SeqCst) + 1)
    }
}

impl ConnectionProof {
    /// SQL that begins a writing unit and checks the session in the same request; `wait` bounds all waits for locks.
    pub(crate) fn begin_write(&self, wait: Duration) -> String {
        let check = self.check("current_setting('transaction_read_only') = 'on'");
        format!("BEGIN; SELECT {}, {check}", lock_timeout::initial_sql(wait))
    }

    /// SQL that begins a reading unit and checks the session in the same request.
    pub(crate) fn begin_read(&self, wait: Duration) -> String {
        let check = self.check("pg_is_in_recovery()");
        format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT {}, {check}",
            lock_timeout::initial_sql(wait)
        )
    }

    /// Verifies the session again.
    pub(crate) fn prove(&self, connection: &mut impl Session) -> Result<(), StoreError> {
        let check = self.check("current_setting('transaction_read_only') = 'on'");
        connection.run(&format!("SELECT {check}"))
    }

    /// Whether its server is still the known one.
    pub(crate) fn is_current(&self) -> bool {
        self.primary.generation.load(Ordering::SeqCst) == self.generation
    }

    /// The generation of its server.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// The random value of this session, for the check of a batch.
    pub(crate) fn marker(&self) -> &str {
        &self.marker
    }

    fn check(&self, is_read_only: &str) -> String {
        check(is_read_only, &format!("'{}'", self.marker))
    }
}

/// A connection that can be verified, of either driver.
pub(crate) trait Session {
    /// The text that a query returns: one row with the column `text`.
    fn text(&mut self, query: &str) -> Result<String, StoreError>;

    /// Runs statements and drops their rows.
    fn run(&mut self, statements: &str) -> Result<(), StoreError>;
}

impl Session for PgConnection {
    fn text(&mut self, query: &str) -> Result<String, StoreError> {
        #[derive(QueryableByName)]
        struct Found {
            #[diesel(sql_type = diesel::sql_types::Text)]
            text: String,
        }
        let Found { text } = sql_query(query).get_result(self).map_err(from_diesel)?;
        Ok(text)
    }

    fn run(&mut self, statements: &str) -> Result<(), StoreError> {
        self.batch_execute(statements).map_err(from_diesel)
    }
}

struct ServerFacts {
    is_standby: bool,
    is_read_only: bool,
    encoding: String,
    started: i64,
    marker: String,
}

impl ServerFacts {
    /// Sets the marker of the session and queries the state of its server.
    fn query(connection: &mut impl Session) -> Result<Self, StoreError> {
        let query = "SELECT concat_ws(' ', pg_is_in_recovery(), current_setting('transaction_read_only') = 'on', \
             current_setting('server_encoding'), \
             CAST(extract(epoch FROM pg_postmaster_start_time()) * 1000000 AS bigint), \
             set_config('tokenry.session', md5(random()::text || clock_timestamp()::text || pg_backend_pid()), false)) \
             AS text";
        let text = connection.text(query)?;
        let facts: Vec<_> = text.split(' ').collect();
        let [is_standby, is_read_only, encoding, started, marker] = facts[..] else {
            return Err(corrupt("server", "facts are missing"));
        };
        Ok(Self {
            is_standby: is_standby != "f",
            is_read_only: is_read_only != "f",
            encoding: encoding.to_owned(),
            started: parsed("pg_postmaster_start_time", started)?,
            marker: marker.to_owned(),
        })
    }
}

/// System identifier and timeline of a primary. The timeline is read from the name of the write-ahead log file, since the
/// control file shows a new timeline late.
fn identity(connection: &mut impl Session) -> Option<(i64, u32)> {
    let query = "SELECT concat_ws(' ', system_identifier, pg_walfile_name(pg_current_wal_lsn())) AS text \
                 FROM pg_control_system()";
    let text = connection.text(query).ok()?;
    let (system, log_file) = text.split_once(' ')?;
    Some((system.parse().ok()?, u32::from_str_radix(log_file.get(..8)?, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: Server = Server { system: 7, timeline: 1, started: 10 };

    #[test]
    fn a_promoted_server_replaces_the_old_primary_and_never_the_reverse() {
        let primary = Primary::default();
        let first = primary.record(OLD).unwrap();
        assert_eq!(primary.record(OLD).unwrap(), first);
        let promoted = primary.record(Server { timeline: 2, started: 20, ..OLD }).unwrap();
        assert!(promoted > first);
        assert!(matches!(primary.record(OLD), Err(StoreError::Unavailable(_))));
        // A server that no longer reports its identity.
        let anonymous = Server { system: 0, timeline: 0, started: 40 };
        assert!(matches!(primary.record(anonymous), Err(StoreError::Unavailable(_))));
        // A restart, and an unrelated system.
        let restarted = primary.record(Server { timeline: 2, started: 30, ..OLD }).unwrap();
        let other = primary.record(Server { system: 8, timeline: 1, started: 5 }).unwrap();
        assert!(promoted < restarted && restarted < other);
    }
}
