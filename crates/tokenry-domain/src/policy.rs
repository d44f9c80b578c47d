//! What tokens may be made: limits and lifetimes, checked the same way at create and update.

use thiserror::Error;

use crate::time::{Lifetime, UnixMillis};

/// The rules for making tokens. Every field must be chosen; [`Policy::default`] is the documented default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// How many, how fast.
    pub limits: Limits,
    /// The lifetime of a token that asks for none; `None` is never. Default 90 days.
    pub default_lifetime: Option<Lifetime>,
    /// The longest lifetime, counted from the creation; `None` is no bound. Default 365 days.
    pub max_lifetime: Option<Lifetime>,
    /// Whether a token may live for ever. Default `false`.
    pub allow_never: bool,
}

/// Limits per user that the store keeps exactly, in the transaction that creates a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most tokens that are neither revoked nor expired; `None` is no limit. Default 10.
    pub max_live_tokens: Option<u32>,
    /// The most tokens created within any 60 minutes; `None` is no limit. Default 5.
    pub creations_per_hour: Option<u32>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            limits: Limits { max_live_tokens: Some(10), creations_per_hour: Some(5) },
            default_lifetime: Some(Lifetime::days(90)),
            max_lifetime: Some(Lifetime::days(365)),
            allow_never: false,
        }
    }
}

/// When a token shall end, as asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// Whatever the policy gives.
    Default,
    /// Never.
    Never,
    /// At this instant.
    At(UnixMillis),
    /// This long after now.
    In(Lifetime),
}

/// Why an expiry was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ExpiryError {
    /// Sooner than [`Policy::MIN_LIFETIME`] from now, or in the past.
    #[error("must be at least 60 seconds from now")]
    TooSoon,
    /// Later than the longest lifetime allows, or than the calendar goes.
    #[error("must be at most {latest}")]
    TooLate {
        /// The latest instant allowed.
        latest: UnixMillis,
    },
    /// The policy wants every token to end.
    #[error("must be set: tokens without an expiry are not allowed")]
    NeverForbidden,
}

impl Policy {
    /// A token cannot be made to live shorter than this.
    pub const MIN_LIFETIME: Lifetime = Lifetime::seconds(60);

    /// Decides when a token created at `created` ends, asked at `now`.
    ///
    /// A default that is longer than the maximum is cut to it.
    ///
    /// # Errors
    /// [`ExpiryError`] names the rule that was broken.
    pub fn expires_at(
        &self,
        asked: Expiry,
        created: UnixMillis,
        now: UnixMillis,
    ) -> Result<Option<UnixMillis>, ExpiryError> {
        let latest = match self.max_lifetime {
            Some(max) => created.checked_add(max).unwrap_or(UnixMillis::MAX),
            None => UnixMillis::MAX,
        };
        let end = match asked {
            Expiry::Never => None,
            Expiry::At(end) => Some(end),
            Expiry::In(span) => Some(now.checked_add(span).ok_or(ExpiryError::TooLate { latest })?),
            Expiry::Default => {
                self.default_lifetime.map(|span| now.checked_add(span).unwrap_or(latest).min(latest))
            }
        };
        match end {
            None if self.allow_never => Ok(None),
            None => Err(ExpiryError::NeverForbidden),
            Some(end) if now.checked_add(Self::MIN_LIFETIME).is_none_or(|soonest| end < soonest) => {
                Err(ExpiryError::TooSoon)
            }
            Some(end) if end > latest => Err(ExpiryError::TooLate { latest }),
            Some(end) => Ok(Some(end)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millis: i64) -> UnixMillis {
        UnixMillis::new(millis).unwrap()
    }

    const DAY: i64 = 86_400_000;

    #[test]
    fn a_token_without_a_wish_gets_the_default() {
        let policy = Policy::default();
        assert_eq!(policy.expires_at(Expiry::Default, at(0), at(0)), Ok(Some(at(90 * DAY))));
        let short = Policy { max_lifetime: Some(Lifetime::days(30)), ..policy };
        assert_eq!(short.expires_at(Expiry::Default, at(0), at(0)), Ok(Some(at(30 * DAY))));
    }

    #[test]
    fn lifetimes_outside_the_policy_are_refused() {
        let policy = Policy::default();
        let latest = at(365 * DAY);
        for (asked, answer) in [
            (Expiry::Never, Err(ExpiryError::NeverForbidden)),
            (Expiry::At(at(0)), Err(ExpiryError::TooSoon)),
            (Expiry::At(at(59_999)), Err(ExpiryError::TooSoon)),
            (Expiry::At(at(60_000)), Ok(Some(at(60_000)))),
            (Expiry::In(Lifetime::days(365)), Ok(Some(latest))),
            (Expiry::At(at(365 * DAY + 1)), Err(ExpiryError::TooLate { latest })),
            (Expiry::In(Lifetime::days(u32::MAX)), Err(ExpiryError::TooLate { latest })),
        ] {
            assert_eq!(policy.expires_at(asked, at(0), at(0)), answer, "{asked:?}");
        }
    }

    #[test]
    fn an_update_cannot_stretch_the_lifetime_beyond_the_creation() {
        let answer = Policy::default().expires_at(Expiry::In(Lifetime::days(300)), at(0), at(100 * DAY));
        assert_eq!(answer, Err(ExpiryError::TooLate { latest: at(365 * DAY) }));
    }

    proptest! {
        #[test]
        fn whatever_is_asked_an_accepted_expiry_lies_within_the_policy(days in 0..5000u32, created in 0..400i64, waited in 0..400i64) {
            let policy = Policy::default();
            let now = at((created + waited) * DAY);
            if let Ok(Some(end)) = policy.expires_at(Expiry::In(Lifetime::days(days)), at(created * DAY), now) {
                prop_assert!(end > now && end <= at((created + 365) * DAY));
            }
        }
    }
}
