//! The decision function: a presented text becomes a [`VerifiedToken`] or one rejection.

pub(crate) mod proof;
mod retired;
pub(crate) mod rewrite;
pub(crate) mod snapshots;

use std::{net::IpAddr, sync::Arc};

use thiserror::Error;
use tokenry_crypto::{ParseError, UnreadableHash};
use tokenry_domain::{
    EffectivePermissions, ExpiryCutoffs, Scope, ScopeSet, Status, Token, TokenId, UnixMillis, User, UserId,
};
use tokenry_store::{Credential, StoreError};

use crate::{denial::Denial, tokenry::Tokenry};

/// A token that was presented with its right secret, was live at that moment, and whose owner was enabled. Only
/// [`Tokenry::verify`] makes one. Cheap to clone.
#[derive(Clone)]
pub struct VerifiedToken(Arc<Verified>);

struct Verified {
    credential: Arc<Credential>,
    effective: EffectivePermissions,
    /// Whether the presented secret is one that a rotation replaced, still within its grace.
    is_retired: bool,
}

impl VerifiedToken {
    /// The token as it was read.
    #[must_use]
    pub fn token(&self) -> &Token {
        &self.0.credential.token
    }

    /// Its owner as they were read.
    #[must_use]
    pub fn owner(&self) -> &User {
        &self.0.credential.owner
    }

    /// What it may do: its scopes under its owner's role.
    #[must_use]
    pub fn effective(&self) -> &EffectivePermissions {
        &self.0.effective
    }

    /// Whether the presented secret is one that a rotation replaced, still within its grace: good for use, not for
    /// management.
    #[must_use]
    pub fn is_retired(&self) -> bool {
        self.0.is_retired
    }

    /// Whether it may do this.
    #[must_use]
    pub fn grants(&self, scope: &Scope) -> bool {
        self.0.effective.grants(scope)
    }

    /// Refuses a token that may not do all of this.
    ///
    /// # Errors
    /// [`Denial::MissingScopes`] names what is missing.
    pub fn require(&self, scopes: &ScopeSet) -> Result<(), Denial> {
        let missing = self.0.effective.missing(scopes);
        if missing.is_empty() { Ok(()) } else { Err(Denial::MissingScopes(missing)) }
    }
}

/// Why a verification did not succeed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The credential does not authenticate; the reason decides how much a caller may be told.
    #[error("credential rejected")]
    Rejected(#[source] Rejection),
    /// The database could not answer. It never means "no such token".
    #[error("token store unavailable")]
    Store(#[from] StoreError),
    /// The stored hash cannot be compared here and now: its pepper is not configured, or there is no memory for it.
    /// It never means that the token is wrong.
    #[error("stored hash unreadable")]
    Unreadable(#[source] UnreadableHash),
    /// The keys of the JWT's issuer have not arrived yet. It never means that the JWT is wrong.
    #[error("the issuer's keys are not available")]
    KeysUnavailable,
    /// Too many secrets wait to be hashed, or this one has waited too long for it.
    #[error("too many verifications are waiting")]
    Busy,
}

/// Why a credential does not authenticate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Rejection {
    /// Not in the form of a token; the database was not asked.
    #[error("not a token")]
    Malformed(#[source] ParseError),
    /// No such public id, or not its secret. Callers cannot tell which.
    #[error("unknown token or wrong secret")]
    Unknown,
    /// The right secret of a token that was ended.
    #[error("revoked")]
    Revoked,
    /// The right secret of this token until it was rotated, after its grace.
    #[error("rotated")]
    Rotated(TokenId),
    /// The right secret of a token that is paused.
    #[error("inactive")]
    Inactive,
    /// The right secret of a token whose time has not come.
    #[error("not valid yet")]
    Pending,
    /// The right secret of a token whose time is over.
    #[error("expired")]
    Expired,
    /// The right secret of a token whose owner was disabled.
    #[error("owner disabled")]
    OwnerDisabled,
    /// The right secret of a live token from an address it may not be used from.
    #[error("address not allowed")]
    AddressNotAllowed,
}

impl Rejection {
    /// What the HTTP API and the audit log call it. Whoever lacks the secret hears one name for all of it.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Malformed(_) | Self::Unknown => "invalid_token",
            Self::Revoked | Self::Rotated(_) => "revoked_token",
            Self::Inactive | Self::Pending => "inactive_token",
            Self::Expired => "expired_token",
            Self::OwnerDisabled => "user_disabled",
            Self::AddressNotAllowed => "ip_not_allowed",
        }
    }
}

