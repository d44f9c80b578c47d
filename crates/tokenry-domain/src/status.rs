//! The state of a token at an instant.

use strum::{Display, EnumString, IntoStaticStr, VariantArray};
use thiserror::Error;

use crate::{cutoffs::ExpiryCutoffs, token::Token};

/// The state of a token at an instant.
///
/// Exhaustive, so that a new state does not compile until the store can filter by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Display, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = ParseStatusError, parse_err_fn = not_a_status)]
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
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The state's name in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The text is not a state of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be active, inactive, pending, expired or revoked")]
pub struct ParseStatusError;

fn not_a_status(_: &str) -> ParseStatusError {
    ParseStatusError
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_states_are_stable_and_round_trip() {
        let names: Vec<_> = Status::ALL.iter().map(|status| status.as_str()).collect();
        assert_eq!(names, ["active", "inactive", "pending", "expired", "revoked"]);
        assert!(Status::ALL.iter().all(|status| status.to_string().parse() == Ok(*status)));
        assert_eq!("Active".parse::<Status>(), Err(ParseStatusError));
    }
}
