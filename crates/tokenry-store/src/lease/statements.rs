//! The statements of the lease protocol. Each is one transaction and checks its session in the same request.

use diesel::{
    PgConnection, QueryableByName, RunQueryDsl,
    connection::SimpleConnection,
    sql_query,
    sql_types::{BigInt, Binary, Bool, Integer, Nullable, Text},
};
use tokenry_domain::EventKind;
use uuid::Uuid;

use crate::{
    convert::digest,
    database_errors::from_diesel,
    error::StoreError,
    instance::ChainHead,
    session_check,
    sql_types::{Id, IdValue},
};

/// Wakes the nodes after a change.
pub(super) const CHANGE: &str = "tokenry_change";
/// Names a row that was changed past Tokenry; the payload is an id, or empty for all rows.
pub(super) const ROW: &str = "tokenry_row";
/// Wakes those who wait for acknowledgements.
pub(super) const ACKNOWLEDGED: &str = "tokenry_acknowledged";

/// The most events that one statement reads.
pub(super) const EVENTS: usize = 1000;

/// A renewal.
pub(super) struct Renewal {
    /// Whether the node is still registered.
    pub(super) is_registered: bool,
    /// The newest event of the audit log.
    pub(super) head: ChainHead,
    /// The newest event that changed rows.
    pub(super) change_seq: i64,
    /// The digest of the event that the node acknowledged; `None` if there is no such event.
    pub(super) acked_hash: Option<[u8; 32]>,
}

/// An event, as far as nodes need it.
pub(super) struct Change {
    pub(super) seq: i64,
    /// `None` for a kind of a newer release.
    pub(super) kind: Option<EventKind>,
    pub(super) user_id: Option<Uuid>,
    pub(super) token_id: Option<Uuid>,
    /// The digest of the event before it, and its own.
    pub(super) prev_hash: [u8; 32],
    pub(super) hash: [u8; 32],
    /// The detail, of a kind that takes something away.
    pub(super) detail: Option<String>,
}

/// A node that has not acknowledged a change.
#[derive(Debug, Clone, Copy, QueryableByName)]
pub(super) struct SilentNode {
    #[diesel(sql_type = Id)]
    pub(super) id: IdValue,
    #[diesel(sql_type = Integer)]
    pub(super) lease_ms: i32,
}

/// Begins to listen on all channels.
pub(super) fn listen(connection: &mut PgConnection) -> Result<(), StoreError> {
    connection
        .batch_execute(&format!("LISTEN {CHANGE}; LISTEN {ROW}; LISTEN {ACKNOWLEDGED}"))
        .map_err(from_diesel)
}

/// Registers a node at the current head and returns its id and the sequence that counts as acknowledged.
pub(super) fn register(
    connection: &mut PgConnection,
    marker: &str,
    lease_ms: i32,
) -> Result<(Uuid, i64), StoreError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Id)]
        id: IdValue,
        #[diesel(sql_type = BigInt)]
        acked_seq: i64,
    }
    let query = format!(
        "INSERT INTO nodes (id, acked_seq, lease_ms, version, address) \
         SELECT CAST(md5(random()::text || clock_timestamp()::text || pg_backend_pid()) AS uuid), chain_seq, $1, $2, \
         coalesce(host(inet_client_addr()), 'local') || ' pid ' || CAST($3 AS bigint) FROM instance WHERE {} \
         RETURNING id, acked_seq",
        check("$4")
    );
    let row: Row = sql_query(query)
        .bind::<Integer, _>(lease_ms)
        .bind::<Text, _>(env!("CARGO_PKG_VERSION"))
        .bind::<BigInt, _>(i64::from(std::process::id()))
        .bind::<Text, _>(marker)
        .get_result(connection)
        .map_err(from_diesel)?;
    Ok((row.id.0, row.acked_seq))
}

