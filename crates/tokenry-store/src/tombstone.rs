//! Tombstones of subjects whose users were deleted or renamed. They are kept forever, since the lifetime of a JWT issued
//! before is unknown.

use diesel::prelude::*;
use tokenry_domain::{Subject, UnixMillis, User};

use crate::{error::StoreError, macros::on, schema::former_subjects, sql_types::InstantValue, tx::Tx};

/// The tombstone of a subject that no user has any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubjectTombstone {
    /// When its user lost it.
    pub gone_at: UnixMillis,
    /// Whether its user was disabled at that instant.
    pub was_disabled: bool,
}

impl SubjectTombstone {
    /// The tombstone for a user who loses their subject at `at`.
    #[must_use]
    pub fn of(user: &User, at: UnixMillis) -> Self {
        Self { gone_at: at, was_disabled: user.is_disabled() }
    }
}

/// Stores the tombstone of a subject, replacing an older one.
///
/// # Errors
/// [`StoreError`].
pub fn insert(tx: &mut Tx<'_>, subject: &Subject, tombstone: SubjectTombstone) -> Result<(), StoreError> {
    let row = (
        former_subjects::subject.eq(subject.as_str()),
        former_subjects::gone_at.eq(InstantValue(tombstone.gone_at)),
        former_subjects::was_disabled.eq(tombstone.was_disabled),
    );
    on!(tx, |c| diesel::delete(former_subjects::table.find(subject.as_str())).execute(c))?;
    on!(tx, |c| diesel::insert_into(former_subjects::table).values(row).execute(c))?;
    Ok(())
}

/// The tombstone of a subject.
///
/// # Errors
/// [`StoreError`].
pub fn find(tx: &mut Tx<'_>, subject: &Subject) -> Result<Option<SubjectTombstone>, StoreError> {
    let query = former_subjects::table
        .find(subject.as_str())
        .select((former_subjects::gone_at, former_subjects::was_disabled));
    let row: Option<(InstantValue, bool)> = on!(tx, |c| query.get_result(c).optional())?;
    Ok(row.map(|(InstantValue(gone_at), was_disabled)| SubjectTombstone { gone_at, was_disabled }))
}

/// Records that a new user has the subject, who is not disabled. `gone_at` stays, since a JWT issued before it does not belong to the new user.
///
/// # Errors
/// [`StoreError`].
pub fn clear_disabled(tx: &mut Tx<'_>, subject: &Subject) -> Result<(), StoreError> {
    let row = former_subjects::table.find(subject.as_str());
    on!(tx, |c| diesel::update(row).set(former_subjects::was_disabled.eq(false)).execute(c))?;
    Ok(())
}
