//! Rotates tokens: replaces the secret and keeps everything else.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use thiserror::Error;
use tokenry_crypto::{GENESIS, PlainToken, RngError, chain_digest};
use tokenry_domain::{
    EventKind, Expiry, ExpiryCutoffs, Lifetime, PublicId, Token, TokenId, UnixMillis, User, optional_setters,
};
use tokenry_store::{
    StoreError, StoredSecret, Tx,
    retired::{self, RetiredSecret},
    token,
};

use crate::{
    audit::{AuditContext, detail},
    caller::RequestContext,
    caller_lock::CallerLock,
    denial::Denial,
    field::{FieldError, FieldErrors},
    generated_secret::{GenerateError, GeneratedSecret},
    required::tokens_write,
    rules::Rules,
    session::ended::EndedSessions,
    tokenry::Tokenry,
    validated_request::checked_expiry,
};

/// Options of a rotation.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Rotation {
    /// How long the retired secret remains valid, at most; the policy and the old expiry may end it sooner. Default:
    /// not at all.
    pub grace: Option<Lifetime>,
    /// The new expiry; `None` keeps the current one.
    pub expiry: Option<Expiry>,
    /// Identifies the request: a repetition with the same key fails with [`RotateError::Delivered`]. Only a digest of
    /// the key is stored.
    pub idempotency_key: Option<String>,
    /// Rotates only if the token has one of these versions.
    pub if_version: Option<Vec<i64>>,
}

impl Rotation {
    optional_setters! {
        with_grace(grace: Lifetime),
        with_expiry(expiry: Expiry),
        with_idempotency_key(idempotency_key: String),
        with_if_version(if_version: Vec<i64>),
    }
}

/// A token with its new secret, which is stored nowhere.
#[non_exhaustive]
pub struct Rotated {
    /// The token.
    pub token: Token,
    /// Its owner.
    pub owner: User,
    /// Its new plaintext, to be shown once.
    pub secret: PlainToken,
    /// From this instant on the retired secret is rejected.
    pub old_works_until: UnixMillis,
}

/// Why a token was not rotated.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RotateError {
    /// The caller is not entitled.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// Fields are invalid.
    #[error("invalid fields")]
    Invalid(Vec<FieldError>),
    /// There is no such token, or it belongs to another user; callers cannot tell which.
    #[error("no such token")]
    NotFound,
    /// The owner is disabled.
    #[error("the user is disabled")]
    OwnerDisabled,
    /// A revoked token cannot be rotated.
    #[error("the token is revoked")]
    Revoked,
    /// An expired token cannot be rotated.
    #[error("the token has expired")]
    Expired,
    /// The token has another version than the rotation requires.
    #[error("the token was changed meanwhile; its version is {version}")]
    VersionMismatch {
        /// The version now.
        version: i64,
    },
    /// Another rotation of this token ran at the same time.
    #[error("the token was rotated at the same moment")]
    Rotated,
    /// A request with this key succeeded before; its secret is not shown twice.
    #[error("this rotation was done already and its secret delivered")]
    Delivered,
    /// Too many secrets wait to be hashed; nothing was changed.
    #[error("too many creations are waiting")]
    Busy,
    /// The operating system gave no randomness.
    #[error(transparent)]
    Randomness(#[from] RngError),
    /// The database failed; nothing was changed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Tokenry {
    /// A rotation within this span after another of the same token counts as concurrent and is rejected: otherwise both
    /// callers would take theirs for the valid secret. An adapter delays its response by this span, so that its
    /// receiver can rotate again immediately.
    pub const ROTATION_SETTLES: Lifetime = Lifetime::millis_of(500);

    /// Whether a rotation of this token with this key succeeded: for a client that repeats the request with the retired
    /// secret.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn is_rotation_delivered(&self, id: TokenId, idempotency_key: &str) -> Result<bool, StoreError> {
        self.0.store.read(|tx| retired::has_key(tx, id, &digest(idempotency_key)))
    }

    /// Gives a token a new secret. Every other attribute is kept by construction: the row is not copied, only its
    /// secret is replaced. The previous secret remains valid for the grace; older ones no longer work.
    ///
    /// Of concurrent rotations one succeeds. A token can rotate itself, and other tokens that have no more permissions,
    /// time or addresses than itself, since it receives their secret.
    ///
    /// # Errors
    /// [`RotateError`].
    pub fn rotate_token(
        &self,
        context: &RequestContext,
        id: TokenId,
        rotation: Rotation,
    ) -> Result<Rotated, RotateError> {
        context.caller.require_for_use(&tokens_write())?;
        let seen = self.0.store.read(|tx| {
            let token = token::find(tx, id)?.filter(|token| context.caller.may_manage(token.user_id));
            let token = token.ok_or(RotateError::NotFound)?;
            // Checked first, so that a repeated request learns the result of the first one.
            match &rotation.idempotency_key {
                Some(key) if retired::has_key(tx, id, &digest(key))? => Err(RotateError::Delivered),
                _ => Ok(token),
            }
        })?;
        context.caller.require(&tokens_write())?;
        let transaction =
            RotateTransaction { rules: self.0.rules.clone(), context: context.clone(), seen, rotation };
        // The transaction repeats this check exactly; here it avoids a hash for a request that would fail.
        self.0.store.read(|tx| transaction.check_rotatable(tx, &transaction.seen))?;
        let GeneratedSecret { secret, stored, .. } = GeneratedSecret::generate(self)?;
        let (public_id, suffix) = (secret.public_id(), secret.suffix());
        let done = self.0.store.write(move |tx| transaction.run(tx, public_id, suffix, &stored))?;
        let (token, owner, old_works_until) = done;
        Ok(Rotated { token, owner, secret, old_works_until })
    }
}

