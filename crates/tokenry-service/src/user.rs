//! Finds, creates and lists users. Changes of users are in `change`.

pub(crate) mod change;
pub(crate) mod stored;

use serde_json::{Map, Value};
use thiserror::Error;
use tokenry_crypto::{RngError, SecretRng};
use tokenry_domain::{
    EventKind, PageSize, Role, Subject, UnixMillis, User, UserId, UserName, optional_setters, setters,
    text::TextError,
};
use tokenry_store::{
    StoreError, Tx,
    tombstone::{self, SubjectTombstone},
    user,
};

use crate::{
    audit::{AuditContext, detail},
    caller::RequestContext,
    caller_lock::CallerLock,
    denial::Denial,
    page::{CountedPage, Cursors, Forged, Page},
    required::{admin_read, admin_write},
    search::without_secret,
    tokenry::Tokenry,
};

/// Why an operation on users failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum UserError {
    /// The caller is not entitled.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// The subject is invalid.
    #[error("the subject {0}")]
    Subject(TextError),
    /// The name is invalid.
    #[error("the name {0}")]
    Name(TextError),
    /// The catalog has no such role.
    #[error("there is no role {role}; there are {known}")]
    NoSuchRole {
        /// The requested role.
        role: Role,
        /// The roles of the catalog.
        known: String,
    },
    /// There is no such user.
    #[error("no such user")]
    NotFound,
    /// Another user has this subject.
    #[error("there is a user with this subject already")]
    SubjectTaken,
    /// The cursor was not created by this installation for this caller and this query.
    #[error("the cursor does not belong to this list")]
    BadCursor,
    /// The operating system gave no randomness.
    #[error(transparent)]
    Randomness(#[from] RngError),
    /// The database failed; nothing was changed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Name, role and state of a new user.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct NewUser {
    /// The display name. Default: the subject.
    pub name: Option<String>,
    /// The role. Default: the lowest of the catalog.
    pub role: Option<Role>,
    /// Whether the user is disabled, so that their tokens are rejected until they are enabled.
    pub disabled: bool,
}

impl NewUser {
    setters! { with_disabled(disabled: bool) }

    optional_setters! { with_name(name: String), with_role(role: Role) }
}

/// One page of users.
pub type UserPage = CountedPage<User>;

impl Tokenry {
    /// Returns the user with this subject, and creates them if there is none. An existing user is not changed.
    ///
    /// # Errors
    /// [`UserError`].
    pub fn find_or_create_user(
        &self,
        context: &RequestContext,
        subject: &str,
        new: Option<NewUser>,
    ) -> Result<User, UserError> {
        match self.create_user(context, subject, new.unwrap_or_default()) {
            Err(UserError::SubjectTaken) => self.find_user_by_subject(context, subject),
            made => made,
        }
    }

    /// Creates a user. Callers other than operators can only assign the lowest role, or one that allows no more than
    /// they may.
    ///
    /// # Errors
    /// [`UserError::SubjectTaken`] if a user with this subject exists.
    pub fn create_user(
        &self,
        context: &RequestContext,
        subject: &str,
        new: NewUser,
    ) -> Result<User, UserError> {
        context.caller.require(&admin_write())?;
        let subject = Subject::parse(subject).map_err(UserError::Subject)?;
        let NewUser { name, role, disabled } = new;
        let name = name.unwrap_or_else(|| subject.as_str().chars().take(UserName::MAX).collect());
        let name = UserName::parse(name).map_err(UserError::Name)?;
        let role = role.unwrap_or_else(|| self.0.rules.catalog.default_role());
        self.known_role(&role)?;
        if role != self.0.rules.catalog.default_role() {
            context.caller.may_assign(&self.0.rules.catalog, &role)?;
        }
        let id = UserId::new(context.now, SecretRng::os().bytes()?);
        let (rules, context) = (self.0.rules.clone(), context.clone());
        let made = self.0.store.write(move |tx| {
            let (lock, _) = CallerLock::take(tx, &context.caller, &[])?;
            lock.recheck::<UserError>(tx, &rules.cutoffs(context.now))?;
            if user::find_by_subject(tx, &subject)?.is_some() {
                return Err(UserError::SubjectTaken);
            }
            // A deleted user who was disabled can only be recreated by a caller who could have enabled them in any
            // role.
            if let (Some(SubjectTombstone { was_disabled: true, .. }), Some(highest)) =
                (tombstone::find(tx, &subject)?, rules.catalog.roles().last())
            {
                context.caller.may_assign(&rules.catalog, highest)?;
            }
            tombstone::clear_disabled(tx, &subject)?;
            let mut user = new_user(id, subject, name, role, context.now);
            // Claims that were issued before do not apply.
            user.claims_after = Some(context.now);
            user.disabled_at = disabled.then_some(context.now);
            create(tx, &user, &AuditContext::of(&context))?;
            Ok(user)
        });
        match made {
            // Another node created the user first.
            Err(UserError::Store(StoreError::Conflict(_))) => Err(UserError::SubjectTaken),
            made => made,
        }
    }

