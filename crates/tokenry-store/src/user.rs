//! Users: rows and queries.

use diesel::{dsl::count_star, prelude::*};
use tokenry_domain::{Subject, User, UserId, UserName};

use crate::{
    convert::{self, instant, instant_value, parsed},
    error::StoreError,
    filter::{SqlDialect, like},
    macros::{lock_row, on},
    schema::users,
    sql_types::{IdValue, InstantValue},
    tx::Tx,
};

/// Adds a user; [`StoreError::Conflict`] when the subject is taken.
///
/// # Errors
/// [`StoreError`].
pub fn insert(tx: &mut Tx<'_>, user: &User) -> Result<(), StoreError> {
    let row = UserRow::from(user);
    on!(tx, |c| diesel::insert_into(users::table).values(&row).execute(c))?;
    Ok(())
}

/// The user with this id.
///
/// # Errors
/// [`StoreError`].
pub fn find(tx: &mut Tx<'_>, id: UserId) -> Result<Option<User>, StoreError> {
    let query = users::table.find(IdValue(id.uuid()));
    on!(tx, |c| query.select(UserRow::as_select()).get_result(c).optional())?.map(User::try_from).transpose()
}

/// The users with these ids; unknown ids are left out.
///
/// # Errors
/// [`StoreError`].
pub fn find_all(tx: &mut Tx<'_>, ids: &[UserId]) -> Result<Vec<User>, StoreError> {
    let ids: Vec<IdValue> = ids.iter().map(|id| IdValue(id.uuid())).collect();
    let query = users::table.filter(users::id.eq_any(ids));
    let rows: Vec<UserRow> = on!(tx, |c| query.select(UserRow::as_select()).load(c))?;
    rows.into_iter().map(User::try_from).collect()
}

/// The user with this subject.
///
/// # Errors
/// [`StoreError`].
pub fn find_by_subject(tx: &mut Tx<'_>, subject: &Subject) -> Result<Option<User>, StoreError> {
    let query = users::table.filter(users::subject.eq(subject.as_str()));
    on!(tx, |c| query.select(UserRow::as_select()).get_result(c).optional())?.map(User::try_from).transpose()
}

/// The users with these subjects; unknown ones are left out.
///
/// # Errors
/// [`StoreError`].
pub fn find_by_subjects(tx: &mut Tx<'_>, subjects: &[&str]) -> Result<Vec<User>, StoreError> {
    let query = users::table.filter(users::subject.eq_any(subjects));
    let rows: Vec<UserRow> = on!(tx, |c| query.select(UserRow::as_select()).load(c))?;
    rows.into_iter().map(User::try_from).collect()
}

/// The user with this id, locked until the unit of work ends. A unit that checks before it changes a user or their tokens
/// begins with this lock.
///
/// # Errors
/// [`StoreError`].
pub fn lock(tx: &mut Tx<'_>, id: UserId) -> Result<Option<User>, StoreError> {
    lock_row!(tx, users::table.find(IdValue(id.uuid())), UserRow)?.map(User::try_from).transpose()
}

/// One page of users in the order of their creation, starting after `after`, and the total count. `search` is a part of
/// the subject or the name, ignoring ASCII case.
///
/// # Errors
/// [`StoreError`].
pub fn list(
    tx: &mut Tx<'_>,
    search: Option<&str>,
    after: Option<UserId>,
    limit: u16,
) -> Result<(Vec<User>, u64), StoreError> {
    let dialect = SqlDialect::of(tx);
    macro_rules! found {
        ($Db:ty) => {{
            let mut query = users::table.into_boxed::<$Db>();
            if let Some(text) = search {
                query = query.filter(like!(dialect, "subject", text).or(like!(dialect, "name", text)));
            }
            query
        }};
    }
    let rows: Vec<UserRow> = on!(tx, |c| {
        let mut query = found!(Db).order(users::id).limit(limit.into()).select(UserRow::as_select());
        if let Some(after) = after {
            query = query.filter(users::id.gt(IdValue(after.uuid())));
        }
        query.load(c)
    })?;
    let total: i64 = on!(tx, |c| found!(Db).select(count_star()).get_result(c))?;
    let users = rows.into_iter().map(User::try_from).collect::<Result<_, _>>()?;
    Ok((users, convert::count(total)))
}

/// Updates a user; `false` when there is no such user, [`StoreError::Conflict`] when the subject is taken.
///
/// # Errors
/// [`StoreError`].
pub fn update(tx: &mut Tx<'_>, user: &User) -> Result<bool, StoreError> {
    let row = UserRow::from(user);
    let changes = (
        users::subject.eq(row.subject),
        users::name.eq(row.name),
        users::role.eq(row.role),
        users::disabled_at.eq(row.disabled_at),
        users::updated_at.eq(row.updated_at),
        users::tokens_revoked_at.eq(row.tokens_revoked_at),
        users::claims_at.eq(row.claims_at),
        users::claims_after.eq(row.claims_after),
    );
    Ok(on!(tx, |c| diesel::update(users::table.find(row.id)).set(changes).execute(c))? == 1)
}

/// Deletes a user and, by the foreign key, all their tokens; `false` when there is no such user.
///
/// # Errors
/// [`StoreError`].
pub fn delete(tx: &mut Tx<'_>, id: UserId) -> Result<bool, StoreError> {
    let user = users::table.find(IdValue(id.uuid()));
    Ok(on!(tx, |c| diesel::delete(user).execute(c))? == 1)
}

#[derive(Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = users, treat_none_as_default_value = false)]
pub(crate) struct UserRow {
    id: IdValue,
    subject: String,
    name: String,
    role: String,
    disabled_at: Option<InstantValue>,
    created_at: InstantValue,
    updated_at: InstantValue,
    tokens_revoked_at: Option<InstantValue>,
    claims_at: Option<InstantValue>,
    claims_after: Option<InstantValue>,
}

impl From<&User> for UserRow {
    fn from(user: &User) -> Self {
        Self {
            id: IdValue(user.id.uuid()),
            subject: user.subject.as_str().to_owned(),
            name: user.name.as_str().to_owned(),
            role: user.role.as_str().to_owned(),
            disabled_at: instant_value(user.disabled_at),
            created_at: InstantValue(user.created_at),
            updated_at: InstantValue(user.updated_at),
            tokens_revoked_at: instant_value(user.tokens_revoked_at),
            claims_at: instant_value(user.claims_at),
            claims_after: instant_value(user.claims_after),
        }
    }
}

impl TryFrom<UserRow> for User {
    type Error = StoreError;

    fn try_from(row: UserRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: UserId::from_uuid(row.id.0),
            subject: Subject::from_stored(row.subject),
            name: UserName::from_stored(row.name),
            role: parsed("users.role", &row.role)?,
            disabled_at: instant(row.disabled_at),
            created_at: row.created_at.0,
            updated_at: row.updated_at.0,
            tokens_revoked_at: instant(row.tokens_revoked_at),
            claims_at: instant(row.claims_at),
            claims_after: instant(row.claims_after),
        })
    }
}
