//! The single row of the table `instance`, which describes the whole installation.

use diesel::prelude::*;
use tokenry_domain::UnixMillis;

use crate::{
    convert::{digest, instant},
    database_errors::from_diesel,
    error::StoreError,
    macros::{lock_row, on},
    schema::instance,
    sql_types::InstantValue,
    tx::{AnyConnection, Tx},
};

/// The state of an installation.
#[derive(Clone)]
pub struct Instance {
    /// When the first token was seeded.
    pub bootstrapped_at: Option<UnixMillis>,
    /// Verifies that the configured pepper is the one used before.
    pub hash_key_check: Option<String>,
    /// The key that authenticates list cursors, shared by all nodes.
    pub cursor_key: Option<[u8; 32]>,
}

/// The newest entry of the audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainHead {
    /// Its number; 0 if there is no entry.
    pub seq: i64,
    /// Its digest; zeros if there is no entry.
    pub hash: [u8; 32],
}

/// Reads the row and locks it until the writing unit of work ends.
///
/// # Errors
/// [`StoreError`].
pub fn lock(tx: &mut Tx<'_>) -> Result<Instance, StoreError> {
    let row = locked(tx)?;
    Ok(Instance {
        bootstrapped_at: instant(row.bootstrapped_at),
        hash_key_check: row.hash_key_check,
        cursor_key: row.cursor_key.map(|key| digest("instance.cursor_key", key)).transpose()?,
    })
}

/// Updates the state of the installation.
///
/// # Errors
/// [`StoreError`].
pub fn update(tx: &mut Tx<'_>, changed: &Instance) -> Result<(), StoreError> {
    let changes = (
        instance::bootstrapped_at.eq(changed.bootstrapped_at.map(InstantValue)),
        instance::hash_key_check.eq(changed.hash_key_check.clone()),
        instance::cursor_key.eq(changed.cursor_key.map(|key| key.to_vec())),
    );
    on!(tx, |c| diesel::update(instance::table.find(1)).set(changes).execute(c))?;
    Ok(())
}

/// The newest entry of the audit log.
///
/// # Errors
/// [`StoreError`].
pub fn chain_head(tx: &mut Tx<'_>) -> Result<ChainHead, StoreError> {
    head(read(tx)?)
}

pub(crate) fn lock_chain(tx: &mut Tx<'_>) -> Result<ChainHead, StoreError> {
    head(locked(tx)?)
}

/// Stores the new head; `is_change` if one of the events up to it changed a row that a node may have in memory. Returns
/// whether the server waits for standbys.
pub(crate) fn advance_chain(tx: &mut Tx<'_>, to: ChainHead, is_change: bool) -> Result<bool, StoreError> {
    let head = (instance::chain_seq.eq(to.seq), instance::chain_head.eq(to.hash.to_vec()));
    let row = instance::table.find(1);
    let change = is_change.then_some(instance::change_seq.eq(to.seq));
    let update = diesel::update(row).set((head, change));
    match &mut tx.0 {
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(c) => update.execute(&mut **c).map(|_| false),
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(c) => {
            let setting = current_setting(SYNCHRONOUS_STANDBYS, true);
            let names = update.returning(setting).get_result::<Option<String>>(&mut **c);
            names.map(|names| names.is_some_and(|names| !names.is_empty()))
        }
    }
    .map_err(from_diesel)
}

/// The setting that names the standbys for which a commit waits. It is read with another query of each unit: a cluster
/// manager changes it at any time.
#[cfg(feature = "postgres")]
const SYNCHRONOUS_STANDBYS: &str = "synchronous_standby_names";

#[cfg(feature = "postgres")]
diesel::define_sql_function! {
    /// The value of a setting of the server.
    fn current_setting(name: diesel::sql_types::Text, is_missing_ok: diesel::sql_types::Bool) -> diesel::sql_types::Nullable<diesel::sql_types::Text>;
}

/// The number of the newest event that changed a row which a node may have in memory, for a unit that may have seen the
/// change and makes none; and whether the server waits for standbys.
///
/// SECURITY: the unit writes a mark into the log, so that its commit waits for the standbys too. After a restart an old
/// primary shows changes that no standby has.
#[cfg(feature = "postgres")]
pub(crate) fn seen_change_seq(tx: &mut Tx<'_>) -> Result<(i64, bool), StoreError> {
    #[derive(QueryableByName)]
    struct Seen {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        change_seq: i64,
        #[diesel(sql_type = diesel::sql_types::Bool)]
        is_replicated: bool,
    }
    let query = format!(
        "SELECT change_seq, CAST(pg_logical_emit_message(true, 'tokenry', '') AS text), \
         coalesce(current_setting('{SYNCHRONOUS_STANDBYS}', true), '') <> '' AS is_replicated FROM instance"
    );
    let seen: Seen = on!(tx, |c| diesel::sql_query(query).get_result(c))?;
    Ok((seen.change_seq, seen.is_replicated))
}

fn head(row: InstanceRow) -> Result<ChainHead, StoreError> {
    Ok(ChainHead { seq: row.chain_seq, hash: digest("instance.chain_head", row.chain_head)? })
}

fn locked(tx: &mut Tx<'_>) -> Result<InstanceRow, StoreError> {
    lock_row!(tx, instance::table.find(1), InstanceRow)?.ok_or_else(|| from_diesel(diesel::NotFound))
}

fn read(tx: &mut Tx<'_>) -> Result<InstanceRow, StoreError> {
    on!(tx, |c| instance::table.find(1).select(InstanceRow::as_select()).get_result(c))
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = instance)]
struct InstanceRow {
    bootstrapped_at: Option<InstantValue>,
    hash_key_check: Option<String>,
    cursor_key: Option<Vec<u8>>,
    chain_seq: i64,
    chain_head: Vec<u8>,
}
