//! The state of a token at an instant.

use std::{fmt, str::FromStr};

use thiserror::Error;

use crate::{cutoffs::ExpiryCutoffs, token::Token};

/// The state of a token at an instant.
///
/// Exhaustive, so that a new state does not compile until the store can filter by it.
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
