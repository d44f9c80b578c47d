//! The policy for tokens and their lifetimes: the same rules apply at create, update, rotate and every verification.

use strum::{Display, EnumString, VariantArray};
use thiserror::Error;

use crate::{
    cutoffs::{ExpiryCutoffs, MaxLifetimes},
    time::{Lifetime, UnixMillis},
    token::Token,
};

/// The rules for tokens; [`Policy::default`] is the documented default.
///
/// ```
/// use tokenry_domain::{Lifetime, Policy};
///
/// let policy = Policy::default().with_max_lifetime(Some(Lifetime::days(30)));
/// assert!(!policy.allow_never);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Policy {
    /// How many tokens, and how fast.
    pub limits: Limits,
    /// The lifetime of a token without a requested expiry; `None` means unlimited. Default 90 days.
    pub default_lifetime: Option<Lifetime>,
    /// The maximum lifetime of a secret, counted from its creation; `None` means unlimited. Default 365 days.
    pub max_lifetime: Option<Lifetime>,
    /// Whether a token may have no expiry. Default `false`.
    pub allow_never: bool,
    /// A token expires after this long without a use; `None` means never. Default `None`.
    pub idle_lifetime: Option<Lifetime>,
    /// The maximum time that a retired secret remains valid after a rotation. Default 24 hours.
    pub max_grace: Lifetime,
    /// What happens when a retired secret is used after its grace. Default [`ReusePolicy::Alert`].
    pub on_reuse: ReusePolicy,
}

/// What happens when a retired secret is used after its grace: a client lacks the new secret, or the old one was
/// stolen.
///
/// Exhaustive, so that a new reaction does not compile until verification carries it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, EnumString, VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = ParseReuseError, parse_err_fn = not_a_reuse_policy)]
pub enum ReusePolicy {
    /// Records it in the audit log.
    Record,
    /// Records it in the audit log and logs a warning.
    Alert,
    /// Records it, logs a warning, and revokes the token.
    Revoke,
}

impl ReusePolicy {
    /// Every reaction.
    pub const ALL: &'static [Self] = Self::VARIANTS;
}

/// The text is not a reuse policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be record, alert or revoke")]
pub struct ParseReuseError;

fn not_a_reuse_policy(_: &str) -> ParseReuseError {
    ParseReuseError
}

/// Limits per user, enforced exactly in the transaction that creates a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The maximum number of tokens that are neither revoked nor expired; `None` means no limit. Default 10.
    pub max_live_tokens: Option<u32>,
    /// The maximum number of tokens created within any 60 minutes; `None` means no limit. Default 5.
    pub creations_per_hour: Option<u32>,
}

impl Limits {
    /// The sliding window of [`creations_per_hour`](Self::creations_per_hour).
    pub const CREATION_WINDOW: Lifetime = Lifetime::seconds(3600);

    /// No limits.
    #[must_use]
    pub fn unlimited() -> Self {
        Self { max_live_tokens: None, creations_per_hour: None }
    }
}

impl Limits {
    crate::setters! {
        with_max_live_tokens(max_live_tokens: Option<u32>),
        with_creations_per_hour(creations_per_hour: Option<u32>),
    }
}

impl Policy {
    crate::setters! {
        with_limits(limits: Limits),
        with_default_lifetime(default_lifetime: Option<Lifetime>),
        with_max_lifetime(max_lifetime: Option<Lifetime>),
        with_allow_never(allow_never: bool),
        with_idle_lifetime(idle_lifetime: Option<Lifetime>),
        with_max_grace(max_grace: Lifetime),
        with_on_reuse(on_reuse: ReusePolicy),
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_live_tokens: Some(10), creations_per_hour: Some(5) }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            default_lifetime: Some(Lifetime::days(90)),
            max_lifetime: Some(Lifetime::days(365)),
            allow_never: false,
            idle_lifetime: None,
            max_grace: Lifetime::days(1),
            on_reuse: ReusePolicy::Alert,
        }
    }
}

/// The requested expiry of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expiry {
    /// The default of the policy.
    Default,
    /// Never.
    Never,
    /// At this instant.
    At(UnixMillis),
    /// This long after now.
    In(Lifetime),
}

/// Why an expiry was rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ExpiryError {
    /// Sooner than [`Policy::MIN_LIFETIME`] from now, or in the past.
    #[error("must be at least 60 seconds from now")]
    TooSoon,
    /// Later than the maximum lifetime allows, or after [`UnixMillis::MAX`].
    #[error("must be at most {latest}")]
    TooLate {
        /// The latest instant allowed.
        latest: UnixMillis,
    },
    /// The policy requires an expiry.
    #[error("must be set: tokens without an expiry are not allowed")]
    NeverForbidden,
}

impl Policy {
    /// The minimum lifetime that can be requested.
    pub const MIN_LIFETIME: Lifetime = Lifetime::seconds(60);

