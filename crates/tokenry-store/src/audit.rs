//! The audit log: an append-only chain in which the digest of every entry covers the previous digest.

use diesel::prelude::*;
use serde_json::Value;
use tokenry_domain::{AuditEvent, ClientInfo, EventKind, TokenId, UnixMillis, UserId};

use crate::{
    convert::{address, digest, object, parsed},
    database_errors::from_diesel,
    error::StoreError,
    instance,
    macros::on,
    schema::audit_events,
    sql_types::{DocumentValue, IdValue, InstantValue},
    tx::{AnyConnection, Appended, Tx},
};

/// An event and its position in the chain.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct AuditEntry {
    /// Its number, from 1, without gaps.
    pub seq: i64,
    /// The event.
    pub event: AuditEvent,
    /// The digest of the previous entry.
    pub prev_hash: [u8; 32],
    /// Its own digest.
    pub hash: [u8; 32],
}

/// The conditions of a list of entries; every condition that is set must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditFilter {
    /// Only events of this kind.
    pub kind: Option<EventKind>,
    /// Only events of this user.
    pub user_id: Option<UserId>,
    /// Only events of this token.
    pub token_id: Option<TokenId>,
    /// Only events at this instant or later.
    pub from: Option<UnixMillis>,
    /// Only events before this instant.
    pub to: Option<UnixMillis>,
}

impl AuditEntry {
    /// An entry with these parts.
    #[must_use]
    pub fn new(seq: i64, event: AuditEvent, prev_hash: [u8; 32], hash: [u8; 32]) -> Self {
        Self { seq, event, prev_hash, hash }
    }
}

impl AuditFilter {
    /// Only events of this kind; `None` removes the condition.
    #[must_use]
    pub fn kind(self, kind: impl Into<Option<EventKind>>) -> Self {
        Self { kind: kind.into(), ..self }
    }

    /// Only events of this user; `None` removes the condition.
    #[must_use]
    pub fn user(self, id: impl Into<Option<UserId>>) -> Self {
        Self { user_id: id.into(), ..self }
    }

    /// Only events of this token; `None` removes the condition.
    #[must_use]
    pub fn token(self, id: impl Into<Option<TokenId>>) -> Self {
        Self { token_id: id.into(), ..self }
    }

    /// Only events at this instant or later; `None` removes the condition.
    #[must_use]
    pub fn since(self, from: impl Into<Option<UnixMillis>>) -> Self {
        Self { from: from.into(), ..self }
    }

    /// Only events before this instant; `None` removes the condition.
    #[must_use]
    pub fn before(self, to: impl Into<Option<UnixMillis>>) -> Self {
        Self { to: to.into(), ..self }
    }
}

/// Computes the digest of an entry from the previous digest and the entry's canonical bytes.
pub type ChainHasher = fn(&[u8; 32], &[u8]) -> [u8; 32];

/// Rows per statement on PostgreSQL, where a statement has at most 65,535 parameters and a row 12.
#[cfg(feature = "postgres")]
const MAX_ROWS: usize = 1000;

/// Appends an event in the unit of work of the change that it records. The head of the chain is locked from then until the
/// unit ends, so the numbers have no gaps and follow the order of the commits.
///
/// # Errors
/// [`StoreError`].
pub fn append(tx: &mut Tx<'_>, event: &AuditEvent, link: ChainHasher) -> Result<(), StoreError> {
    append_all(tx, std::slice::from_ref(event), link)
}

/// Appends events in order, chained in memory, so that the head is read and written once. All other writers wait for the
/// head: a unit appends as late as possible, and all its events at once.
///
/// # Errors
/// [`StoreError`].
pub fn append_all(tx: &mut Tx<'_>, events: &[AuditEvent], link: ChainHasher) -> Result<(), StoreError> {
    if events.is_empty() {
        return Ok(());
    }
    let mut head = instance::lock_chain(tx)?;
    let mut rows = Vec::with_capacity(events.len());
    for event in events {
        let seq = head.seq + 1;
        let hash = link(&head.hash, &event.canonical_bytes(seq));
        rows.push(AuditRow::of(event, seq, head.hash, hash));
        head = instance::ChainHead { seq, hash };
    }
    match &mut tx.0 {
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(c) => {
            // The statement for a single row is cached; one for many rows would be prepared each time.
            for row in &rows {
                diesel::insert_into(audit_events::table)
                    .values(row)
                    .execute(&mut **c)
                    .map_err(from_diesel)?;
            }
        }
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(c) => match rows.as_slice() {
            [row] => {
                diesel::insert_into(audit_events::table)
                    .values(row)
                    .execute(&mut **c)
                    .map_err(from_diesel)?;
            }
            rows => {
                for chunk in rows.chunks(MAX_ROWS) {
                    diesel::insert_into(audit_events::table)
                        .values(chunk)
                        .execute(&mut **c)
                        .map_err(from_diesel)?;
                }
            }
        },
    }
    let is_change = events.iter().any(|event| event.kind.changes_rows());
    tx.1.is_replicated |= instance::advance_chain(tx, head, is_change)?;
    tx.1.appended = match tx.1.appended {
        _ if is_change => Appended::Change(head.seq),
        Appended::Change(_) => Appended::Change(head.seq),
        Appended::Nothing | Appended::NoChange => Appended::NoChange,
    };
    Ok(())
}

