//! Tokens that other systems issued: their shapes, the runs of an import, and which row became which token.

mod activation;

use diesel::prelude::*;
use tokenry_domain::{ImportId, PublicId, TokenId, UnixMillis, UserId};

pub use self::activation::{activated_tokens, clear_inactive, finish, is_staged, mark_applied, unapplied};
#[cfg(feature = "postgres")]
use crate::lock_timeout::RenewLockTimeout;
use crate::{
    convert::{count as to_count, digest},
    database_errors::from_diesel,
    error::StoreError,
    macros::on,
    schema::{
        imported_tokens, imports, personal_access_tokens as tokens, retired_secrets, token_shapes, users,
    },
    sql_types::{IdValue, InstantValue},
    token::{self, ImportedToken},
    tx::{AnyConnection, Tx},
};

/// Rows per statement on PostgreSQL.
#[cfg(feature = "postgres")]
const MAX_ROWS: usize = 1000;
/// The digest of a run that is being discarded.
const DISCARDED: [u8; 32] = [0xff; 32];

/// A run of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportRun {
    /// Its id.
    pub id: ImportId,
    /// The digest of its rows: only the same rows resume it.
    pub digest: [u8; 32],
    /// When it began.
    pub begun_at: UnixMillis,
}

/// A token of an import, and the row that it comes from.
#[derive(Clone)]
pub struct ImportedRow {
    /// The id of the row in the other system.
    pub source_id: String,
    /// The token, inactive until the run is finished.
    pub import: ImportedToken,
    /// Whether it is active afterwards.
    pub is_active: bool,
}

/// The stored shapes.
///
/// # Errors
/// [`StoreError`].
pub fn shapes(tx: &mut Tx<'_>) -> Result<Vec<String>, StoreError> {
    let query = token_shapes::table.order((token_shapes::created_at, token_shapes::shape));
    Ok(on!(tx, |c| query.select(token_shapes::shape).load(c))?)
}

/// Stores a shape; a known one is kept.
///
/// # Errors
/// [`StoreError`].
pub fn insert_shape(tx: &mut Tx<'_>, shape: &str, now: UnixMillis) -> Result<(), StoreError> {
    let row = (token_shapes::shape.eq(shape), token_shapes::created_at.eq(InstantValue(now)));
    on!(tx, |c| diesel::insert_into(token_shapes::table).values(row).on_conflict_do_nothing().execute(c))?;
    Ok(())
}

/// The unfinished run of this source.
///
/// # Errors
/// [`StoreError`].
pub fn unfinished(tx: &mut Tx<'_>, source: &str) -> Result<Option<ImportRun>, StoreError> {
    let query = imports::table
        .filter(imports::source.eq(source))
        .filter(imports::finished_at.is_null())
        .select((imports::id, imports::digest, imports::begun_at));
    let row: Option<(IdValue, Vec<u8>, InstantValue)> = on!(tx, |c| query.get_result(c).optional())?;
    row.map(|(id, stored, begun_at)| {
        let digest = digest("imports.digest", stored)?;
        Ok(ImportRun { id: ImportId::from_uuid(id.0), digest, begun_at: begun_at.0 })
    })
    .transpose()
}

/// Begins a run; [`StoreError::Conflict`] while another one of this source is not finished.
///
/// # Errors
/// [`StoreError`].
pub fn begin(tx: &mut Tx<'_>, source: &str, run: &ImportRun) -> Result<(), StoreError> {
    let row = (
        imports::id.eq(IdValue(run.id.uuid())),
        imports::source.eq(source),
        imports::digest.eq(run.digest.to_vec()),
        imports::begun_at.eq(InstantValue(run.begun_at)),
    );
    on!(tx, |c| diesel::insert_into(imports::table).values(row).execute(c))?;
    Ok(())
}

/// A row of the other system that became a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredRow {
    /// The run that stored it.
    pub import: ImportId,
    /// Whether its token is as the run stored it: not changed, activated, revoked, rotated or deleted.
    pub is_untouched: bool,
}

