//! Timestamps from the database, to compare a node's clock with.

use diesel::prelude::*;
#[cfg(feature = "postgres")]
use diesel::{dsl::sql, select};
use tokenry_domain::UnixMillis;

#[cfg(feature = "postgres")]
use crate::{database_errors::from_diesel, sql_types::Instant};
use crate::{
    error::StoreError,
    macros::on,
    schema::audit_events,
    sql_types::InstantValue,
    tx::{AnyConnection, Tx},
};

/// The timestamps that a database provides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatabaseClock {
    /// The server's time; `None` on SQLite, which uses the clock of the node.
    pub server: Option<UnixMillis>,
    /// The time of the newest audit entry, by the clock of the node that wrote it.
    pub newest_audit: Option<UnixMillis>,
}

/// Reads both timestamps.
///
/// # Errors
/// [`StoreError`].
pub fn read(tx: &mut Tx<'_>) -> Result<DatabaseClock, StoreError> {
    let newest = audit_events::table.order(audit_events::seq.desc()).limit(1).select(audit_events::at);
    let newest: Option<InstantValue> = on!(tx, |c| newest.get_result(c).optional())?;
    let server: Option<InstantValue> = match &mut tx.0 {
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(_) => None,
        // The current time, not the start of the transaction.
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(c) => {
            Some(select(sql::<Instant>("clock_timestamp()")).get_result(&mut **c).map_err(from_diesel)?)
        }
    };
    Ok(DatabaseClock {
        server: server.map(|InstantValue(at)| at),
        newest_audit: newest.map(|InstantValue(at)| at),
    })
}