/// How many retired secrets of one token are stored.
const MAX_RETIRED: i64 = 100;

/// Hashes an idempotency key: clients may use anything as a key, even a secret.
fn digest(key: &str) -> String {
    URL_SAFE_NO_PAD.encode(chain_digest(&GENESIS, key.as_bytes()))
}

/// The input of the transaction of a rotation.
struct RotateTransaction {
    rules: Arc<Rules>,
    context: RequestContext,
    /// The token as it was when the request arrived.
    seen: Token,
    rotation: Rotation,
}

impl RotateTransaction {
    fn run(
        &self,
        tx: &mut Tx<'_>,
        public_id: PublicId,
        suffix: String,
        stored: &StoredSecret,
    ) -> Result<(Token, User, UnixMillis), RotateError> {
        let id = self.seen.id;
        let (lock, owner) = CallerLock::with(tx, &self.context.caller, self.seen.user_id)?;
        let owner = owner.ok_or(RotateError::NotFound)?;
        if owner.is_disabled() {
            return Err(RotateError::OwnerDisabled);
        }
        let before = token::lock(tx, id)?.ok_or(RotateError::NotFound)?;
        let is_other_secret = before.public_id != self.seen.public_id;
        let is_own = self.context.caller.token().is_some_and(|own| own.id == id);
        if is_own && is_other_secret {
            return Err(RotateError::Rotated);
        }
        lock.recheck::<RotateError>(tx, &self.cutoffs())?;
        self.check_rotatable(tx, &before)?;
        // SECURITY: compare and set. A caller that saw another secret must not retire this one.
        if is_other_secret {
            return Err(RotateError::Rotated);
        }
        let after = self.rotated(&before, public_id, suffix)?;
        self.rules.check_secret(&self.context.caller, &owner, Some(&before), &after)?;
        let secret = token::find_secret(tx, id)?.ok_or(RotateError::NotFound)?;
        let now = self.context.now;
        let valid_until = self.grace_ends(&before);
        retired::end_grace(tx, id, now)?;
        if !token::replace_secret(tx, &after, stored)? {
            return Err(RotateError::VersionMismatch { version: before.version });
        }
        let idempotency_key = self.rotation.idempotency_key.as_deref().map(digest);
        let old = RetiredSecret {
            public_id: before.public_id,
            token_id: id,
            secret,
            at: now,
            valid_until,
            idempotency_key,
        };
        retired::insert(tx, &old)?;
        retired::delete_oldest(tx, id, MAX_RETIRED)?;
        let sessions = EndedSessions::of_token(tx, id)?;
        let fields = detail([
            ("old_prefix", self.seen.first_characters().into()),
            ("old_valid_until", valid_until.to_string().into()),
            ("expires_at", after.expires_at.map(|end| end.to_string()).into()),
        ]);
        let audit = AuditContext::of(&self.context);
        audit.record(tx, EventKind::TokenRotated, owner.id, Some(id), fields)?;
        sessions.record(tx, &audit)?;
        Ok((after, owner, valid_until))
    }