/// The entries after number `after` in the order of the chain, at most `limit`.
///
/// # Errors
/// [`StoreError`].
pub fn list(tx: &mut Tx<'_>, after: i64, limit: u16) -> Result<Vec<AuditEntry>, StoreError> {
    let query =
        audit_events::table.filter(audit_events::seq.gt(after)).order(audit_events::seq).limit(limit.into());
    let rows: Vec<AuditRow> = on!(tx, |c| query.select(AuditRow::as_select()).load(c))?;
    rows.into_iter().map(AuditEntry::try_from).collect()
}

/// The newest entries that match `filter`, newest first, at most `limit`, all with a number below `before`.
///
/// # Errors
/// [`StoreError`].
pub fn search(
    tx: &mut Tx<'_>,
    filter: &AuditFilter,
    before: Option<i64>,
    limit: u16,
) -> Result<Vec<AuditEntry>, StoreError> {
    let rows: Vec<AuditRow> = on!(tx, |c| {
        let mut query = audit_events::table.into_boxed::<Db>();
        if let Some(before) = before {
            query = query.filter(audit_events::seq.lt(before));
        }
        if let Some(kind) = filter.kind {
            query = query.filter(audit_events::kind.eq(kind.as_str()));
        }
        if let Some(id) = filter.user_id {
            query = query.filter(audit_events::user_id.eq(IdValue(id.uuid())));
        }
        if let Some(id) = filter.token_id {
            query = query.filter(audit_events::token_id.eq(IdValue(id.uuid())));
        }
        if let Some(from) = filter.from {
            query = query.filter(audit_events::at.ge(InstantValue(from)));
        }
        if let Some(to) = filter.to {
            query = query.filter(audit_events::at.lt(InstantValue(to)));
        }
        query.order(audit_events::seq.desc()).limit(limit.into()).select(AuditRow::as_select()).load(c)
    })?;
    rows.into_iter().map(AuditEntry::try_from).collect()
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = audit_events, treat_none_as_default_value = false)]
struct AuditRow {
    seq: i64,
    at: InstantValue,
    kind: String,
    actor: String,
    user_id: Option<IdValue>,
    token_id: Option<IdValue>,
    ip: Option<String>,
    user_agent: Option<String>,
    request_id: Option<String>,
    detail: DocumentValue,
    prev_hash: Vec<u8>,
    hash: Vec<u8>,
}

impl AuditRow {
    fn of(event: &AuditEvent, seq: i64, before: [u8; 32], hash: [u8; 32]) -> Self {
        Self {
            seq,
            at: InstantValue(event.at),
            kind: event.kind.as_str().to_owned(),
            actor: event.actor.to_string(),
            user_id: event.user_id.map(|id| IdValue(id.uuid())),
            token_id: event.token_id.map(|id| IdValue(id.uuid())),
            ip: event.client.ip.map(|ip| ip.to_string()),
            user_agent: event.client.user_agent().map(str::to_owned),
            request_id: event.client.request_id.clone(),
            detail: DocumentValue::new(&Value::Object(event.detail.clone())),
            prev_hash: before.to_vec(),
            hash: hash.to_vec(),
        }
    }
}

impl TryFrom<AuditRow> for AuditEntry {
    type Error = StoreError;

    fn try_from(row: AuditRow) -> Result<Self, StoreError> {
        let detail = object("audit_events.detail", &row.detail)?;
        let event = AuditEvent {
            at: row.at.0,
            kind: parsed("audit_events.kind", &row.kind)?,
            actor: parsed("audit_events.actor", &row.actor)?,
            user_id: row.user_id.map(|id| UserId::from_uuid(id.0)),
            token_id: row.token_id.map(|id| TokenId::from_uuid(id.0)),
            client: ClientInfo::new(
                address("audit_events.ip", row.ip.as_deref())?,
                row.user_agent.as_deref(),
                row.request_id,
            ),
            detail,
        };
        Ok(Self {
            seq: row.seq,
            event,
            prev_hash: digest("audit_events.prev_hash", row.prev_hash)?,
            hash: digest("audit_events.hash", row.hash)?,
        })
    }
}
