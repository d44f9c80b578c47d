//! Updates tokens under the same policy as creating them.

use serde_json::{Map, Value};
use thiserror::Error;
use tokenry_domain::{
    Description, EventKind, Expiry, Metadata, Token, TokenId, TokenName, UnixMillis, User, grant::is_wider,
    optional_setters,
};
use tokenry_store::{StoreError, Tx, import, retired, token, usage::scopes};

use crate::{
    audit::AuditContext,
    caller::RequestContext,
    caller_lock::CallerLock,
    denial::Denial,
    field::{FieldError, FieldErrors},
    required::tokens_write,
    rules::Rules,
    session::ended::EndedSessions,
    token_difference::difference,
    tokenry::Tokenry,
    validated_request::{checked_expiry, checked_ips, checked_scopes},
};

/// The changes of a token; `None` keeps the current value.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct TokenChanges {
    /// The new name.
    pub name: Option<String>,
    /// The new description, or none.
    pub description: Option<Option<String>>,
    /// The new scopes.
    pub scopes: Option<Vec<String>>,
    /// The new expiry.
    pub expiry: Option<Expiry>,
    /// The new addresses; the empty list allows any address.
    pub allowed_ips: Option<Vec<String>>,
    /// The new metadata.
    pub metadata: Option<Map<String, Value>>,
    /// Pauses or resumes the token.
    pub switch: Option<Activation>,
    /// Updates only if the token has one of these versions.
    pub if_version: Option<Vec<i64>>,
}

impl TokenChanges {
    optional_setters! {
        with_name(name: String),
        with_description(description: Option<String>),
        with_scopes(scopes: Vec<String>),
        with_expiry(expiry: Expiry),
        with_allowed_ips(allowed_ips: Vec<String>),
        with_metadata(metadata: Map<String, Value>),
        with_switch(switch: Activation),
        with_if_version(if_version: Vec<i64>),
    }
}

/// Pauses or resumes a token. There is no third state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// Resumes the token.
    Active,
    /// Pauses the token: it is rejected until it is resumed.
    Inactive,
}

/// Why a token was not updated.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum UpdateError {
    /// The caller is not entitled.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// Fields are invalid.
    #[error("invalid fields")]
    Invalid(Vec<FieldError>),
    /// There is no such token, or it belongs to another user; callers cannot tell which.
    #[error("no such token")]
    NotFound,
    /// A revoked token cannot be updated.
    #[error("the token is revoked")]
    Revoked,
    /// An expired token cannot get more time.
    #[error("the token has expired")]
    Expired,
    /// The token has another version than the update requires.
    #[error("the token was changed meanwhile; its version is {version}")]
    VersionMismatch {
        /// The version now.
        version: i64,
    },
    /// The database failed; nothing was changed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Tokenry {
    /// Updates attributes of a token atomically.
    ///
    /// A caller with a token can only narrow the target: no more scopes, time or addresses than it has now. Other
    /// callers can widen it within the policy and the owner's role.
    ///
    /// # Errors
    /// [`UpdateError`].
    pub fn update_token(
        &self,
        context: &RequestContext,
        id: TokenId,
        changes: TokenChanges,
    ) -> Result<(Token, User), UpdateError> {
        context.caller.require(&tokens_write())?;
        let (rules, context) = (self.0.rules.clone(), context.clone());
        self.0.store.write(move |tx| update(tx, &rules, &context, id, changes))
    }
}