    /// Returns the user with this subject.
    ///
    /// # Errors
    /// [`UserError`].
    pub fn find_user_by_subject(&self, context: &RequestContext, subject: &str) -> Result<User, UserError> {
        context.caller.require(&admin_read())?;
        let subject = Subject::parse(subject).map_err(UserError::Subject)?;
        // An embedding program may vouch for the user that it gets here.
        self.await_moment()?;
        self.0.store.read(|tx| user::find_by_subject(tx, &subject)?.ok_or(UserError::NotFound))
    }

    /// Returns the user with this id.
    ///
    /// # Errors
    /// [`UserError`].
    pub fn find_user(&self, context: &RequestContext, id: UserId) -> Result<User, UserError> {
        context.caller.require(&admin_read())?;
        self.await_moment()?;
        self.0.store.read(|tx| user::find(tx, id)?.ok_or(UserError::NotFound))
    }

    /// Returns one page of the users in order of creation; `search` matches a part of subject or name.
    ///
    /// # Errors
    /// [`UserError`].
    pub fn list_users(
        &self,
        context: &RequestContext,
        search: Option<&str>,
        size: PageSize,
        cursor: Option<&str>,
    ) -> Result<UserPage, UserError> {
        context.caller.require(&admin_read())?;
        let search = search.map(|text| without_secret(&self.0.prefixes, &self.0.shapes.current(), text));
        let search = search.as_deref();
        let cursors = Cursors::new(&self.0.cursor_key, &context.caller, "users", format_args!("{search:?}"));
        let after = cursors.position(cursor).map_err(|Forged| UserError::BadCursor)?;
        let (users, total) = self.0.store.read(|tx| user::list(tx, search, after, size.get() + 1))?;
        let Page { items, next_cursor } = Page::cut(users, size, &cursors, |last: &User| last.id);
        Ok(CountedPage { items, next_cursor, total })
    }

    pub(crate) fn known_role(&self, role: &Role) -> Result<(), UserError> {
        if self.0.rules.catalog.has_role(role) {
            return Ok(());
        }
        let known = self.0.rules.catalog.roles().map(Role::as_str).collect::<Vec<_>>().join(", ");
        Err(UserError::NoSuchRole { role: role.clone(), known })
    }
}

pub(crate) fn new_user(id: UserId, subject: Subject, name: UserName, role: Role, now: UnixMillis) -> User {
    User {
        id,
        subject,
        name,
        role,
        disabled_at: None,
        tokens_revoked_at: None,
        claims_at: None,
        claims_after: None,
        created_at: now,
        updated_at: now,
    }
}

pub(crate) fn create(tx: &mut Tx<'_>, user: &User, audit: &AuditContext) -> Result<(), StoreError> {
    user::insert(tx, user)?;
    audit.record(tx, EventKind::UserCreated, user.id, None, creation_detail(user))
}

/// The detail of the entry for a new user.
pub(crate) fn creation_detail(user: &User) -> Map<String, Value> {
    detail([
        ("subject", user.subject.as_str().into()),
        ("role", user.role.as_str().into()),
        ("disabled", user.is_disabled().into()),
    ])
}