/// Those of these rows of a source that became tokens.
///
/// # Errors
/// [`StoreError`].
pub fn find_imported(
    tx: &mut Tx<'_>,
    source: &str,
    source_ids: &[&str],
) -> Result<Vec<(String, StoredRow)>, StoreError> {
    let query = imported_tokens::table
        .left_join(
            tokens::table.on(tokens::id
                .eq(imported_tokens::token_id)
                .and(tokens::version.eq(1))
                .and(tokens::revoked_at.is_null())
                .and(tokens::inactive_at.is_not_null())),
        )
        .filter(imported_tokens::source.eq(source))
        .filter(imported_tokens::source_id.eq_any(source_ids))
        .select((imported_tokens::source_id, imported_tokens::import_id, tokens::id.nullable()));
    let rows: Vec<(String, IdValue, Option<IdValue>)> = on!(tx, |c| query.load(c))?;
    let row = |(id, import, untouched): (String, IdValue, Option<IdValue>)| {
        (id, StoredRow { import: ImportId::from_uuid(import.0), is_untouched: untouched.is_some() })
    };
    Ok(rows.into_iter().map(row).collect())
}

/// Locks a run until the unit of work ends, after the owners of its tokens. `false` if it is finished, was discarded or is
/// being discarded: its tokens must not be stored any more.
///
/// # Errors
/// [`StoreError`].
pub fn lock_unfinished(tx: &mut Tx<'_>, run: &ImportRun) -> Result<bool, StoreError> {
    let query = imports::table
        .filter(imports::id.eq(IdValue(run.id.uuid())))
        .filter(imports::digest.eq(run.digest.to_vec()))
        .filter(imports::finished_at.is_null())
        .select(imports::id);
    let found: Option<IdValue> = match &mut tx.0 {
        // The transaction already excludes all other writers.
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(c) => query.first(&mut **c).optional(),
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(c) => query.filter(RenewLockTimeout).for_update().first(&mut **c).optional(),
    }
    .map_err(from_diesel)?;
    Ok(found.is_some())
}

/// Begins to discard an unfinished run: it gets a digest that no file has, so no process stores further tokens of it or
/// finishes it. `false` if it is finished or was discarded.
///
/// # Errors
/// [`StoreError`].
pub fn begin_discard(tx: &mut Tx<'_>, run: ImportId) -> Result<bool, StoreError> {
    let row = imports::table.find(IdValue(run.uuid())).filter(imports::finished_at.is_null());
    let digest = imports::digest.eq(DISCARDED.to_vec());
    Ok(on!(tx, |c| diesel::update(row).set(digest).execute(c))? == 1)
}

/// Those of these public ids that a token or a retired secret has.
///
/// # Errors
/// [`StoreError`].
pub fn taken(tx: &mut Tx<'_>, public_ids: &[&str]) -> Result<Vec<PublicId>, StoreError> {
    let current = tokens::table.filter(tokens::public_id.eq_any(public_ids)).select(tokens::public_id);
    let retired = retired_secrets::table
        .filter(retired_secrets::public_id.eq_any(public_ids))
        .select(retired_secrets::public_id);
    let mut found: Vec<String> = on!(tx, |c| current.load(c))?;
    found.extend(on!(tx, |c| retired.load::<String>(c))?);
    Ok(found.into_iter().map(PublicId::from_stored).collect())
}

/// Locks these users in the order of their ids until the unit of work ends. Returns those that exist, each with the
/// instant at which all their tokens were last revoked.
///
/// # Errors
/// [`StoreError`].
pub fn lock_owners(tx: &mut Tx<'_>, ids: &[UserId]) -> Result<Vec<(UserId, Option<UnixMillis>)>, StoreError> {
    let ids: Vec<IdValue> = ids.iter().map(|id| IdValue(id.uuid())).collect();
    let query = users::table
        .filter(users::id.eq_any(ids))
        .order(users::id)
        .select((users::id, users::tokens_revoked_at));
    let found: Vec<(IdValue, Option<InstantValue>)> = match &mut tx.0 {
        // The transaction already excludes all other writers.
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(c) => query.load(&mut **c),
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(c) => query.filter(RenewLockTimeout).for_update().load(&mut **c),
    }
    .map_err(from_diesel)?;
    let owner = |(IdValue(id), revoked_at): (IdValue, Option<InstantValue>)| {
        (UserId::from_uuid(id), revoked_at.map(|InstantValue(at)| at))
    };
    Ok(found.into_iter().map(owner).collect())
}

