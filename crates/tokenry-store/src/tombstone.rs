//! Subjects whose users were removed or renamed, for ever: nobody knows how long a JWT of theirs lasts.

use diesel::prelude::*;
use tokenry_domain::{Subject, UnixMillis, User};

use crate::{backend::Tx, error::StoreError, macros::on, schema::former_subjects, sql_types::InstantValue};

/// What is remembered of a subject that nobody has any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubjectTombstone {
    /// Since when.
    pub gone_at: UnixMillis,
    /// Whether its user was disabled then.
    pub was_disabled: bool,
}

impl SubjectTombstone {
    /// What is to be remembered of a user who loses their subject at `at`.
    #[must_use]
    pub fn of(user: &User, at: UnixMillis) -> Self {
        Self { gone_at: at, was_disabled: user.is_disabled() }
    }
}

/// Remembers that nobody has this subject any more.
///
/// # Errors
/// [`StoreError`].
pub fn remember(tx: &mut Tx<'_>, subject: &Subject, tombstone: SubjectTombstone) -> Result<(), StoreError> {
    let row = (
        former_subjects::subject.eq(subject.as_str()),
        former_subjects::gone_at.eq(InstantValue(tombstone.gone_at)),
        former_subjects::was_disabled.eq(tombstone.was_disabled),
    );
    on!(tx, |c| diesel::delete(former_subjects::table.find(subject.as_str())).execute(c))?;
    on!(tx, |c| diesel::insert_into(former_subjects::table).values(row).execute(c))?;
    Ok(())
}

/// What is remembered of a subject.
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

/// Notes that somebody has a subject again. Since when the one before is gone stays known: a JWT of that time does not
/// speak of the one who has it now.
///
/// # Errors
/// [`StoreError`].
pub fn readmit(tx: &mut Tx<'_>, subject: &Subject) -> Result<(), StoreError> {
    let row = former_subjects::table.find(subject.as_str());
    on!(tx, |c| diesel::update(row).set(former_subjects::was_disabled.eq(false)).execute(c))?;
    Ok(())
}
