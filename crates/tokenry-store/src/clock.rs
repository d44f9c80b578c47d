//! What the database knows of the time, to compare a node's clock with.

use diesel::prelude::*;
#[cfg(feature = "postgres")]
use diesel::{dsl::sql, select};
use tokenry_domain::UnixMillis;

#[cfg(feature = "postgres")]
use crate::sql_types::Instant;
use crate::{backend::Tx, error::StoreError, macros::on, schema::audit_events, sql_types::InstantValue};

/// The times that a database tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatabaseClock {
    /// That of a server with a clock of its own; none on SQLite, which reads the node's.
    pub server: Option<UnixMillis>,
    /// When the newest entry of the audit log was written, by the clock of whoever wrote it.
    pub newest_audit: Option<UnixMillis>,
}

/// Reads them.
///
/// # Errors
/// [`StoreError`].
pub fn read(tx: &mut Tx<'_>) -> Result<DatabaseClock, StoreError> {
    let newest = audit_events::table.order(audit_events::seq.desc()).limit(1).select(audit_events::at);
    let newest: Option<InstantValue> = on!(tx, |c| newest.get_result(c).optional())?;
    let server: Option<InstantValue> = match tx {
        #[cfg(feature = "sqlite")]
        Tx::Sqlite(_) => None,
        // The time of now, not that of the transaction's beginning.
        #[cfg(feature = "postgres")]
        Tx::Postgres(c) => Some(select(sql::<Instant>("clock_timestamp()")).get_result(&mut **c)?),
    };
    Ok(DatabaseClock {
        server: server.map(|InstantValue(at)| at),
        newest_audit: newest.map(|InstantValue(at)| at),
    })
}
