//! Which tokens have expired at an instant.

use crate::{
    time::{Lifetime, UnixMillis},
    token::Token,
};

/// The maximum lifetimes of tokens under a policy; `None` means unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct MaxLifetimes {
    /// Of every token, counted from the creation of its secret.
    pub total: Option<Lifetime>,
    /// Of a token without an expiry, counted from the creation of its secret.
    pub without_expiry: Option<Lifetime>,
    /// Counted from creation, start of validity, or last use, whichever is latest.
    pub idle: Option<Lifetime>,
}

impl MaxLifetimes {
    pub(crate) fn cutoffs(self, now: UnixMillis) -> ExpiryCutoffs {
        ExpiryCutoffs {
            now,
            created_cutoff: cutoff(now, self.total),
            no_expiry_cutoff: cutoff(now, self.without_expiry),
            idle_cutoff: cutoff(now, self.idle),
            max_lifetimes: self,
        }
    }
}

fn cutoff(now: UnixMillis, lifetime: Option<Lifetime>) -> Option<UnixMillis> {
    now.checked_sub(lifetime?)
}

/// A policy evaluated at one instant: decides which tokens have expired. The database uses the same instants and
/// lifetimes. Created by [`Policy::cutoffs`](crate::Policy::cutoffs).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExpiryCutoffs {
    /// The instant; a token whose expiry is at or before it has expired.
    pub now: UnixMillis,
    /// A token whose secret was created at or before this instant has expired.
    pub created_cutoff: Option<UnixMillis>,
    /// A token without an expiry whose secret was created at or before this instant has expired.
    pub no_expiry_cutoff: Option<UnixMillis>,
    /// A token that was created, became valid and was last used at or before this instant has expired.
    pub idle_cutoff: Option<UnixMillis>,
    /// The lifetimes from which the cutoffs are derived, for tokens that are evaluated at a later instant.
    pub max_lifetimes: MaxLifetimes,
}

impl ExpiryCutoffs {
    /// The same policy at `at`, if that is later. An expiry that was recorded or reported at `at` thus remains when the
    /// clock goes back.
    #[must_use]
    pub fn no_earlier_than(&self, at: Option<UnixMillis>) -> Self {
        match at {
            Some(at) if at > self.now => self.max_lifetimes.cutoffs(at),
            _ => *self,
        }
    }

    /// Whether the token has expired; equality counts. A token with a recorded expiry is evaluated no earlier than
    /// then.
    #[must_use]
    pub fn is_expired(&self, token: &Token) -> bool {
        self.no_earlier_than(token.expiry_noted_at).is_expired_now(token)
    }

    /// Whether the token expired before `cutoff`, so that it can be deleted. An expiry by policy counts from when it
    /// was recorded, so that a new policy does not delete tokens immediately.
    #[must_use]
    pub fn expired_before(&self, token: &Token, cutoff: UnixMillis) -> bool {
        token.expires_at.is_some_and(|expiry| expiry < cutoff)
            || (token.expiry_noted_at.is_some_and(|recorded| recorded < cutoff) && self.is_expired(token))
    }

    fn is_expired_now(&self, token: &Token) -> bool {
        let last_active =
            [Some(token.secret_at), token.not_before, token.last_used_at].into_iter().flatten().max();
        token.expires_at.is_some_and(|expiry| self.now >= expiry)
            || is_at_or_before(Some(token.secret_at), self.created_cutoff)
            || (token.expires_at.is_none() && is_at_or_before(Some(token.secret_at), self.no_expiry_cutoff))
            || is_at_or_before(last_active, self.idle_cutoff)
    }
}

/// `false` if one of the two is missing.
fn is_at_or_before(at: Option<UnixMillis>, cutoff: Option<UnixMillis>) -> bool {
    at.zip(cutoff).is_some_and(|(at, cutoff)| at <= cutoff)
}
