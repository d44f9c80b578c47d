//! Browser sessions, identified by a cookie.

use std::net::IpAddr;

use strum::IntoStaticStr;

use crate::{
    id::{SessionId, TokenId, UserId},
    role::Role,
    time::{Lifetime, UnixMillis},
    token::PublicId,
};

/// A stored session. Its permissions are evaluated at each request.
///
/// Exhaustive, so that a new attribute does not compile until the store reads and writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The id; not the secret of the cookie.
    pub id: SessionId,
    /// The user who signed in.
    pub user_id: UserId,
    /// The credential that started it.
    pub proof: SessionProof,
    /// The role that the JWT or ID token of the sign-in claimed, an upper bound of the session; `None` if no role was claimed.
    pub max_role: Option<Role>,
    /// When it started.
    pub created_at: UnixMillis,
    /// When it was last used, up to a minute late.
    pub seen_at: UnixMillis,
    /// The instant from which it has expired, regardless of its use.
    pub expires_at: UnixMillis,
    /// The address that started it.
    pub ip: Option<IpAddr>,
    /// The user agent of the browser.
    pub user_agent: Option<String>,
}

impl Session {
    /// Whether it has expired, or was not used for `idle`.
    #[must_use]
    pub fn is_expired(&self, now: UnixMillis, idle: Option<Lifetime>) -> bool {
        let idle_expiry = idle.and_then(|idle| self.seen_at.checked_add(idle));
        now >= self.expires_at || idle_expiry.is_some_and(|expiry| now >= expiry)
    }
}

/// The credential that started a session.
///
/// Exhaustive, so that a new kind does not compile until each request checks the state of its credential.
#[derive(Debug, Clone, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum SessionProof {
    /// A token, which limits the session; the session ends with it.
    #[strum(serialize = "pat")]
    Token {
        /// The token.
        id: TokenId,
        /// The public id of its secret at the sign-in. A different current one means that the token was rotated since.
        public_id: PublicId,
    },
    /// A JWT of a configured issuer.
    Jwt,
    /// A sign-in at an OpenID provider.
    #[strum(serialize = "oidc")]
    Provider {
        /// The id of the provider in the settings.
        id: String,
    },
    /// A user authenticated by a trusted proxy or by the embedding program.
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
        self.into()
    }
}

/// The stored digest of a cookie's secret. Not `Debug` and not comparable.
#[derive(Clone)]
pub struct SessionDigest([u8; 32]);

impl SessionDigest {
    /// Wraps created or stored bytes.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum SessionEnd {
    /// The user signed out.
    SignedOut,
    /// It expired or was idle for too long.
    Expired,
    /// The token that started it was revoked, rotated, paused or expired.
    TokenEnded,
    /// It was used from an address that its token does not allow.
    AddressNotAllowed,
    /// Its user was disabled or deleted.
    UserDisabled,
    /// The subject of its user changed.
    AccountChanged,
    /// The sign-in method was disabled.
    #[strum(serialize = "way_closed")]
    MethodDisabled,
    /// Another sign-in replaced it.
    Replaced,
}

impl SessionEnd {
    /// Its name in the audit log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> UnixMillis {
        UnixMillis::new(millis).unwrap()
    }

    fn session(seen: i64) -> Session {
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

    fn is_expired(seen: i64, now: i64, idle: Option<u32>) -> bool {
        session(seen).is_expired(at(now), idle.map(Lifetime::seconds))
    }

    #[test]
    fn a_session_expires_at_its_expiry_and_when_idle() {
        assert!(!is_expired(0, 99_999, None) && is_expired(99_999, 100_000, None));
        assert!(
            !is_expired(0, 29_999, Some(30))
                && is_expired(0, 30_000, Some(30))
                && !is_expired(1, 30_000, Some(30))
        );
    }

    #[test]
    fn the_names_of_credentials_and_ends_are_stable() {
        let now = UnixMillis::MIN;
        let token = SessionProof::Token {
            id: TokenId::new(now, [1; 10]),
            public_id: PublicId::from_stored("pat_x".to_owned()),
        };
        assert_eq!(
            [token, SessionProof::Jwt, SessionProof::Provider { id: "x".to_owned() }, SessionProof::Proxy]
                .each_ref()
                .map(SessionProof::as_str),
            ["pat", "jwt", "oidc", "proxy"]
        );
        for (end, name) in [
            (SessionEnd::SignedOut, "signed_out"),
            (SessionEnd::Expired, "expired"),
            (SessionEnd::TokenEnded, "token_ended"),
            (SessionEnd::AddressNotAllowed, "address_not_allowed"),
            (SessionEnd::UserDisabled, "user_disabled"),
            (SessionEnd::AccountChanged, "account_changed"),
            (SessionEnd::MethodDisabled, "way_closed"),
            (SessionEnd::Replaced, "replaced"),
        ] {
            assert_eq!(end.as_str(), name);
        }
    }
}
