//! Change, disable and remove users, and end all their tokens.

use serde_json::{Map, Value};
use tokenry_domain::{
    Catalog, EffectivePermissions, EventKind, Lifetime, Reason, Revocation, Role, Subject, TokenId, User,
    UserId, UserName,
};
use tokenry_store::{
    StoreError, Tx, token,
    tombstone::{self, SubjectTombstone},
    user,
};

use super::UserError;
use crate::{
    audit::{AuditContext, append, detail},
    caller::{Caller, RequestContext},
    caller_lock::CallerLock,
    denial::Denial,
    required::admin_write,
    session::end::Ending,
    tokenry::Tokenry,
};

/// What shall change about a user; `None` stays as it is.
#[derive(Debug, Clone, Default)]
pub struct UserChanges {
    /// Another id of the host system.
    pub subject: Option<String>,
    /// Another name.
    pub name: Option<String>,
    /// Another role: the ceiling of all their tokens from the next verification on.
    pub role: Option<Role>,
    /// Whether all their tokens shall be refused, from the next verification on, until they are enabled again.
    pub disabled: Option<bool>,
}

impl UserChanges {
    /// Only disable or enable.
    #[must_use]
    pub fn disabled(disabled: bool) -> Self {
        Self { disabled: Some(disabled), ..Self::default() }
    }

    /// Only another role.
    #[must_use]
    pub fn role(role: Role) -> Self {
        Self { role: Some(role), ..Self::default() }
    }
}

impl Tokenry {
    /// Changes a user, all that is asked or nothing.
    ///
    /// Whoever is no operator changes only users whose role allows nothing more than their own. A role that is raised, a
    /// subject that becomes somebody else's and a user who is enabled must not get more than the caller may do; and a
    /// token cannot change the role or the subject of its own owner.
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
                // What an issuer said before is no longer what counts.
                after.claims_after = after.claims_after.max(Some(at));
            }
            store(tx, &before, &after, &audit)?;
            Ok(after)
        });
        match changed {
            Err(UserError::Store(StoreError::Conflict(_))) => Err(UserError::SubjectTaken),
            changed => changed,
        }
    }

    /// Removes a user with all their tokens. The audit log keeps what it tells of them.
    ///
    /// They are disabled first, so that nothing of theirs works from then on; to remove their tokens and what these were
    /// used for may take many units of work. After an error they may be disabled and still there, with some tokens gone:
    /// to ask again finishes it.
    ///
    /// # Errors
    /// [`UserError`].
    pub fn delete_user(&self, context: &RequestContext, id: UserId) -> Result<(), UserError> {
        loop {
            let before = self.disable_to_delete(context, id)?;
            let tokens = self.0.store.read(|tx| token::ids_of(tx, id))?;
            self.drain_uses(&tokens)?;
            if self.delete_tokens(&before, &tokens)? && self.delete_disabled(context, before)? {
                return Ok(());
            }
        }
    }

    /// Lets nothing of a user work any more; how they were before.
    fn disable_to_delete(&self, context: &RequestContext, id: UserId) -> Result<User, UserError> {
        let audit = AuditContext::of(context);
        self.administer(context, id, move |tx, before| {
            if !before.is_disabled() {
                let at = audit.at;
                let after = User { disabled_at: Some(at), updated_at: at, ..before.clone() };
                store(tx, &before, &after, &audit)?;
            }
            Ok(before)
        })
    }

    /// Removes these tokens of a user who was disabled for that, in units so small that nobody waits long for one; `false` if
    /// it has to be decided again.
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

    /// Removes a user who was disabled for that; `false` if it has to be decided again.
    fn delete_disabled(&self, context: &RequestContext, before: User) -> Result<bool, UserError> {
        let audit = AuditContext::of(context);
        self.0.store.write(move |tx| {
            let user = user::lock(tx, before.id)?.ok_or(UserError::NotFound)?;
            // SECURITY: whether the caller may was decided when the user was disabled, and not again, since it may be the
            // caller. It holds for the user of then: not for one who was woken or given another role since.
            if !user.is_disabled() || user.role != before.role {
                return Ok(false);
            }
            user::delete(tx, user.id)?;
            let gone = User { disabled_at: before.disabled_at, ..user };
            tombstone::remember(tx, &gone.subject, SubjectTombstone::of(&gone, audit.at))?;
            let fields =
                detail([("subject", gone.subject.as_str().into()), ("role", gone.role.as_str().into())]);
            audit.record(tx, EventKind::UserDeleted, gone.id, None, fields)?;
            Ok(true)
        })
    }

    /// Ends every token of a user; how many there were. When this returns, none of them verifies again, and none that
    /// was asked for before comes into being.
    ///
    /// First the user is stamped, so that no creation of before comes through; then the tokens are ended in units so small
    /// that nobody waits long for one, each with its audit events. Each unit reads anew what is left, with what a token
    /// made while it waited for its own end. After an error some may be ended, and nothing else: to ask again ends the
    /// rest.
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
        // SECURITY: whether the caller may is decided here, and not again for the rest: it may be their own tokens that end.
        let (mut ended, mut is_more) = self.administer(context, id, move |tx, mut user| {
            // Never the same instant twice: a creation compares it with the one it saw.
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

    /// Runs `work` on a user who is locked and whom the caller may still change.
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
                caller.may_give(catalog, &user.role)?;
            }
            work(tx, user)
        })
    }
}

