//! Updates, disables and deletes users, and revokes all their tokens.

use serde_json::Value;
use tokenry_domain::{
    Catalog, EffectivePermissions, EventKind, Lifetime, Reason, Revocation, Role, Subject, TokenId, User,
    UserId, UserName, optional_setters,
};
use tokenry_store::{
    StoreError, Tx, token,
    tombstone::{self, SubjectTombstone},
    user,
};

use super::{UserError, stored::store};
use crate::{
    audit::{AuditContext, append, detail},
    caller::{Caller, RequestContext},
    caller_lock::CallerLock,
    denial::Denial,
    required::admin_write,
    session::ended::EndedSessions,
    tokenry::Tokenry,
};

/// The changes of a user; `None` keeps the current value.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct UserChanges {
    /// The new subject.
    pub subject: Option<String>,
    /// The new name.
    pub name: Option<String>,
    /// The new role: the upper bound of all their tokens from the next verification on.
    pub role: Option<Role>,
    /// Disables the user, so that their tokens are rejected from the next verification on, or enables them again.
    pub disabled: Option<bool>,
}

impl UserChanges {
    optional_setters! {
        with_subject(subject: String),
        with_name(name: String),
        with_role(role: Role),
        with_disabled(disabled: bool),
    }
}

impl Tokenry {
    /// Updates a user atomically.
    ///
    /// Callers other than operators can only change users whose role allows no more than their own. Raising a role,
    /// changing a subject and enabling a user must not give more than the caller may do, and a token cannot change the
    /// role or the subject of its own owner.
    ///
    /// # Errors
    /// [`UserError`].
    pub fn update_user(
        &self,
        context: &RequestContext,
        id: UserId,
        changes: UserChanges,
    ) -> Result<User, UserError> {
        context.caller.require(&admin_write())?;
        if let Some(role) = &changes.role {
            self.known_role(role)?;
        }
        let subject = changes.subject.map(Subject::parse).transpose().map_err(UserError::Subject)?;
        let name = changes.name.map(UserName::parse).transpose().map_err(UserError::Name)?;
        let (role, disabled) = (changes.role, changes.disabled);
        let (at, audit) = (context.now, AuditContext::of(context));
        let (caller, rules) = (context.caller.clone(), self.0.rules.clone());
        let changed = self.administer(context, id, move |tx, before| {
            let mut after = before.clone();
            after.subject = subject.unwrap_or(after.subject);
            after.name = name.unwrap_or(after.name);
            after.role = role.unwrap_or(after.role);
            after.disabled_at = match disabled {
                None => before.disabled_at,
                Some(true) => before.disabled_at.or(Some(at)),
                Some(false) => None,
            };
            if after == before {
                return Ok(after);
            }
            may_change(&caller, &rules.catalog, &before, &after)?;
            after.updated_at = at;
            if before.role != after.role || before.subject != after.subject {
                // Claims that were issued before no longer apply.
                after.claims_after = after.claims_after.max(Some(at));
            }
            found(store(tx, &before, &after, &audit)?)?;
            Ok(after)
        });
        match changed {
            Err(UserError::Store(StoreError::Conflict(_))) => Err(UserError::SubjectTaken),
            changed => changed,
        }
    }

    /// Deletes a user with all their tokens. The audit log keeps its entries about them.
    ///
    /// The user is disabled first, so that their tokens are rejected from then on; deleting the tokens and their usage
    /// may take many transactions. After an error the user may be disabled with some tokens deleted; a repeated call
    /// completes the deletion.
    ///
    /// # Errors
    /// [`UserError`].
    pub fn delete_user(&self, context: &RequestContext, id: UserId) -> Result<(), UserError> {
        loop {
            let before = self.disable_to_delete(context, id)?;
            let tokens = self.0.store.read(|tx| token::ids_of(tx, id))?;
            self.delete_usage(&tokens)?;
            if self.delete_tokens(&before, &tokens)? && self.delete_disabled(context, before)? {
                return Ok(());
            }
        }
    }

    /// Disables a user, and returns their previous state.
    fn disable_to_delete(&self, context: &RequestContext, id: UserId) -> Result<User, UserError> {
        let audit = AuditContext::of(context);
        self.administer(context, id, move |tx, before| {
            if !before.is_disabled() {
                let at = audit.at;
                let after = User { disabled_at: Some(at), updated_at: at, ..before.clone() };
                found(store(tx, &before, &after, &audit)?)?;
            }
            Ok(before)
        })
    }

