//! The statements of the lease protocol. Each is one transaction and checks its session in the same request.

use diesel::{
    PgConnection, QueryableByName, RunQueryDsl, sql_query,
    sql_types::{BigInt, Integer, Text},
};
use tokenry_domain::EventKind;
use uuid::Uuid;

use crate::{
    convert::{corrupt, digest},
    database_errors::from_diesel,
    direct::{Direct, Unproven, Values},
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

/// Whether the server waits for standbys, as a text.
const WAITS_FOR_STANDBYS: &str =
    "CAST(coalesce(current_setting('synchronous_standby_names', true), '') <> '' AS text)";

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
pub(super) fn listen(connection: &mut Direct) -> Result<(), StoreError> {
    connection.run(&format!("LISTEN {CHANGE}; LISTEN {ROW}; LISTEN {ACKNOWLEDGED}"))
}

/// Registers a node at the current head and returns its id and the sequence that counts as acknowledged.
pub(super) fn register(connection: &mut Direct, lease_ms: i32) -> Result<(Uuid, i64), Unproven> {
    let statement = format!(
        "INSERT INTO nodes (id, acked_seq, lease_ms, version, address) \
         SELECT CAST(md5(random()::text || clock_timestamp()::text || pg_backend_pid()) AS uuid), chain_seq, \
         CAST($2 AS integer), $3, coalesce(host(inet_client_addr()), 'local') || ' pid ' || $4 FROM instance WHERE {} \
         RETURNING id, acked_seq",
        check("$1")
    );
    let process_id = std::process::id().to_string();
    let mut row =
        one(connection.query(&statement, &[&lease_ms.to_string(), env!("CARGO_PKG_VERSION"), &process_id])?)?;
    Ok((row.take("nodes.id")?, row.take("nodes.acked_seq")?))
}

/// Acknowledges every event up to `acked_seq`, renews the lease, and reads the current head. With `is_awaited` whoever
/// waits for acknowledgements is notified. An event that a restored database does not have is not acknowledged: another
/// one will get its number. A statement of a lost connection that runs late lowers nothing.
///
/// Without synchronous standbys it does not wait until the log is on disk: a crash of the server loses no registration,
/// and an acknowledgement that it loses is given again.
pub(super) fn renew(
    connection: &mut Direct,
    node: Uuid,
    acked_seq: i64,
    is_awaited: bool,
) -> Result<Renewal, Unproven> {
    let statement = format!(
        "WITH renewed AS (UPDATE nodes SET acked_seq = greatest(acked_seq, least(CAST($3 AS bigint), \
         (SELECT chain_seq FROM instance))), renewed_at = clock_timestamp() WHERE id = CAST($2 AS uuid) AND {} \
         RETURNING CASE WHEN CAST($4 AS boolean) THEN CAST(pg_notify('{ACKNOWLEDGED}', '') AS text) END) \
         SELECT CAST(EXISTS (SELECT 1 FROM renewed) AS text), chain_seq, encode(chain_head, 'hex'), change_seq, \
         (SELECT encode(hash, 'hex') FROM audit_events WHERE seq = CAST($3 AS bigint)), \
         CASE WHEN current_setting('synchronous_standby_names') = '' \
         THEN set_config('synchronous_commit', 'off', true) END FROM instance",
        check("$1")
    );
    let mut row = one(connection
        .query(&statement, &[&node.to_string(), &acked_seq.to_string(), &is_awaited.to_string()])?)?;
    let is_registered = row.take("nodes.id")?;
    let seq = row.take("instance.chain_seq")?;
    let hash = hex_digest("instance.chain_head", &row.take::<String>("instance.chain_head")?)?;
    let change_seq = row.take("instance.change_seq")?;
    let acked_hash: Option<String> = row.optional("audit_events.hash")?;
    let acked_hash = acked_hash.map(|hash| hex_digest("audit_events.hash", &hash)).transpose()?;
    Ok(Renewal { is_registered, head: ChainHead { seq, hash }, change_seq, acked_hash })
}

/// The events after `seq`, oldest first, and whether the server waits for standbys. An incomplete answer ends at the last
/// event that it has.
pub(super) fn events_after(connection: &mut Direct, seq: i64) -> Result<(Vec<Change>, bool), Unproven> {
    let statement = format!(
        "SELECT seq, kind, user_id, token_id, encode(prev_hash, 'hex'), encode(hash, 'hex'), \
         CASE WHEN kind IN ({}) THEN CAST(detail AS text) END, {WAITS_FOR_STANDBYS} \
         FROM audit_events WHERE seq > CAST($2 AS bigint) AND {} ORDER BY seq LIMIT {EVENTS}",
        taking_kinds(),
        check("$1")
    );
    let rows = connection.query(&statement, &[&seq.to_string()])?;
    let mut is_replicated = false;
    let changes = rows.into_iter().map(|mut row| {
        let change = Change {
            seq: row.take("audit_events.seq")?,
            kind: row.take::<String>("audit_events.kind")?.parse().ok(),
            user_id: row.optional("audit_events.user_id")?,
            token_id: row.optional("audit_events.token_id")?,
            prev_hash: hex_digest("audit_events.prev_hash", &row.take::<String>("audit_events.prev_hash")?)?,
            hash: hex_digest("audit_events.hash", &row.take::<String>("audit_events.hash")?)?,
            detail: row.optional("audit_events.detail")?,
        };
        is_replicated = row.take("synchronous_standby_names")?;
        Ok(change)
    });
    let changes = changes.collect::<Result<_, StoreError>>()?;
    Ok((changes, is_replicated))
}

/// The kinds of events that take something away, as a list of SQL.
pub(super) fn taking_kinds() -> String {
    let kinds = EventKind::ALL.iter().filter(|kind| kind.takes_away());
    kinds.map(|kind| format!("'{kind}'")).collect::<Vec<_>>().join(", ")
}

/// Commits a mark in the log, which changes nothing.
pub(super) fn mark(connection: &mut Direct) -> Result<(), Unproven> {
    let statement =
        format!("SELECT CAST(pg_logical_emit_message(true, 'tokenry', '') AS text) WHERE {}", check("$1"));
    Ok(one(connection.query(&statement, &[])?).map(drop)?)
}

/// Removes the row of a node that ends.
pub(super) fn leave(connection: &mut Direct, node: Uuid) -> Result<(), Unproven> {
    let statement = format!("DELETE FROM nodes WHERE id = CAST($2 AS uuid) AND {}", check("$1"));
    connection.query(&statement, &[&node.to_string()]).map(drop)
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

/// The only row.
fn one(rows: Vec<Values>) -> Result<Values, StoreError> {
    rows.into_iter().next().ok_or_else(|| corrupt("instance", "a row that must exist is missing"))
}

/// A digest from its hexadecimal form.
fn hex_digest(column: &str, text: &str) -> Result<[u8; 32], StoreError> {
    let pairs = (0..text.len())
        .step_by(2)
        .map(|at| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok()));
    let bytes: Option<Vec<u8>> = pairs.collect();
    digest(column, bytes.ok_or_else(|| corrupt(column, "no digest"))?)
}
