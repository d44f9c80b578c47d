//! A token without its secret.

use std::{fmt, net::IpAddr, str::FromStr};

use thiserror::Error;

use crate::{
    actor::Actor,
    id::{TokenId, UserId},
    ip::IpList,
    metadata::Metadata,
    policy::ExpiryCutoffs,
    scope::ScopeSet,
    text::{Description, Reason, TokenName},
    time::UnixMillis,
};

/// The public beginning of a token's text, prefix and random id: unique, safe to log and to display.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicId(String);

impl PublicId {
    /// The maximum length in bytes: a prefix of 20 and a random id of 12.
    pub const MAX: usize = 32;

    /// Wraps a text created by the token format or read from the database.
    #[must_use]
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The text, such as `mcp_pat_Q7mZ0aKd93Xb`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PublicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A token, live or dead, without its secret.
#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    /// The id in the API.
    pub id: TokenId,
    /// The owner.
    pub user_id: UserId,
    /// The public beginning of its text.
    pub public_id: PublicId,
    /// The last four characters of its text.
    pub suffix: String,
    /// The name.
    pub name: TokenName,
    /// The description.
    pub description: Option<Description>,
    /// The granted scopes; the current permissions are less or equal ([`crate::EffectivePermissions`]).
    pub scopes: ScopeSet,
    /// Since when it is paused.
    pub inactive_at: Option<UnixMillis>,
    /// It is refused before this instant.
    pub not_before: Option<UnixMillis>,
    /// It is refused from this instant on; `None` means never.
    pub expires_at: Option<UnixMillis>,
    /// When it was last used successfully.
    pub last_used_at: Option<UnixMillis>,
    /// The address of the last use.
    pub last_used_ip: Option<IpAddr>,
    /// The addresses from which it may be used.
    pub allowed_ips: IpList,
    /// The metadata of clients.
    pub metadata: Metadata,
    /// Counts changes from 1; compared by `If-Match`.
    pub version: i64,
    /// When it was created.
    pub created_at: UnixMillis,
    /// When its current secret was created: at its creation or its last rotation.
    pub secret_at: UnixMillis,
    /// Who created it.
    pub created_by: Actor,
    /// When it was last changed.
    pub updated_at: UnixMillis,
    /// The revocation, if it was revoked.
    pub revoked: Option<Revocation>,
    /// When its expiry was recorded in the audit log. It is evaluated no earlier than that, whatever the clock reads.
    pub expiry_noted_at: Option<UnixMillis>,
}

/// The revocation of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// The instant from which the token is refused.
    pub at: UnixMillis,
    /// Who revoked it.
    pub by: Actor,
    /// The reason, if one was given.
    pub reason: Option<Reason>,
}

impl Token {
    /// The state at an instant under a policy, in the order of precedence of a verification.
    #[must_use]
    pub fn status(&self, cutoffs: &ExpiryCutoffs) -> Status {
        if self.revoked.is_some() {
            Status::Revoked
        } else if self.inactive_at.is_some() {
            Status::Inactive
        } else if self.not_before.is_some_and(|from| cutoffs.now < from) {
            Status::Pending
        } else if cutoffs.is_expired(self) {
            Status::Expired
        } else {
            Status::Active
        }
    }

    /// Whether it counts against the limit of live tokens: neither revoked nor expired.
    #[must_use]
    pub fn is_live(&self, cutoffs: &ExpiryCutoffs) -> bool {
        self.revoked.is_none() && !cutoffs.is_expired(self)
    }
}

/// The state of a token at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// It is accepted.
    Active,
    /// It is paused and can be resumed.
    Inactive,
    /// It is not valid yet.
    Pending,
    /// It has expired.
    Expired,
    /// It was revoked.
    Revoked,
}

impl Status {
    /// All states, in display order.
    pub const ALL: [Self; 5] = [Self::Active, Self::Inactive, Self::Pending, Self::Expired, Self::Revoked];

    /// The state's name in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Pending => "pending",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is not a state of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be active, inactive, pending, expired or revoked")]
pub struct ParseStatusError;

impl FromStr for Status {
    type Err = ParseStatusError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or(ParseStatusError)
    }
}
