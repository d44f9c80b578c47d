//! Proof that a connection leads to the writable primary, over a session of its own.
//!
//! Between Tokenry and PostgreSQL may stand what sends a connection elsewhere: an address that moves, a list of hosts, a
//! pooler. Each connection is asked what it leads to when it is opened, and each unit of work and each batch of reads
//! carries a check that the server makes in the same request: that it is no standby and not read-only, and that the
//! session is the one that was prepared. What is not proven is no answer.
//!
//! All connections of a store lead to one server. When a newer one is found (the address leads to it now, or it was
//! promoted), connections to the old one are not used any more, and a unit that ran there is not answered as durable.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use diesel::{PgConnection, QueryableByName, RunQueryDsl, connection::SimpleConnection, sql_query};

use crate::{error::StoreError, patience, pool::Manager};

/// How old a connection may become: the address may lead elsewhere by now, and leave behind who is connected.
pub(crate) const MAX_AGE: Duration = Duration::from_secs(30);

/// What a pooler has to be told whose sessions are shared.
const SHARED: &str =
    "the session is not our own: behind a pooler Tokenry needs session pooling or a direct connection";
const STANDBY: &str =
    "the server is a standby or read-only: Tokenry needs the primary; name it, or several hosts";

/// Which server the connections of a store lead to.
#[derive(Default)]
pub(crate) struct Primary {
    known: Mutex<Option<Server>>,
    /// Grows with each server that takes the place of another.
    number: AtomicU64,
}

/// One server from its start to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Server {
    /// The same for a primary and its standbys; 0 where the server does not tell.
    system: i64,
    /// Grows with each promotion; 0 where the server does not tell.
    timeline: u32,
    started: i64,
}

/// The session of a connection, as it was proven when it was opened.
pub(crate) struct ConnectionProof {
    /// What only this session knows.
    mark: String,
    /// Of the server.
    number: u64,
    primary: Arc<Primary>,
}

impl Primary {
    /// Proves a connection that was just opened.
    pub(crate) fn admit(
        self: &Arc<Self>,
        connection: &mut PgConnection,
    ) -> Result<ConnectionProof, StoreError> {
        let facts = Facts::ask(connection)?;
        if facts.encoding != "UTF8" {
            return Err(StoreError::Unusable(format!(
                "its encoding is {}: make one with ENCODING 'UTF8' TEMPLATE template0",
                facts.encoding
            )));
        }
        if facts.is_standby || facts.is_read_only {
            return Err(StoreError::Unavailable(STANDBY.to_owned()));
        }
        // Whoever puts the address of an engine here that is only compatible does without what it does not tell.
        let (system, timeline) = Identity::ask(connection).unwrap_or_default();
        let number = self.note(Server { system, timeline, started: facts.started })?;
        let session = ConnectionProof { mark: facts.mark, number, primary: self.clone() };
        // In a transaction of its own: a pooler may have taken the session away after the last.
        session.prove(connection)?;
        Ok(session)
    }

    /// SECURITY: what has been promoted since is the newer, whatever was connected to last; of servers that have nothing to
    /// do with each other it is the one that was connected to last.
    fn note(&self, found: Server) -> Result<u64, StoreError> {
        // Nothing panics while it holds this.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match *known {
            Some(server) if server == found => return Ok(self.number.load(Ordering::SeqCst)),
            // SECURITY: an answer that is missing now is no other server: it may hide an old primary.
            Some(server) if server.system != 0 && found.system == 0 => {
                return Err(StoreError::Unavailable("the server does not tell which one it is".to_owned()));
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
        Ok(self.number.fetch_add(1, Ordering::SeqCst) + 1)
    }
}

/// Two connections, of which the first is the result, so that a pooler shows itself that shares sessions: it gives both the
/// session of whoever asks, or takes it from one of them.
pub(crate) fn connect(
    reader: &Manager<PgConnection>,
    pool: &Manager<PgConnection>,
) -> Result<(PgConnection, ConnectionProof), StoreError> {
    let try_both = || {
        let (mut first, session) = reader.open_session()?;
        let (mut second, other) = pool.open_session()?;
        for _ in 0..3 {
            session.prove(&mut first)?;
            other.prove(&mut second)?;
        }
        Ok((first, session))
    };
    try_both().map_err(|error: StoreError| match is_shared(&error) {
        true => StoreError::Unusable(SHARED.to_owned()),
        false => error,
    })
}

impl ConnectionProof {
    /// Begins a unit that writes, in the same request as its check; it waits so long for locks.
    pub(crate) fn begin_write(&self, wait: Duration) -> String {
        let check = self.check("current_setting('transaction_read_only') = 'on'");
        format!("BEGIN; SELECT {}, {check}", patience::begun(wait))
    }

    /// Begins a unit that reads.
    pub(crate) fn begin_read(&self, wait: Duration) -> String {
        let check = self.check("pg_is_in_recovery()");
        format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT {}, {check}", patience::begun(wait))
    }

