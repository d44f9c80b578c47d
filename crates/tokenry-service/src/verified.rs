//! The result of a verification: a [`VerifiedToken`], or the reason for a rejection.

use std::{net::IpAddr, sync::Arc};

use thiserror::Error;
use tokenry_crypto::{ParseError, UnreadableHash};
use tokenry_domain::{EffectivePermissions, ExpiryCutoffs, Scope, ScopeSet, Status, Token, TokenId, User};
use tokenry_store::{Credential, StoreError};

use crate::denial::Denial;

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
    pub(crate) fn new(
        credential: Arc<Credential>,
        effective: EffectivePermissions,
        is_retired: bool,
    ) -> Self {
        Self(Arc::new(Verified { credential, effective, is_retired }))
    }

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