/// Stores tokens of a run; [`StoreError::Conflict`] when a row was imported before, a public id is taken or an owner does
/// not exist.
///
/// # Errors
/// [`StoreError`].
pub fn insert(
    tx: &mut Tx<'_>,
    source: &str,
    run: ImportId,
    rows: Vec<ImportedRow>,
) -> Result<(), StoreError> {
    let origin = |row: &ImportedRow| ImportedTokenRow {
        source: source.to_owned(),
        source_id: row.source_id.clone(),
        token_id: IdValue(row.import.token.id.uuid()),
        import_id: IdValue(run.uuid()),
        is_active: row.is_active,
    };
    let origins: Vec<_> = rows.iter().map(origin).collect();
    let imports: Vec<ImportedToken> = rows.into_iter().map(|row| row.import).collect();
    token::insert_many(tx, &imports)?;
    match &mut tx.0 {
        #[cfg(feature = "sqlite")]
        AnyConnection::Sqlite(c) => {
            // The statement for a single row is cached; one for many rows would be prepared each time.
            for row in &origins {
                diesel::insert_into(imported_tokens::table)
                    .values(row)
                    .execute(&mut **c)
                    .map_err(from_diesel)?;
            }
        }
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(c) => {
            for rows in origins.chunks(MAX_ROWS) {
                diesel::insert_into(imported_tokens::table)
                    .values(rows)
                    .execute(&mut **c)
                    .map_err(from_diesel)?;
            }
        }
    }
    Ok(())
}

/// The untouched tokens of a run and the users that own them, at most `limit`. A token that was changed, revoked or
/// deleted meanwhile is left out: it stays known as imported.
///
/// # Errors
/// [`StoreError`].
pub fn untouched_tokens(
    tx: &mut Tx<'_>,
    run: ImportId,
    limit: u16,
) -> Result<Vec<(TokenId, UserId)>, StoreError> {
    let query = imported_tokens::table
        .inner_join(tokens::table.on(tokens::id.eq(imported_tokens::token_id)))
        .filter(imported_tokens::import_id.eq(IdValue(run.uuid())))
        .filter(tokens::version.eq(1))
        .filter(tokens::revoked_at.is_null())
        .filter(tokens::inactive_at.is_not_null())
        .limit(limit.into())
        .select((imported_tokens::token_id, tokens::user_id));
    let rows: Vec<(IdValue, IdValue)> = on!(tx, |c| query.load(c))?;
    let ids = |(token, owner): (IdValue, IdValue)| (TokenId::from_uuid(token.0), UserId::from_uuid(owner.0));
    Ok(rows.into_iter().map(ids).collect())
}

/// The number of rows of a run of this source that became tokens.
///
/// # Errors
/// [`StoreError`].
pub fn count(tx: &mut Tx<'_>, source: &str, run: ImportId) -> Result<u64, StoreError> {
    let rows = imported_tokens::table
        .filter(imported_tokens::source.eq(source))
        .filter(imported_tokens::import_id.eq(IdValue(run.uuid())));
    let count: i64 = on!(tx, |c| rows.count().get_result(c))?;
    Ok(to_count(count))
}

/// Deletes those of these tokens of an unfinished run that are untouched, and what is known of their rows. The unit of
/// work holds the locks of their owners, under which tokens are changed.
///
/// # Errors
/// [`StoreError`].
pub fn discard(tx: &mut Tx<'_>, run: ImportId, ids: &[TokenId]) -> Result<(), StoreError> {
    token::delete_all(tx, ids)?;
    let ids: Vec<IdValue> = ids.iter().map(|id| IdValue(id.uuid())).collect();
    let rows = imported_tokens::table
        .filter(imported_tokens::import_id.eq(IdValue(run.uuid())))
        .filter(imported_tokens::token_id.eq_any(ids));
    on!(tx, |c| diesel::delete(rows).execute(c))?;
    Ok(())
}

/// Forgets an unfinished run without tokens; `false` if it was forgotten before.
///
/// # Errors
/// [`StoreError`].
pub fn forget(tx: &mut Tx<'_>, run: ImportId) -> Result<bool, StoreError> {
    let row = imports::table.find(IdValue(run.uuid())).filter(imports::finished_at.is_null());
    Ok(on!(tx, |c| diesel::delete(row).execute(c))? == 1)
}

// Without default values, so that the statement for one row is always the same and is cached.
#[derive(Insertable)]
#[diesel(table_name = imported_tokens, treat_none_as_default_value = false)]
struct ImportedTokenRow {
    source: String,
    source_id: String,
    token_id: IdValue,
    import_id: IdValue,
    is_active: bool,
}
