//! Creates tokens within policy.

use thiserror::Error;
use tokenry_crypto::{PlainToken, RngError};
use tokenry_domain::{EventKind, Limits, Policy, Token, TokenId, UnixMillis, User, UserId};
use tokenry_store::{StoreError, Tx, token, user};

pub use crate::validated_request::NewToken;
use crate::{
    audit::{AuditContext, creation_detail},
    caller::RequestContext,
    caller_lock::CallerLock,
    denial::Denial,
    field::FieldError,
    generated_secret::{GenerateError, GeneratedSecret},
    required::tokens_write,
    rules::Rules,
    tokenry::Tokenry,
    validated_request::ValidatedRequest,
};

/// A new token and its secret, which is stored nowhere.
#[non_exhaustive]
pub struct Issued {
    /// The token.
    pub token: Token,
    /// Its owner.
    pub owner: User,
    /// Its plaintext, to be shown once.
    pub secret: PlainToken,
}

/// Why a token was not created.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IssueError {
    /// The caller is not entitled.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// Fields are invalid.
    #[error("invalid fields")]
    Invalid(Vec<FieldError>),
    /// There is no such owner.
    #[error("no such user")]
    NoSuchUser,
    /// The owner is disabled.
    #[error("the user is disabled")]
    OwnerDisabled,
    /// All tokens of the owner were revoked during this creation.
    #[error("all tokens of the user were revoked meanwhile")]
    RevokedMeanwhile,
    /// The owner has the maximum number of live tokens.
    #[error("the limit of {limit} live tokens is reached")]
    TokenLimitReached {
        /// The limit.
        limit: u32,
    },
    /// The owner has created the maximum number of tokens within the last hour.
    #[error("the limit of {limit} new tokens an hour is reached")]
    CreationRateReached {
        /// The limit.
        limit: u32,
        /// When the next one is allowed.
        resets_at: UnixMillis,
    },
    /// Too many secrets wait to be hashed; no token was created.
    #[error("too many creations are waiting")]
    Busy,
    /// The operating system gave no randomness.
    #[error(transparent)]
    Randomness(#[from] RngError),
    /// The database failed; no token was created.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<GenerateError> for IssueError {
    fn from(error: GenerateError) -> Self {
        match error {
            GenerateError::Busy => Self::Busy,
            GenerateError::Randomness(error) => Self::Randomness(error),
        }
    }
}

impl Tokenry {
    /// Creates a token for `owner`. A caller with a token can only create tokens without more scopes, time or addresses
    /// than their own. The limits are exact under concurrent calls on any number of nodes.
    ///
    /// # Errors
    /// [`IssueError`].
    pub fn issue_token(
        &self,
        context: &RequestContext,
        owner: UserId,
        new: NewToken,
    ) -> Result<Issued, IssueError> {
        context.caller.require(&tokens_write())?;
        if !context.caller.may_manage(owner) {
            return Err(IssueError::NoSuchUser);
        }
        let request = ValidatedRequest::check(&self.0.rules.policy, &self.0.rules.catalog, context, new)
            .map_err(IssueError::Invalid)?;
        // The transaction checks the limits exactly; this check avoids a hash for a request that would fail.
        let seen = self.0.store.read(|tx| {
            check_limits(tx, &self.0.rules.policy, owner, context.now)?;
            Ok::<_, IssueError>(user::find(tx, owner)?.and_then(|owner| owner.tokens_revoked_at))
        })?;
        // The caller was admitted before this read: a revocation of all tokens since then takes precedence over this
        // creation.
        let revoked_at = context.caller.user().map_or(seen, |user| user.tokens_revoked_at);
        // A public id that is taken is generated again; three collisions in a row mean a broken random generator.
        for _ in 0..3 {
            match self.issue_once(context, owner, &request, revoked_at) {
                Err(IssueError::Store(StoreError::Conflict(_))) => {}
                outcome => return outcome,
            }
        }
        Err(IssueError::Store(StoreError::Bug("public ids collide".to_owned())))
    }

    fn issue_once(
        &self,
        context: &RequestContext,
        owner: UserId,
        request: &ValidatedRequest,
        revoked_at: Option<UnixMillis>,
    ) -> Result<Issued, IssueError> {
        let GeneratedSecret { secret, stored, id_bytes } = GeneratedSecret::generate(self)?;
        let (public_id, suffix) = (secret.public_id(), secret.suffix());
        let (rules, context, request) = (self.0.rules.clone(), context.clone(), request.clone());
        let (token, owner) = self.0.store.write(move |tx| {
            let owner = lock_owner(tx, &rules, &context, owner, revoked_at)?;
            let audit = AuditContext::of(&context);
            let id = TokenId::new(context.now, id_bytes);
            let token = request.token(id, &owner, public_id, suffix, &audit);
            rules.check_secret(&context.caller, &owner, None, &token)?;
            check_limits(tx, &rules.policy, owner.id, context.now)?;
            token::insert(tx, &token, &stored)?;
            audit.record(tx, EventKind::TokenCreated, owner.id, Some(token.id), creation_detail(&token))?;
            Ok::<_, IssueError>((token, owner))
        })?;
        Ok(Issued { token, owner, secret })
    }
}

/// Locks the owner, and rejects a creation that they or the caller may no longer make. `revoked_at` is when all tokens
/// of the owner were last revoked before the request was admitted.
fn lock_owner(
    tx: &mut Tx<'_>,
    rules: &Rules,
    context: &RequestContext,
    owner: UserId,
    revoked_at: Option<UnixMillis>,
) -> Result<User, IssueError> {
    let (lock, owner) = CallerLock::with(tx, &context.caller, owner)?;
    let owner = owner.ok_or(IssueError::NoSuchUser)?;
    if owner.is_disabled() {
        return Err(IssueError::OwnerDisabled);
    }
    lock.recheck::<IssueError>(tx, &rules.cutoffs(context.now))?;
    if owner.tokens_revoked_at != revoked_at {
        return Err(IssueError::RevokedMeanwhile);
    }
    Ok(owner)
}

/// Rejects a token beyond the limits.
fn check_limits(tx: &mut Tx<'_>, policy: &Policy, owner: UserId, now: UnixMillis) -> Result<(), IssueError> {
    let limits = policy.limits;
    if let Some(limit) = limits.max_live_tokens
        && token::count_live(tx, owner, &policy.cutoffs(now))? >= u64::from(limit)
    {
        return Err(IssueError::TokenLimitReached { limit });
    }
    if let Some(limit) = limits.creations_per_hour {
        let made = token::creations_since(tx, owner, now.saturating_sub(Limits::CREATION_WINDOW), limit)?;
        if made.len() >= limit as usize {
            let resets_at =
                made.first().and_then(|oldest| oldest.checked_add(Limits::CREATION_WINDOW)).unwrap_or(now);
            return Err(IssueError::CreationRateReached { limit, resets_at });
        }
    }
    Ok(())
}