/// Acknowledges every event up to `acked_seq`, renews the lease, and reads the current head. With `is_awaited` whoever
/// waits for acknowledgements is notified. An event that a restored database does not have is not acknowledged: another
/// one will get its number. A statement of a lost connection that runs late lowers nothing.
pub(super) fn renew(
    connection: &mut PgConnection,
    marker: &str,
    node: Uuid,
    acked_seq: i64,
    is_awaited: bool,
) -> Result<Renewal, StoreError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Bool)]
        is_registered: bool,
        #[diesel(sql_type = BigInt)]
        chain_seq: i64,
        #[diesel(sql_type = Binary)]
        chain_head: Vec<u8>,
        #[diesel(sql_type = BigInt)]
        change_seq: i64,
        #[diesel(sql_type = Nullable<Binary>)]
        acked_hash: Option<Vec<u8>>,
    }
    let query = format!(
        "WITH renewed AS (UPDATE nodes SET acked_seq = greatest(acked_seq, least($2, (SELECT chain_seq FROM instance))), renewed_at = clock_timestamp() WHERE id = $1 AND {} \
         RETURNING CASE WHEN $3 THEN CAST(pg_notify('{ACKNOWLEDGED}', '') AS text) END) \
         SELECT EXISTS (SELECT 1 FROM renewed) AS is_registered, chain_seq, chain_head, change_seq, \
         (SELECT hash FROM audit_events WHERE seq = $2) AS acked_hash FROM instance",
        check("$4")
    );
    let row: Row = sql_query(query)
        .bind::<Id, _>(IdValue(node))
        .bind::<BigInt, _>(acked_seq)
        .bind::<Bool, _>(is_awaited)
        .bind::<Text, _>(marker)
        .get_result(connection)
        .map_err(from_diesel)?;
    Ok(Renewal {
        is_registered: row.is_registered,
        head: ChainHead { seq: row.chain_seq, hash: digest("instance.chain_head", row.chain_head)? },
        change_seq: row.change_seq,
        acked_hash: row.acked_hash.map(|hash| digest("audit_events.hash", hash)).transpose()?,
    })
}

/// The events after `seq`, oldest first. An incomplete answer ends at the last event that it has.
pub(super) fn events_after(
    connection: &mut PgConnection,
    marker: &str,
    seq: i64,
) -> Result<Vec<Change>, StoreError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        seq: i64,
        #[diesel(sql_type = Text)]
        kind: String,
        #[diesel(sql_type = Nullable<Id>)]
        user_id: Option<IdValue>,
        #[diesel(sql_type = Nullable<Id>)]
        token_id: Option<IdValue>,
        #[diesel(sql_type = Binary)]
        prev_hash: Vec<u8>,
        #[diesel(sql_type = Binary)]
        hash: Vec<u8>,
        #[diesel(sql_type = Nullable<Text>)]
        detail: Option<String>,
    }
    let query = format!(
        "SELECT seq, kind, user_id, token_id, prev_hash, hash, \
         CASE WHEN kind IN ({}) THEN CAST(detail AS text) END AS detail \
         FROM audit_events WHERE seq > $1 AND {} ORDER BY seq LIMIT $3",
        taking_kinds(),
        check("$2")
    );
    let rows: Vec<Row> = sql_query(query)
        .bind::<BigInt, _>(seq)
        .bind::<Text, _>(marker)
        .bind::<BigInt, _>(i64::try_from(EVENTS).unwrap_or(i64::MAX))
        .load(connection)
        .map_err(from_diesel)?;
    let changes = rows.into_iter().map(|row| {
        Ok(Change {
            seq: row.seq,
            kind: row.kind.parse().ok(),
            user_id: row.user_id.map(|id| id.0),
            token_id: row.token_id.map(|id| id.0),
            prev_hash: digest("audit_events.prev_hash", row.prev_hash)?,
            hash: digest("audit_events.hash", row.hash)?,
            detail: row.detail,
        })
    });
    changes.collect()
}

/// The kinds of events that take something away, as a list of SQL.
pub(super) fn taking_kinds() -> String {
    let kinds = EventKind::ALL.iter().filter(|kind| kind.takes_away());
    kinds.map(|kind| format!("'{kind}'")).collect::<Vec<_>>().join(", ")
}

/// The nodes that have not acknowledged `seq`.
pub(super) fn silent(
    connection: &mut PgConnection,
    marker: &str,
    seq: i64,
) -> Result<Vec<SilentNode>, StoreError> {
    let query = format!("SELECT id, lease_ms FROM nodes WHERE acked_seq < $1 AND {}", check("$2"));
    sql_query(query).bind::<BigInt, _>(seq).bind::<Text, _>(marker).load(connection).map_err(from_diesel)
}

/// Removes a node that is gone, unless it has acknowledged `seq` by now.
pub(super) fn remove(
    connection: &mut PgConnection,
    marker: &str,
    node: Uuid,
    seq: i64,
) -> Result<(), StoreError> {
    let query = format!("DELETE FROM nodes WHERE id = $1 AND acked_seq < $2 AND {}", check("$3"));
    sql_query(query)
        .bind::<Id, _>(IdValue(node))
        .bind::<BigInt, _>(seq)
        .bind::<Text, _>(marker)
        .execute(connection)
        .map(drop)
        .map_err(from_diesel)
}

/// The check of the session, whose marker is the parameter `marker`.
fn check(marker: &str) -> String {
    session_check::check("current_setting('transaction_read_only') = 'on'", marker)
}