    /// Rejects a token that must not get a new secret.
    fn check_rotatable(&self, tx: &mut Tx<'_>, before: &Token) -> Result<(), RotateError> {
        if let Some(key) = &self.rotation.idempotency_key
            && retired::has_key(tx, before.id, &digest(key))?
        {
            return Err(RotateError::Delivered);
        }
        if before.revoked.is_some() {
            return Err(RotateError::Revoked);
        }
        let was_rotated = before.secret_at != before.created_at;
        let settled = before.secret_at.checked_add(Tokenry::ROTATION_SETTLES);
        if was_rotated && settled.is_some_and(|settled| self.context.now < settled) {
            return Err(RotateError::Rotated);
        }
        if self.rotation.if_version.as_ref().is_some_and(|versions| !versions.contains(&before.version)) {
            return Err(RotateError::VersionMismatch { version: before.version });
        }
        if self.cutoffs().is_expired(before) {
            return Err(RotateError::Expired);
        }
        Ok(())
    }

    fn rotated(&self, before: &Token, public_id: PublicId, suffix: String) -> Result<Token, RotateError> {
        let now = self.context.now;
        let expires_at = match self.rotation.expiry {
            // A new secret restarts the lifetime under the policy, which only a signed-in user may do.
            None if self.context.caller.token().is_some() => self.rules.policy.effective_expiry(before),
            None => before.expires_at,
            Some(asked) => {
                let mut errors = FieldErrors::default();
                let end = checked_expiry(&mut errors, self.rules.policy.expires_at(asked, now, now));
                if let (Some(from), Some(Some(end))) = (before.not_before, end)
                    && from >= end
                {
                    let detail = "must be after the start of validity";
                    errors.push(FieldError::new("/expires_at", "before_start", detail));
                }
                errors.finish().map_err(RotateError::Invalid)?;
                end.flatten()
            }
        };
        let version = before.version + 1;
        // The token has not expired, so an expiry recorded under an earlier policy is cleared.
        let expiry_noted_at = None;
        let updated_at = now;
        Ok(Token {
            public_id,
            shown_prefix: None,
            suffix,
            secret_at: now,
            expires_at,
            expiry_noted_at,
            version,
            updated_at,
            ..before.clone()
        })
    }

    /// When the retired secret expires: after the grace, and never later than without the rotation.
    fn grace_ends(&self, before: &Token) -> UnixMillis {
        let now = self.context.now;
        let grace = self.rotation.grace.unwrap_or(Lifetime::seconds(0)).min(self.rules.policy.max_grace);
        let end = now.checked_add(grace).unwrap_or(UnixMillis::MAX);
        self.rules.policy.effective_expiry(before).map_or(end, |old| end.min(old))
    }

    fn cutoffs(&self) -> ExpiryCutoffs {
        self.rules.cutoffs(self.context.now)
    }
}

impl From<GenerateError> for RotateError {
    fn from(error: GenerateError) -> Self {
        match error {
            GenerateError::Busy => Self::Busy,
            GenerateError::Randomness(error) => Self::Randomness(error),
        }
    }
}
