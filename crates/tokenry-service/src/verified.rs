//! The result of a verification: a [`VerifiedToken`], or the reason for a rejection.

use std::{net::IpAddr, sync::Arc};

use thiserror::Error;
use tokenry_crypto::{ParseError, UnreadableHash};
use tokenry_domain::{EffectivePermissions, ExpiryCutoffs, Scope, ScopeSet, Status, Token, TokenId, User};
use tokenry_store::{Credential, StoreError};

use crate::denial::Denial;

/// A token that was presented with its valid secret, was live at that moment, and whose owner was enabled. Only
/// [`Tokenry::verify`](crate::Tokenry::verify) creates one. Cheap to clone.
#[derive(Clone)]
pub struct VerifiedToken(Arc<Verified>);

struct Verified {
    credential: Arc<Credential>,
    effective: EffectivePermissions,
    /// Whether the presented secret is a retired secret within its grace.
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

    /// The token.
    #[must_use]
    pub fn token(&self) -> &Token {
        &self.0.credential.token
    }

    /// The owner of the token.
    #[must_use]
    pub fn owner(&self) -> &User {
        &self.0.credential.owner
    }

    /// Its permissions: its scopes limited by its owner's role.
    #[must_use]
    pub fn effective(&self) -> &EffectivePermissions {
        &self.0.effective
    }

    /// Whether the presented secret is a retired secret within its grace: valid for use, not for management.
    #[must_use]
    pub fn is_retired(&self) -> bool {
        self.0.is_retired
    }

    /// Whether it has this permission.
    #[must_use]
    pub fn grants(&self, scope: &Scope) -> bool {
        self.0.effective.grants(scope)
    }

    /// Rejects a token without all of these permissions.
    ///
    /// # Errors
    /// [`Denial::MissingScopes`] names the missing scopes.
    pub fn require(&self, scopes: &ScopeSet) -> Result<(), Denial> {
        let missing = self.0.effective.missing(scopes);
        if missing.is_empty() { Ok(()) } else { Err(Denial::MissingScopes(missing)) }
    }
}

/// Why a verification did not succeed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The credential does not authenticate; the reason decides how much the client may learn.
    #[error("credential rejected")]
    Rejected(#[source] Rejection),
    /// The database failed. This never means "no such token".
    #[error("token store unavailable")]
    Store(#[from] StoreError),
    /// The stored hash cannot be compared now: its pepper is not configured, or memory is insufficient. This never
    /// means that the token is invalid.
    #[error("stored hash unreadable")]
    Unreadable(#[source] UnreadableHash),
    /// The keys of the JWT's issuer are not available yet. This never means that the JWT is invalid.
    #[error("the issuer's keys are not available")]
    KeysUnavailable,
    /// Too many secrets wait to be hashed, or this one has waited too long.
    #[error("too many verifications are waiting")]
    Busy,
}

impl VerifyError {
    /// The rejection that gives no reason.
    pub(crate) fn unknown() -> Self {
        Self::Rejected(Rejection::Unknown)
    }
}

/// Why a credential does not authenticate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Rejection {
    /// The text does not have the form of a token; the database was not queried.
    #[error("not a token")]
    Malformed(#[source] ParseError),
    /// Unknown public id or wrong secret; callers cannot tell which.
    #[error("unknown token or wrong secret")]
    Unknown,
    /// The valid secret of a revoked token.
    #[error("revoked")]
    Revoked,
    /// A retired secret of this token, after its grace.
    #[error("rotated")]
    Rotated(TokenId),
    /// The valid secret of a paused token.
    #[error("inactive")]
    Inactive,
    /// The valid secret of a token that is not valid yet.
    #[error("not valid yet")]
    Pending,
    /// The valid secret of an expired token.
    #[error("expired")]
    Expired,
    /// The valid secret of a token whose owner is disabled.
    #[error("owner disabled")]
    OwnerDisabled,
    /// The valid secret of a live token from an address that it does not allow.
    #[error("address not allowed")]
    AddressNotAllowed,
}

impl Rejection {
    /// The code in the HTTP API and the audit log. Without the secret, all causes have the same code.
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

/// Checks the state of a token whose secret was valid, now or when a session was started with it, in order of
/// precedence.
pub(crate) fn check_state(
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
