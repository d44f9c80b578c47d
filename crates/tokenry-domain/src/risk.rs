//! Risks of live tokens.

use strum::{Display, EnumString, IntoStaticStr, VariantArray};
use thiserror::Error;

use crate::{
    cutoffs::ExpiryCutoffs,
    scope::ScopeSet,
    time::{Lifetime, UnixMillis},
    token::Token,
    user::User,
};

/// One risk of a live token. Dead tokens have no risks.
///
/// Exhaustive, so that a new risk does not compile until the store can filter by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Display, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = ParseRiskError, parse_err_fn = not_a_risk)]
pub enum Risk {
    /// It was never used.
    NeverUsed,
    /// It has no expiry of its own.
    NoExpiry,
    /// It has all permissions of its owner: scope `*`, or a name that stands for it.
    FullAccess,
    /// It was not used for [`Risk::IDLE`].
    Idle,
    /// Its owner is disabled, and it would work again if they were enabled.
    OwnerDisabled,
}

impl Risk {
    /// All risks.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// A token is idle after this long without a use, counted from the creation of its secret.
    pub const IDLE: Lifetime = Lifetime::days(90);

    /// The risk's name in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The risks of a token at an instant, where the scopes `full_access` stand for everything; the database filters by
    /// the same rules.
    #[must_use]
    pub fn of(token: &Token, owner: &User, cutoffs: &ExpiryCutoffs, full_access: &ScopeSet) -> Vec<Self> {
        if !token.is_live(cutoffs) {
            return Vec::new();
        }
        let is_idle = token.last_used_at.unwrap_or(token.secret_at) <= Self::idle_cutoff(cutoffs.now);
        [
            (Self::NeverUsed, token.last_used_at.is_none()),
            (Self::NoExpiry, token.expires_at.is_none()),
            (Self::FullAccess, token.scopes.iter().any(|scope| full_access.contains(scope))),
            (Self::Idle, is_idle),
            (Self::OwnerDisabled, owner.is_disabled()),
        ]
        .into_iter()
        .filter_map(|(risk, applies)| applies.then_some(risk))
        .collect()
    }

    /// A token that was last used at this instant or before is idle at `now`.
    #[must_use]
    pub fn idle_cutoff(now: UnixMillis) -> UnixMillis {
        now.saturating_sub(Self::IDLE)
    }
}

/// The text is not a risk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be never_used, no_expiry, full_access, idle or owner_disabled")]
pub struct ParseRiskError;

fn not_a_risk(_: &str) -> ParseRiskError {
    ParseRiskError
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_risks_are_stable_and_round_trip() {
        let names: Vec<_> = Risk::ALL.iter().map(|risk| risk.as_str()).collect();
        assert_eq!(names, ["never_used", "no_expiry", "full_access", "idle", "owner_disabled"]);
        assert!(Risk::ALL.iter().all(|risk| risk.to_string().parse() == Ok(*risk)));
        assert_eq!("Idle".parse::<Risk>(), Err(ParseRiskError));
    }
}
