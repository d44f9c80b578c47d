//! The processes that decide from memory, and how current they are.

use std::time::Duration;

#[cfg(feature = "postgres")]
use diesel::{
    QueryableByName, RunQueryDsl, sql_query,
    sql_types::{BigInt, Integer, Text},
};
use uuid::Uuid;

#[cfg(feature = "postgres")]
use crate::{
    database_errors::from_diesel,
    sql_types::{Id, IdValue},
};
use crate::{error::StoreError, store::Store, tx::AnyConnection};

/// The nodes of an installation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Nodes {
    /// The number of the newest event that changed a row which a node may have in memory.
    pub change_seq: i64,
    /// The registered nodes, oldest first.
    pub nodes: Vec<Node>,
}

/// A process that verifies.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Node {
    /// Its id, a new one after each registration.
    pub id: Uuid,
    /// The version of its program.
    pub version: String,
    /// Its address as the database sees it, and its process id.
    pub address: String,
    /// How long its leases run.
    pub lease: Duration,
    /// How long ago it last renewed its lease, by the clock of the database.
    pub lease_age: Duration,
    /// Every event up to this one is applied to the rows in its memory.
    pub acked_seq: i64,
}

/// How current a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NodeState {
    /// It knows every change.
    Current,
    /// It has not acknowledged the newest change yet.
    Behind,
    /// It did not renew its lease in time. Whoever makes the next change waits for it and removes it.
    Silent,
}

impl NodeState {
    /// Its name on the command line and in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Behind => "behind",
            Self::Silent => "silent",
        }
    }
}

impl Nodes {
    /// How current this node is.
    #[must_use]
    pub fn state(&self, node: &Node) -> NodeState {
        if node.lease_age > node.lease {
            NodeState::Silent
        } else if node.acked_seq < self.change_seq {
            NodeState::Behind
        } else {
            NodeState::Current
        }
    }
}

impl Store {
    /// The nodes of this installation; `None` on SQLite, where each process sees each commit by itself.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn nodes(&self) -> Result<Option<Nodes>, StoreError> {
        self.read(|tx| match &mut tx.0 {
            #[cfg(feature = "sqlite")]
            AnyConnection::Sqlite(_) => Ok(None),
            #[cfg(feature = "postgres")]
            AnyConnection::Postgres(c) => {
                let query = "SELECT change_seq FROM instance";
                let Newest { change_seq } = sql_query(query).get_result(&mut **c).map_err(from_diesel)?;
                let query = "SELECT id, version, address, lease_ms, acked_seq, \
                             CAST(extract(epoch FROM clock_timestamp() - renewed_at) * 1000 AS bigint) AS age_ms \
                             FROM nodes ORDER BY registered_at, id";
                let rows: Vec<Row> = sql_query(query).load(&mut **c).map_err(from_diesel)?;
                Ok(Some(Nodes { change_seq, nodes: rows.into_iter().map(Node::from).collect() }))
            }
        })
    }
}

#[cfg(feature = "postgres")]
#[derive(QueryableByName)]
struct Newest {
    #[diesel(sql_type = BigInt)]
    change_seq: i64,
}

#[cfg(feature = "postgres")]
#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Id)]
    id: IdValue,
    #[diesel(sql_type = Text)]
    version: String,
    #[diesel(sql_type = Text)]
    address: String,
    #[diesel(sql_type = Integer)]
    lease_ms: i32,
    #[diesel(sql_type = BigInt)]
    acked_seq: i64,
    #[diesel(sql_type = BigInt)]
    age_ms: i64,
}

#[cfg(feature = "postgres")]
impl From<Row> for Node {
    fn from(row: Row) -> Self {
        Self {
            id: row.id.0,
            version: row.version,
            address: row.address,
            lease: Duration::from_millis(u64::try_from(row.lease_ms).unwrap_or(0)),
            // The clock of the server may have been set back.
            lease_age: Duration::from_millis(u64::try_from(row.age_ms).unwrap_or(0)),
            acked_seq: row.acked_seq,
        }
    }
}