    /// Decides the expiry of a token whose secret was created at `created`, for a request at `now`.
    ///
    /// A default beyond the maximum is reduced to the maximum.
    ///
    /// # Errors
    /// [`ExpiryError`] names the violated rule.
    pub fn expires_at(
        &self,
        requested: Expiry,
        created: UnixMillis,
        now: UnixMillis,
    ) -> Result<Option<UnixMillis>, ExpiryError> {
        let latest = match self.max_lifetime {
            Some(max) => created.checked_add(max).unwrap_or(UnixMillis::MAX),
            None => UnixMillis::MAX,
        };
        let expiry = match requested {
            Expiry::Never => None,
            Expiry::At(expiry) => Some(expiry),
            Expiry::In(lifetime) => Some(now.checked_add(lifetime).ok_or(ExpiryError::TooLate { latest })?),
            Expiry::Default => {
                self.default_lifetime.map(|lifetime| now.checked_add(lifetime).unwrap_or(latest).min(latest))
            }
        };
        match expiry {
            None if self.allow_never => Ok(None),
            None => Err(ExpiryError::NeverForbidden),
            Some(expiry) if now.checked_add(Self::MIN_LIFETIME).is_none_or(|earliest| expiry < earliest) => {
                Err(ExpiryError::TooSoon)
            }
            Some(expiry) if expiry > latest => Err(ExpiryError::TooLate { latest }),
            Some(expiry) => Ok(Some(expiry)),
        }
    }

    /// When `token` expires, by its own expiry or by this policy, whichever is earlier, without regard to its use;
    /// `None` means never.
    #[must_use]
    pub fn effective_expiry(&self, token: &Token) -> Option<UnixMillis> {
        let max_lifetime = match token.expires_at {
            Some(_) => self.max_lifetime,
            None => self.max_without_expiry(),
        };
        let latest =
            max_lifetime.map(|lifetime| token.secret_at.checked_add(lifetime).unwrap_or(UnixMillis::MAX));
        match (token.expires_at, latest) {
            (Some(expiry), Some(latest)) => Some(expiry.min(latest)),
            (expiry, latest) => expiry.or(latest),
        }
    }

    /// The cutoffs that decide which tokens have expired at `now`.
    #[must_use]
    pub fn cutoffs(&self, now: UnixMillis) -> ExpiryCutoffs {
        let lifetimes = MaxLifetimes {
            total: self.max_lifetime,
            without_expiry: self.max_without_expiry(),
            idle: self.idle_lifetime,
        };
        lifetimes.cutoffs(now)
    }

    /// The maximum lifetime of a token without an expiry, for example one created under another policy.
    fn max_without_expiry(&self) -> Option<Lifetime> {
        match self.max_lifetime {
            None if self.allow_never => None,
            None => Some(self.default_lifetime.unwrap_or(Lifetime::seconds(0))),
            max => max,
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
    fn a_token_without_a_requested_expiry_gets_the_default() {
        let policy = Policy::default();
        assert_eq!(policy.expires_at(Expiry::Default, at(0), at(0)), Ok(Some(at(90 * DAY))));
        let short = Policy { max_lifetime: Some(Lifetime::days(30)), ..policy };
        assert_eq!(short.expires_at(Expiry::Default, at(0), at(0)), Ok(Some(at(30 * DAY))));
    }

    #[test]
    fn lifetimes_outside_the_policy_are_rejected() {
        let policy = Policy::default();
        let latest = at(365 * DAY);
        for (requested, result) in [
            (Expiry::Never, Err(ExpiryError::NeverForbidden)),
            (Expiry::At(at(0)), Err(ExpiryError::TooSoon)),
            (Expiry::At(at(59_999)), Err(ExpiryError::TooSoon)),
            (Expiry::At(at(60_000)), Ok(Some(at(60_000)))),
            (Expiry::In(Lifetime::days(365)), Ok(Some(latest))),
            (Expiry::At(at(365 * DAY + 1)), Err(ExpiryError::TooLate { latest })),
            (Expiry::In(Lifetime::days(u32::MAX)), Err(ExpiryError::TooLate { latest })),
        ] {
            assert_eq!(policy.expires_at(requested, at(0), at(0)), result, "{requested:?}");
        }
    }

    #[test]
    fn an_update_cannot_extend_the_lifetime_beyond_the_maximum_from_creation() {
        let result = Policy::default().expires_at(Expiry::In(Lifetime::days(300)), at(0), at(100 * DAY));
        assert_eq!(result, Err(ExpiryError::TooLate { latest: at(365 * DAY) }));
    }

    proptest! {
        #[test]
        fn every_accepted_expiry_is_within_the_policy(days in 0..5000u32, created in 0..400i64, waited in 0..400i64) {
            let policy = Policy::default();
            let now = at((created + waited) * DAY);
            if let Ok(Some(expiry)) = policy.expires_at(Expiry::In(Lifetime::days(days)), at(created * DAY), now) {
                prop_assert!(expiry > now && expiry <= at((created + 365) * DAY));
            }
        }
    }

    #[test]
    fn the_names_of_reuse_policies_are_stable_and_round_trip() {
        for (policy, name) in
            [(ReusePolicy::Record, "record"), (ReusePolicy::Alert, "alert"), (ReusePolicy::Revoke, "revoke")]
        {
            assert_eq!((policy.to_string().as_str(), name.parse()), (name, Ok(policy)));
        }
        assert_eq!("Revoke".parse::<ReusePolicy>(), Err(ParseReuseError));
    }
}