impl Tokenry {
    /// Decides what the presented text may do at `now`, coming from `source`.
    ///
    /// The order is fixed: form and checksum, the live row, the secret, and only then — to a caller who holds the
    /// right secret — its state, its owner and its addresses. What it may do is in the result; whether that is enough
    /// for a route is for [`VerifiedToken::require`] to say.
    ///
    /// The future needs no runtime: it may be polled by any executor.
    ///
    /// # Errors
    /// [`VerifyError`]; a storage failure is never a rejection.
    pub async fn verify(
        &self,
        presented: &[u8],
        now: UnixMillis,
        source: Option<IpAddr>,
    ) -> Result<VerifiedToken, VerifyError> {
        let plain = self
            .0
            .prefixes
            .parse(presented)
            .map_err(|error| VerifyError::Rejected(Rejection::Malformed(error)))?;
        let public_id = plain.public_id();
        // SECURITY: what was refused as over is judged no earlier than then, wherever the clock is now.
        let judged_at = self.0.ends.secrets.no_earlier(now, || public_id.clone());
        let mut cutoffs = self.0.policy.cutoffs(judged_at);
        if let Some(recent) =
            self.0.snapshots.as_ref().and_then(|rows| rows.recent(&self.0.store, &public_id, now))
            && self.is_known(&plain, &recent)
            && judge(&recent.token, &recent.owner, &cutoffs, source).is_ok()
        {
            return Ok(self.verified(recent, false));
        }
        // What a row of a moment ago would refuse, the row of now decides.
        let found = match &self.0.snapshots {
            Some(rows) => rows.read(&self.0.store, &public_id, now).await?,
            None => self.0.store.credential(&public_id).await?.map(Arc::new),
        };
        let is_proven = self.is_proven(&plain, found.as_deref(), now).await?;
        let (credential, is_retired) = match found.filter(|_| is_proven) {
            Some(found) => {
                if !self.0.hasher.is_current(&found.secret.hash) {
                    self.upgrade_hash(plain, &found, now);
                }
                (found, false)
            }
            // Asked for a wrong secret as well, so that a known public id costs what an unknown one does.
            None => {
                let (credential, judged_at) = self.retired(&plain, &public_id, now, source).await?;
                cutoffs = self.0.policy.cutoffs(judged_at);
                (Arc::new(credential), true)
            }
        };
        if let Err(rejection) = judge(&credential.token, &credential.owner, &cutoffs, source) {
            if rejection == Rejection::Expired && !self.doubts_clock(now) {
                self.0.ends.token_is_over(&credential.token, cutoffs.now);
            }
            self.record_rejection(rejection, &credential.token, source, now);
            return Err(VerifyError::Rejected(rejection));
        }
        Ok(self.verified(credential, is_retired))
    }

    fn verified(&self, credential: Arc<Credential>, is_retired: bool) -> VerifiedToken {
        let effective = self.0.catalog.effective(&credential.token.scopes, &credential.owner.role);
        VerifiedToken(Arc::new(Verified { credential, effective, is_retired }))
    }

    /// Whether a presented text has the form and the checksum of a token here: anything else is refused without a database.
    #[must_use]
    pub fn has_token_form(&self, presented: &[u8]) -> bool {
        self.0.prefixes.parse(presented).is_ok()
    }

    /// The token and the owner whose present secret, or an old one within its grace, is presented, whatever their state:
    /// for what possession alone entitles to. Unknown and wrong cost what they cost [`verify`](Self::verify).
    ///
    /// # Errors
    /// [`VerifyError`], never a rejection: `None` is no token of this installation, or not its secret.
    pub async fn identify_token(
        &self,
        presented: &[u8],
        now: UnixMillis,
        source: Option<IpAddr>,
    ) -> Result<Option<(TokenId, UserId)>, VerifyError> {
        let Ok(plain) = self.0.prefixes.parse(presented) else { return Ok(None) };
        let public_id = plain.public_id();
        let found = self.0.store.credential(&public_id).await?;
        let is_proven = self.is_proven(&plain, found.as_ref(), now).await?;
        let found = match found.filter(|_| is_proven) {
            Some(found) => found,
            None => match self.retired(&plain, &public_id, now, source).await {
                Ok((found, _)) => found,
                Err(VerifyError::Rejected(_)) => return Ok(None),
                Err(error) => return Err(error),
            },
        };
        Ok(Some((found.token.id, found.owner.id)))
    }

    /// [`verify`](Self::verify) for callers without an executor; it blocks the thread.
    ///
    /// # Errors
    /// The same.
    pub fn verify_blocking(
        &self,
        presented: &[u8],
        now: UnixMillis,
        source: Option<IpAddr>,
    ) -> Result<VerifiedToken, VerifyError> {
        futures_executor::block_on(self.verify(presented, now, source))
    }
}

/// The state of a token whose secret was right, now or when a session was begun with it, in the order in which it is told.
pub(crate) fn judge(
    token: &Token,
    owner: &User,
    cutoffs: &ExpiryCutoffs,
    source: Option<IpAddr>,
) -> Result<(), Rejection> {
    match token.status(cutoffs) {
        Status::Revoked => Err(Rejection::Revoked),
        Status::Inactive => Err(Rejection::Inactive),
        Status::Pending => Err(Rejection::Pending),
        Status::Expired => Err(Rejection::Expired),
        Status::Active if owner.is_disabled() => Err(Rejection::OwnerDisabled),
        Status::Active if !token.allowed_ips.allows(source) => Err(Rejection::AddressNotAllowed),
        Status::Active => Ok(()),
    }
}
