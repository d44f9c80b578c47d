//! The activation of the tokens of a run.
//!
//! One change of the run's row activates all of them ([`InactiveAt`](crate::token::inactivity::InactiveAt)). The column
//! `inactive_at` of each is cleared afterwards in short units, so that reads no longer look at the run.

use diesel::prelude::*;
use tokenry_domain::{ImportId, TokenId, UnixMillis};

use super::ImportRun;
use crate::{
    convert::{id_values, token_ids},
    error::StoreError,
    macros::on,
    schema::{imported_tokens, imports, personal_access_tokens as tokens},
    sql_types::{IdValue, InstantValue},
    tx::Tx,
};

/// Finishes a run, which activates all its tokens at once, except for those that were changed meanwhile. `false` if it was
/// finished before, or is being discarded.
///
/// # Errors
/// [`StoreError`].
pub fn finish(tx: &mut Tx<'_>, run: &ImportRun, now: UnixMillis) -> Result<bool, StoreError> {
    let row = imports::table
        .find(IdValue(run.id.uuid()))
        .filter(imports::digest.eq(run.digest.to_vec()))
        .filter(imports::finished_at.is_null());
    let finished = imports::finished_at.eq(Some(InstantValue(now)));
    Ok(on!(tx, |c| diesel::update(row).set(finished).execute(c))? == 1)
}

/// The finished runs that have not cleared `inactive_at` of all their tokens.
///
/// # Errors
/// [`StoreError`].
pub fn unapplied(tx: &mut Tx<'_>) -> Result<Vec<ImportId>, StoreError> {
    let query = imports::table
        .filter(imports::finished_at.is_not_null())
        .filter(imports::applied_at.is_null())
        .select(imports::id);
    let ids: Vec<IdValue> = on!(tx, |c| query.load(c))?;
    Ok(ids.into_iter().map(|id| ImportId::from_uuid(id.0)).collect())
}

/// All tokens that a run has activated, in the order of their ids, whatever became of them since.
///
/// # Errors
/// [`StoreError`].
pub fn activated_tokens(tx: &mut Tx<'_>, run: ImportId) -> Result<Vec<TokenId>, StoreError> {
    // By the source, with which the primary key begins, and without the tokens: what it costs does not depend on how many
    // rows other imports have.
    let source = imports::table.filter(imports::id.eq(IdValue(run.uuid()))).select(imports::source);
    let query = imported_tokens::table
        .filter(imported_tokens::source.eq_any(source))
        .filter(imported_tokens::import_id.eq(IdValue(run.uuid())))
        .filter(imported_tokens::is_active)
        .select(imported_tokens::token_id);
    let ids: Vec<IdValue> = on!(tx, |c| query.load(c))?;
    let mut ids = token_ids(ids);
    ids.sort_unstable();
    Ok(ids)
}

/// Clears `inactive_at` of these tokens of a finished run, unless it is cleared or somebody has changed them. Returns of how
/// many.
///
/// # Errors
/// [`StoreError`].
pub fn clear_inactive(tx: &mut Tx<'_>, ids: &[TokenId]) -> Result<usize, StoreError> {
    let activated = tokens::table
        .filter(tokens::id.eq_any(id_values(ids)))
        .filter(tokens::version.eq(1))
        .filter(tokens::inactive_at.is_not_null());
    let cleared = tokens::inactive_at.eq(None::<InstantValue>);
    Ok(on!(tx, |c| diesel::update(activated).set(cleared).execute(c))?)
}

/// Records that `inactive_at` of all tokens of a finished run is cleared.
///
/// # Errors
/// [`StoreError`].
pub fn mark_applied(tx: &mut Tx<'_>, run: ImportId, now: UnixMillis) -> Result<(), StoreError> {
    let row = imports::table.find(IdValue(run.uuid())).filter(imports::finished_at.is_not_null());
    let applied = imports::applied_at.eq(Some(InstantValue(now)));
    on!(tx, |c| diesel::update(row).set(applied).execute(c))?;
    Ok(())
}

/// Whether a token belongs to a run that is not finished, or has not cleared `inactive_at` of all its tokens.
///
/// # Errors
/// [`StoreError`].
pub fn is_staged(tx: &mut Tx<'_>, id: TokenId) -> Result<bool, StoreError> {
    let unapplied = imports::table.filter(imports::applied_at.is_null()).select(imports::id);
    let query = imported_tokens::table
        .filter(imported_tokens::token_id.eq(IdValue(id.uuid())))
        .filter(imported_tokens::import_id.eq_any(unapplied))
        .select(imported_tokens::import_id);
    let found: Option<IdValue> = on!(tx, |c| query.first(c).optional())?;
    Ok(found.is_some())
}