    /// Proves it once more.
    pub(crate) fn prove(&self, connection: &mut PgConnection) -> Result<(), StoreError> {
        let check = self.check("current_setting('transaction_read_only') = 'on'");
        Ok(connection.batch_execute(&format!("SELECT {check}"))?)
    }

    /// Whether nothing has taken the place of its server.
    pub(crate) fn is_current(&self) -> bool {
        self.primary.number.load(Ordering::SeqCst) == self.number
    }

    /// What only this session knows, for the check of a batch.
    pub(crate) fn mark(&self) -> &str {
        &self.mark
    }

    fn check(&self, is_read_only: &str) -> String {
        check(is_read_only, &format!("'{}'", self.mark))
    }
}

/// An expression that is true or fails, with [`told`] in its message. None of its parts changes within a statement, so
/// that the server evaluates it once, before it looks for rows.
pub(crate) fn check(is_read_only: &str, mark: &str) -> String {
    format!(
        "CAST(CASE WHEN {is_read_only} THEN 'tokenry: {STANDBY}' \
         WHEN current_setting('tokenry.session', true) = {mark} THEN 'true' ELSE 'tokenry: {SHARED}' END AS boolean)"
    )
}

/// The words of a check that failed, in the message of the server.
pub(crate) fn told(message: &str) -> Option<&'static str> {
    [SHARED, STANDBY].into_iter().find(|told| message.contains(told))
}

/// The same for a connection that the driver itself refused.
pub(crate) fn told_by_driver(message: &str) -> Option<&'static str> {
    let is_standby =
        ["session is read-only", "server is in hot standby mode"].iter().any(|said| message.contains(said));
    is_standby.then_some(STANDBY)
}

/// Whether it is a pooler that has to be set in another way. In statement mode PgBouncer refuses transactions itself.
fn is_shared(error: &StoreError) -> bool {
    let said = [SHARED, "statement pooling mode"];
    matches!(error, StoreError::Unavailable(told) if said.iter().any(|said| told.contains(said)))
}

#[derive(QueryableByName)]
struct Facts {
    #[diesel(sql_type = diesel::sql_types::Bool)]
    is_standby: bool,
    #[diesel(sql_type = diesel::sql_types::Bool)]
    is_read_only: bool,
    #[diesel(sql_type = diesel::sql_types::Text)]
    encoding: String,
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    started: i64,
    #[diesel(sql_type = diesel::sql_types::Text)]
    mark: String,
}

impl Facts {
    /// Marks the session, and asks what it leads to.
    fn ask(connection: &mut PgConnection) -> Result<Self, StoreError> {
        let query = "SELECT pg_is_in_recovery() AS is_standby, current_setting('transaction_read_only') = 'on' AS is_read_only, \
             current_setting('server_encoding') AS encoding, \
             CAST(extract(epoch FROM pg_postmaster_start_time()) * 1000000 AS bigint) AS started, \
             set_config('tokenry.session', md5(random()::text || clock_timestamp()::text || pg_backend_pid()), false) \
             AS mark";
        Ok(sql_query(query).get_result(connection)?)
    }
}

#[derive(QueryableByName)]
struct Identity {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    system: i64,
    #[diesel(sql_type = diesel::sql_types::Text)]
    log_file: String,
}

impl Identity {
    /// System and timeline of a primary. Its log's file begins with the timeline; the control file tells a new one late.
    fn ask(connection: &mut PgConnection) -> Option<(i64, u32)> {
        let query = "SELECT system_identifier AS system, pg_walfile_name(pg_current_wal_lsn()) AS log_file \
                     FROM pg_control_system()";
        let asked: Self = sql_query(query).get_result(connection).ok()?;
        Some((asked.system, u32::from_str_radix(asked.log_file.get(..8)?, 16).ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: Server = Server { system: 7, timeline: 1, started: 10 };

    #[test]
    fn what_was_promoted_since_takes_the_place_of_what_was_before_and_not_the_other_way_round() {
        let primary = Primary::default();
        let number = primary.note(OLD).unwrap();
        assert_eq!(primary.note(OLD).unwrap(), number);
        let promoted = primary.note(Server { timeline: 2, started: 20, ..OLD }).unwrap();
        assert!(promoted > number);
        assert!(matches!(primary.note(OLD), Err(StoreError::Unavailable(_))));
        // One that once told which it is, and now does not.
        let silent = Server { system: 0, timeline: 0, started: 40 };
        assert!(matches!(primary.note(silent), Err(StoreError::Unavailable(_))));
        // A restart, and another system altogether.
        let restarted = primary.note(Server { timeline: 2, started: 30, ..OLD }).unwrap();
        let other = primary.note(Server { system: 8, timeline: 1, started: 5 }).unwrap();
        assert!(promoted < restarted && restarted < other);
    }
}