/// How many tokens one unit of work ends or removes.
const BATCH: u16 = 500;

/// Ends some tokens of a locked user that are not ended, and tells of each; how many, and whether there may be more.
fn revoke_part(
    tx: &mut Tx<'_>,
    user: UserId,
    audit: &AuditContext,
    revocation: &Revocation,
) -> Result<(usize, bool), StoreError> {
    let tokens = token::unrevoked(tx, user, BATCH)?;
    let is_more = tokens.len() >= usize::from(BATCH);
    let ended = token::revoke_all(tx, &tokens, revocation)?;
    let sessions = Ending::of_tokens(tx, &ended)?;
    let why = revocation.reason.as_ref().map_or(Value::Null, |reason| Value::from(reason.as_str()));
    let fields = detail([("reason", why), ("all", Value::Bool(true))]);
    let told = |id: &TokenId| audit.event(EventKind::TokenRevoked, Some(user), Some(*id), fields.clone());
    let mut events: Vec<_> = ended.iter().map(told).collect();
    events.extend(sessions.events(audit));
    append(tx, &events)?;
    Ok((ended.len(), is_more))
}

/// Refuses a change that makes somebody more than the caller may do.
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
    let is_woken = before.is_disabled() && !after.is_disabled();
    if is_raised || is_woken || before.subject != after.subject {
        caller.may_give(catalog, &after.role)?;
    }
    Ok(())
}

/// Writes a changed user and tells of it.
pub(crate) fn store(
    tx: &mut Tx<'_>,
    before: &User,
    after: &User,
    audit: &AuditContext,
) -> Result<(), UserError> {
    if before.subject != after.subject {
        tombstone::readmit(tx, &after.subject)?;
        tombstone::remember(tx, &before.subject, SubjectTombstone::of(before, audit.at))?;
    }
    if !user::update(tx, after)? {
        return Err(UserError::NotFound);
    }
    let sessions = if after.is_disabled() {
        Some(Ending::of_user(tx, after.id)?)
    } else if before.subject != after.subject {
        Some(Ending::of_person(tx, after.id)?)
    } else {
        None
    };
    let mut fields = Map::new();
    for (name, from, to) in [
        ("subject", before.subject.as_str(), after.subject.as_str()),
        ("name", before.name.as_str(), after.name.as_str()),
        ("role", before.role.as_str(), after.role.as_str()),
    ] {
        if from != to {
            fields.insert(name.to_owned(), Value::Object(detail([("from", from.into()), ("to", to.into())])));
        }
    }
    if !fields.is_empty() {
        audit.record(tx, EventKind::UserUpdated, after.id, None, fields)?;
    }
    match (before.is_disabled(), after.is_disabled()) {
        (false, true) => audit.record(tx, EventKind::UserDisabled, after.id, None, Map::new())?,
        (true, false) => audit.record(tx, EventKind::UserEnabled, after.id, None, Map::new())?,
        _ => {}
    }
    sessions.map_or(Ok(()), |sessions| Ok(sessions.tell(tx, audit)?))
}