fn update(
    tx: &mut Tx<'_>,
    rules: &Rules,
    context: &RequestContext,
    id: TokenId,
    changes: TokenChanges,
) -> Result<(Token, User), UpdateError> {
    let (now, audit) = (context.now, AuditContext::of(context));
    let cutoffs = rules.cutoffs(now);
    let found = token::find(tx, id)?.filter(|token| context.caller.may_manage(token.user_id));
    let owner_id = found.ok_or(UpdateError::NotFound)?.user_id;
    let (lock, owner) = CallerLock::with(tx, &context.caller, owner_id)?;
    let owner = owner.ok_or(UpdateError::NotFound)?;
    lock.recheck::<UpdateError>(tx, &cutoffs)?;
    let before = token::lock(tx, id)?.ok_or(UpdateError::NotFound)?;
    if changes.if_version.as_ref().is_some_and(|versions| !versions.contains(&before.version)) {
        return Err(UpdateError::VersionMismatch { version: before.version });
    }
    if before.revoked.is_some() {
        return Err(UpdateError::Revoked);
    }
    let is_pause = changes.switch == Some(Activation::Inactive);
    let mut after = changed(rules, &before, changes, now)?;
    rules.check_change(&context.caller, &owner, &before, &after)?;
    // A staged token is inactive already: its new version keeps the import from activating it.
    if after == before && !(is_pause && import::is_staged(tx, id)?) {
        return Ok((before, owner));
    }
    after.version = before.version + 1;
    after.updated_at = now;
    if !token::update(tx, &after)? {
        return Err(UpdateError::VersionMismatch { version: before.version });
    }
    if after.scopes != before.scopes {
        scopes::keep_only(tx, id, &after.scopes)?;
    }
    if is_wider(&rules.catalog, &after, &before) {
        retired::end_grace(tx, id, now)?;
    }
    let sessions = match after.inactive_at {
        Some(_) => Some(EndedSessions::of_token(tx, id)?),
        None => None,
    };
    audit.record(tx, EventKind::TokenUpdated, owner.id, Some(id), difference(&before, &after))?;
    if let Some(sessions) = sessions {
        sessions.record(tx, &audit)?;
    }
    Ok((after, owner))
}

/// The token with its changes, each checked by the rules of its field.
fn changed(
    rules: &Rules,
    before: &Token,
    changes: TokenChanges,
    now: UnixMillis,
) -> Result<Token, UpdateError> {
    // A later expiry does not reactivate a token that expired by being idle.
    if changes.expiry.is_some() && rules.cutoffs(now).is_expired(before) {
        return Err(UpdateError::Expired);
    }
    let mut errors = FieldErrors::default();
    let mut after = before.clone();
    if let Some(name) = changes.name.and_then(|n| errors.check("/name", "invalid_name", TokenName::parse(n)))
    {
        after.name = name;
    }
    match changes.description {
        None => {}
        Some(None) => after.description = None,
        Some(Some(text)) => {
            after.description = errors.check("/description", "invalid_description", Description::parse(text));
        }
    }
    if let Some(scopes) = changes.scopes.and_then(|s| checked_scopes(&mut errors, &rules.catalog, &s)) {
        after.scopes = scopes;
    }
    if let Some(asked) = changes.expiry {
        let decided = rules.policy.expires_at(asked, before.secret_at, now);
        if let Some(end) = checked_expiry(&mut errors, decided) {
            after.expires_at = end;
            // The token has not expired, so an expiry recorded under an earlier policy is cleared.
            after.expiry_noted_at = None;
        }
        if let (Some(from), Some(end)) = (after.not_before, after.expires_at)
            && from >= end
        {
            errors.push(FieldError::new(
                "/expires_at",
                "before_start",
                "must be after the start of validity",
            ));
        }
    }
    if let Some(ips) = changes.allowed_ips.and_then(|ips| checked_ips(&mut errors, &ips)) {
        after.allowed_ips = ips;
    }
    let metadata = changes.metadata.map(Metadata::parse);
    if let Some(metadata) = metadata.and_then(|m| errors.check("/metadata", "invalid_metadata", m)) {
        after.metadata = metadata;
    }
    after.inactive_at = match changes.switch {
        None => before.inactive_at,
        Some(Activation::Active) => None,
        Some(Activation::Inactive) => before.inactive_at.or(Some(now)),
    };
    errors.finish().map_err(UpdateError::Invalid)?;
    Ok(after)
}
