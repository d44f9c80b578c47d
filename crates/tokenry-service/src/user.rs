//! Users: find or create, list, disable, enable.

use serde_json::Value;
use thiserror::Error;
use tokenry_crypto::{RngError, SecretRng};
use tokenry_domain::{EventKind, Role, Scope, Subject, UnixMillis, User, UserId, UserName, text::TextError};
use tokenry_store::{StoreError, Tx, user};

use crate::{
    audit::{Signature, detail},
    caller::Call,
    denial::Denial,
    tokenry::Tokenry,
};

/// Why nothing was done about a user.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum UserError {
    /// The caller may not administer users.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// The subject is not one.
    #[error("the subject {0}")]
    Subject(TextError),
    /// The name is not one.
    #[error("the name {0}")]
    Name(TextError),
    /// No role of the catalog.
    #[error("there is no role {role}; there are {known}")]
    NoSuchRole {
        /// The role that was asked for.
        role: Role,
        /// The roles there are.
        known: String,
    },
    /// There is no such user.
    #[error("no such user")]
    NotFound,
    /// The operating system gave no randomness.
    #[error(transparent)]
    Randomness(#[from] RngError),
    /// The database did not answer; nothing was changed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a new user is called and may do.
#[derive(Debug, Clone, Default)]
pub struct NewUser {
    /// What people call them; the subject if left out.
    pub name: Option<String>,
    /// Their role; `user` if left out.
    pub role: Option<Role>,
}

impl Tokenry {
    /// The user with this subject, made now if there is none. A user who exists is returned as they are.
    ///
    /// # Errors
    /// [`UserError`].
    pub fn find_or_create_user(
        &self,
        call: &Call,
        subject: &str,
        new: Option<NewUser>,
    ) -> Result<User, UserError> {
        call.caller.require(&admin("write"))?;
        let subject = Subject::parse(subject).map_err(UserError::Subject)?;
        let NewUser { name, role } = new.unwrap_or_default();
        let name = name.unwrap_or_else(|| subject.as_str().chars().take(UserName::MAX).collect());
        let name = UserName::parse(name).map_err(UserError::Name)?;
        let role = role.unwrap_or_else(Role::user);
        self.known_role(&role)?;
        let id = UserId::new(call.now, SecretRng::os().bytes()?);
        let signature = Signature::of(call);
        let made = {
            let (signature, subject) = (signature, subject.clone());
            self.0.store.write(move |tx| {
                if let Some(user) = user::find_by_subject(tx, &subject)? {
                    return Ok(user);
                }
                let user = new_user(id, subject, name, role, signature.at);
                create(tx, &user, &signature)?;
                Ok::<_, StoreError>(user)
            })
        };
        match made {
            // Another node was faster.
            Err(StoreError::Conflict(_)) => self.find_user(call, subject.as_str()),
            made => Ok(made?),
        }
    }

    /// The user with this subject.
    ///
    /// # Errors
    /// [`UserError`].
    pub fn find_user(&self, call: &Call, subject: &str) -> Result<User, UserError> {
        call.caller.require(&admin("read"))?;
        let subject = Subject::parse(subject).map_err(UserError::Subject)?;
        self.0.store.read(|tx| user::find_by_subject(tx, &subject)?.ok_or(UserError::NotFound))
    }

    /// Users in the order in which they were first seen, at most `limit`, beginning after `after`.
    ///
    /// # Errors
    /// [`UserError`].
    pub fn list_users(&self, call: &Call, after: Option<UserId>, limit: u16) -> Result<Vec<User>, UserError> {
        call.caller.require(&admin("read"))?;
        Ok(self.0.store.read(|tx| user::list(tx, after, limit))?)
    }

    /// Makes every token of a user refuse, from the next verification on, until they are enabled again.
    ///
    /// # Errors
    /// [`UserError`].
    pub fn disable_user(&self, call: &Call, id: UserId) -> Result<User, UserError> {
        let now = call.now;
        self.change_user(call, id, EventKind::UserDisabled, move |user| {
            user.disabled_at = user.disabled_at.or(Some(now));
        })
    }

    /// Lets a user's tokens work again; those that were revoked or expired meanwhile stay so.
    ///
    /// # Errors
    /// [`UserError`].
    pub fn enable_user(&self, call: &Call, id: UserId) -> Result<User, UserError> {
        self.change_user(call, id, EventKind::UserEnabled, |user| user.disabled_at = None)
    }

    /// Gives a user another role, which is the ceiling of all their tokens from the next verification on.
    ///
    /// # Errors
    /// [`UserError`].
    pub fn set_user_role(&self, call: &Call, id: UserId, role: Role) -> Result<User, UserError> {
        self.known_role(&role)?;
        self.change_user(call, id, EventKind::UserUpdated, move |user| user.role = role)
    }

    fn change_user(
        &self,
        call: &Call,
        id: UserId,
        kind: EventKind,
        change: impl FnOnce(&mut User) + Send + 'static,
    ) -> Result<User, UserError> {
        call.caller.require(&admin("write"))?;
        let signature = Signature::of(call);
        self.0.store.write(move |tx| {
            let before = user::lock(tx, id)?.ok_or(UserError::NotFound)?;
            let mut after = before.clone();
            change(&mut after);
            if after == before {
                return Ok(after);
            }
            after.updated_at = signature.at;
            if !user::update(tx, &after)? {
                return Err(UserError::NotFound);
            }
            let mut fields = serde_json::Map::new();
            if before.role != after.role {
                let roles = [("from", before.role.as_str().into()), ("to", after.role.as_str().into())];
                fields.insert("role".to_owned(), Value::Object(detail(roles)));
            }
            signature.record(tx, kind, id, None, fields)?;
            Ok(after)
        })
    }

    fn known_role(&self, role: &Role) -> Result<(), UserError> {
        if self.0.catalog.has_role(role) {
            return Ok(());
        }
        let known = self.0.catalog.roles().map(Role::as_str).collect::<Vec<_>>().join(", ");
        Err(UserError::NoSuchRole { role: role.clone(), known })
    }
}

/// The scope that administering users needs.
fn admin(level: &str) -> Scope {
    Scope::Access { resource: "admin".to_owned(), level: level.to_owned() }
}

pub(crate) fn new_user(id: UserId, subject: Subject, name: UserName, role: Role, now: UnixMillis) -> User {
    User { id, subject, name, role, disabled_at: None, created_at: now, updated_at: now }
}

pub(crate) fn create(tx: &mut Tx<'_>, user: &User, signature: &Signature) -> Result<(), StoreError> {
    user::insert(tx, user)?;
    let fields = [("subject", user.subject.as_str().into()), ("role", user.role.as_str().into())];
    signature.record(tx, EventKind::UserCreated, user.id, None, detail(fields))
}
