//! One token as it is stored and shown: everything but its secret.

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

/// The public beginning of a token's text, prefix and public id: unique, safe to log and to show.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicId(String);

impl PublicId {
    /// The most bytes a lookup has: a prefix of 20 and a public id of 12.
    pub const MAX: usize = 32;

    /// Wraps a text made by the token format or read back from the database.
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

/// A token, alive or dead, without its secret.
#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    /// Its id in the API.
    pub id: TokenId,
    /// Who owns it.
    pub user_id: UserId,
    /// The public beginning of its text.
    pub public_id: PublicId,
    /// The last four characters of its text.
    pub suffix: String,
    /// What its owner calls it.
    pub name: TokenName,
    /// What its owner notes about it.
    pub description: Option<Description>,
    /// What it was given; what it may do now is less or equal ([`crate::EffectivePermissions`]).
    pub scopes: ScopeSet,
    /// Since when it is paused.
    pub inactive_at: Option<UnixMillis>,
    /// Before this instant it is refused.
    pub not_before: Option<UnixMillis>,
    /// From this instant on it is refused; `None` is never.
    pub expires_at: Option<UnixMillis>,
    /// When it was last used successfully.
    pub last_used_at: Option<UnixMillis>,
    /// From where it was last used.
    pub last_used_ip: Option<IpAddr>,
    /// From where it may be used.
    pub allowed_ips: IpList,
    /// What clients keep beside it.
    pub metadata: Metadata,
    /// Counts changes from 1; compared by `If-Match`.
    pub version: i64,
    /// When it was created.
    pub created_at: UnixMillis,
    /// When its present secret was made: at its creation or its last rotation.
    pub secret_at: UnixMillis,
    /// Who created it.
    pub created_by: Actor,
    /// When it was last changed.
    pub updated_at: UnixMillis,
    /// When it was ended, how and by whom.
    pub revoked: Option<Revocation>,
    /// When the audit log was told that its time ran out. It is judged no earlier than that, whatever the clock says.
    pub expiry_noted_at: Option<UnixMillis>,
}

/// The end of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// From when on it is refused.
    pub at: UnixMillis,
    /// Who ended it.
    pub by: Actor,
    /// Why, if they said so.
    pub reason: Option<Reason>,
}

impl Token {
    /// The state at an instant under a policy, decided in the order in which verification refuses.
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
    /// It works.
    Active,
    /// It is paused and can be resumed.
    Inactive,
    /// Its time has not come.
    Pending,
    /// Its time is over.
    Expired,
    /// It was ended for good.
    Revoked,
}

impl Status {
    /// All states, in the order in which people care.
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

/// The text names no state of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be active, inactive, pending, expired or revoked")]
pub struct ParseStatusError;

impl FromStr for Status {
    type Err = ParseStatusError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or(ParseStatusError)
    }
}