    /// Deletes these tokens of a disabled user in small transactions, so that other writers do not wait long. Returns
    /// `false` if the user changed and authorization has to be checked again.
    fn delete_tokens(&self, before: &User, tokens: &[TokenId]) -> Result<bool, UserError> {
        for part in tokens.chunks(BATCH.into()) {
            let (id, role, part) = (before.id, before.role.clone(), part.to_vec());
            let is_same = self.0.store.write(move |tx| {
                let user = user::lock(tx, id)?.ok_or(UserError::NotFound)?;
                let is_same = user.is_disabled() && user.role == role;
                if is_same {
                    token::delete_all(tx, &part)?;
                }
                Ok::<_, UserError>(is_same)
            })?;
            if !is_same {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Deletes a disabled user. Returns `false` if the user changed and authorization has to be checked again.
    fn delete_disabled(&self, context: &RequestContext, before: User) -> Result<bool, UserError> {
        let audit = AuditContext::of(context);
        self.0.store.write(move |tx| {
            let user = user::lock(tx, before.id)?.ok_or(UserError::NotFound)?;
            // SECURITY: the caller was authorized when the user was disabled, and is not re-checked, since the user may
            // be the caller. The authorization does not hold for a user who was enabled or given another role since.
            if !user.is_disabled() || user.role != before.role {
                return Ok(false);
            }
            user::delete(tx, user.id)?;
            let gone = User { disabled_at: before.disabled_at, ..user };
            tombstone::insert(tx, &gone.subject, SubjectTombstone::of(&gone, audit.at))?;
            let fields =
                detail([("subject", gone.subject.as_str().into()), ("role", gone.role.as_str().into())]);
            audit.record(tx, EventKind::UserDeleted, gone.id, None, fields)?;
            Ok(true)
        })
    }

    /// Revokes every token of a user and returns their number. After this returns, none of them verifies, and no
    /// creation that was requested before succeeds.
    ///
    /// First the instant is stored with the user, so that earlier creations fail; then the tokens are revoked in small
    /// transactions with their audit events, so that other writers do not wait long. Each transaction reads the
    /// remaining tokens again, including tokens that a not yet revoked token has created. After an error some may be
    /// revoked; a repeated call revokes the rest.
    ///
    /// # Errors
    /// [`UserError`].
    pub fn revoke_user_tokens(
        &self,
        context: &RequestContext,
        id: UserId,
        reason: Option<Reason>,
    ) -> Result<usize, UserError> {
        let audit = AuditContext::of(context);
        let revocation = Revocation { at: audit.at, by: audit.actor, reason };
        let (first, by) = (audit.clone(), revocation.clone());
        // SECURITY: authorization is checked here only, since the following transactions may revoke the caller's own
        // token.
        let (mut ended, mut is_more) = self.administer(context, id, move |tx, mut user| {
            // Never the same instant twice, since a creation compares it with the instant it saw.
            let next = user.tokens_revoked_at.and_then(|at| at.checked_add(Lifetime::millis_of(1)));
            user.tokens_revoked_at = next.max(Some(first.at));
            user::update(tx, &user)?;
            Ok(revoke_part(tx, id, &first, &by)?)
        })?;
        while is_more {
            let (audit, by) = (audit.clone(), revocation.clone());
            let part = self.0.store.write(move |tx| {
                user::lock(tx, id)?;
                revoke_part(tx, id, &audit, &by)
            })?;
            ended += part.0;
            is_more = part.1;
        }
        Ok(ended)
    }

    /// Locks a user, re-checks that the caller may change them, and runs `work`.
    fn administer<T: Send + 'static>(
        &self,
        context: &RequestContext,
        id: UserId,
        work: impl FnOnce(&mut Tx<'_>, User) -> Result<T, UserError> + Send + 'static,
    ) -> Result<T, UserError> {
        context.caller.require(&admin_write())?;
        let (rules, caller, now) = (self.0.rules.clone(), context.caller.clone(), context.now);
        self.0.store.write(move |tx| {
            let catalog = &rules.catalog;
            let (lock, user) = CallerLock::with(tx, &caller, id)?;
            let user = user.ok_or(UserError::NotFound)?;
            lock.recheck::<UserError>(tx, &rules.cutoffs(now))?;
            if caller.user().is_some_and(|own| !catalog.is_within(&user.role, &own.role)) {
                return Err(Denial::beyond_own_role(&user.role).into());
            }
            if caller.effective().is_some_and(EffectivePermissions::is_restricted) {
                caller.may_assign(catalog, &user.role)?;
            }
            work(tx, user)
        })
    }
}

/// How many tokens one transaction revokes or deletes.
const BATCH: u16 = 500;

/// Revokes and records up to one batch of tokens of a locked user. Returns their number, and whether there may be more.
fn revoke_part(
    tx: &mut Tx<'_>,
    user: UserId,
    audit: &AuditContext,
    revocation: &Revocation,
) -> Result<(usize, bool), StoreError> {
    let tokens = token::unrevoked(tx, user, BATCH)?;
    let is_more = tokens.len() >= usize::from(BATCH);
    let ended = token::revoke_all(tx, &tokens, revocation)?;
    let sessions = EndedSessions::of_tokens(tx, &ended)?;
    let why = revocation.reason.as_ref().map_or(Value::Null, |reason| Value::from(reason.as_str()));
    let fields = detail([("reason", why), ("all", Value::Bool(true))]);
    let mut events: Vec<_> = ended
        .iter()
        .map(|id| audit.event(EventKind::TokenRevoked, Some(user), Some(*id), fields.clone()))
        .collect();
    events.extend(sessions.events(audit));
    append(tx, &events)?;
    Ok((ended.len(), is_more))
}

/// Rejects a change that gives a user more than the caller may do.
fn may_change(caller: &Caller, catalog: &Catalog, before: &User, after: &User) -> Result<(), Denial> {
    let is_own_token = caller.token().is_some() && caller.user().is_some_and(|user| user.id == before.id);
    for (pointer, is_changed) in
        [("/role", before.role != after.role), ("/subject", before.subject != after.subject)]
    {
        if is_own_token && is_changed {
            let detail = "a token cannot change this of its owner; sign in to do that";
            return Err(Denial::beyond_caller(pointer, detail));
        }
    }
    let is_raised = before.role != after.role && !catalog.is_within(&after.role, &before.role);
    let is_enabled_again = before.is_disabled() && !after.is_disabled();
    if is_raised || is_enabled_again || before.subject != after.subject {
        caller.may_assign(catalog, &after.role)?;
    }
    Ok(())
}

/// The error of a user who is gone.
fn found(is_found: bool) -> Result<(), UserError> {
    if is_found { Ok(()) } else { Err(UserError::NotFound) }
}
