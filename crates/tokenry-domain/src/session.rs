//! A sign-in that a browser holds by a cookie.

use std::net::IpAddr;

use crate::{
    id::{SessionId, TokenId, UserId},
    role::Role,
    time::{Lifetime, UnixMillis},
    token::PublicId,
};

/// A sign-in, as it is stored. What it may do is decided anew at each request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its id; not the secret of its cookie.
    pub id: SessionId,
    /// Who signed in.
    pub user_id: UserId,
    /// What they signed in with.
    pub proof: SessionProof,
    /// The role that the JWT of the sign-in claimed, which the session never goes beyond; `None` where nobody claimed
    /// one.
    pub max_role: Option<Role>,
    /// When it began.
    pub created_at: UnixMillis,
    /// When it was last used, up to a minute late.
    pub seen_at: UnixMillis,
    /// From this instant on it is over, however much it is used.
    pub expires_at: UnixMillis,
    /// From where it was begun.
    pub ip: Option<IpAddr>,
    /// What the browser calls itself.
    pub user_agent: Option<String>,
}

impl Session {
    /// Whether its time is over, or nobody used it for `idle`.
    #[must_use]
    pub fn is_expired(&self, now: UnixMillis, idle: Option<Lifetime>) -> bool {
        let is_idle = |span: Lifetime| self.seen_at.checked_add(span).is_some_and(|end| now >= end);
        now >= self.expires_at || idle.is_some_and(is_idle)
    }
}

/// What somebody signed in with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionProof {
    /// A token, which the session is bound by and ends with.
    Token {
        /// The token.
        id: TokenId,
        /// The public id that its secret had then: another one means that the token was rotated since.
        public_id: PublicId,
    },
    /// A JWT of a configured issuer.
    Jwt,
    /// The word of a trusted proxy, or of the embedding program.
    Proxy,
}

impl SessionProof {
    /// The token, if it was one.
    #[must_use]
    pub fn token_id(&self) -> Option<TokenId> {
        if let Self::Token { id, .. } = self { Some(*id) } else { None }
    }

    /// Its name in the API, the database and the audit log.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Token { .. } => "pat",
            Self::Jwt => "jwt",
            Self::Proxy => "proxy",
        }
    }
}

/// What is stored of a cookie's secret: a digest of it. Not `Debug` and not comparable.
#[derive(Clone)]
pub struct SessionDigest([u8; 32]);

impl SessionDigest {
    /// Wraps what was made or read back.
    #[must_use]
    pub fn from_stored(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes for the column.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionEnd {
    /// Whoever had it signed out.
    SignedOut,
    /// Its time was over, or nobody used it for too long.
    Expired,
    /// The token it was begun with was revoked, rotated, paused or ran out.
    TokenEnded,
    /// It was used from an address that its token may not be used from.
    AddressNotAllowed,
    /// Its user was disabled or removed.
    UserDisabled,
    /// Its account was given to somebody else: another subject.
    AccountChanged,
    /// What it was begun with is not accepted here any more.
    MethodDisabled,
    /// Somebody signed in again in its place, or too often.
    Replaced,
}

impl SessionEnd {
    /// Its name in the audit log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SignedOut => "signed_out",
            Self::Expired => "expired",
            Self::TokenEnded => "token_ended",
            Self::AddressNotAllowed => "address_not_allowed",
            Self::UserDisabled => "user_disabled",
            Self::AccountChanged => "account_changed",
            Self::MethodDisabled => "way_closed",
            Self::Replaced => "replaced",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(seen: i64) -> Session {
        let at = |millis| UnixMillis::new(millis).unwrap();
        Session {
            id: SessionId::new(at(0), [1; 10]),
            user_id: UserId::new(at(0), [2; 10]),
            proof: SessionProof::Jwt,
            max_role: None,
            created_at: at(0),
            seen_at: at(seen),
            expires_at: at(100_000),
            ip: None,
            user_agent: None,
        }
    }

    #[test]
    fn a_session_is_over_at_its_end_and_when_nobody_used_it() {
        let over = |seen, now, idle: Option<u32>| {
            session(seen).is_expired(UnixMillis::new(now).unwrap(), idle.map(Lifetime::seconds))
        };
        assert!(!over(0, 99_999, None) && over(99_999, 100_000, None));
        assert!(!over(0, 29_999, Some(30)) && over(0, 30_000, Some(30)) && !over(1, 30_000, Some(30)));
    }
}
