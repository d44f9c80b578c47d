//! Browser sessions: started in `start`, checked at each request in `find`, ended in `end`.
//!
//! A session has no permissions of its own. One that was started with a token is limited by that token's current state
//! and ends with it; any other has the permissions of its user's current role. The database stores a digest of the
//! cookie's secret.

pub(crate) mod end;
pub(crate) mod ended;
pub(crate) mod find;
mod proxy;
pub(crate) mod seen;
pub(crate) mod start;

use std::net::IpAddr;

use tokenry_domain::{
    EffectivePermissions, Role, Session, SessionEnd, SessionProof, Token, UnixMillis, User,
};
use tokenry_store::{StoreError, Tx};

use crate::{
    settings::SessionSettings,
    tokenry::Tokenry,
    verified::{Rejection, check_state},
};

impl Tokenry {
    /// The settings of sessions.
    #[must_use]
    pub fn session_settings(&self) -> SessionSettings {
        self.0.session
    }

    /// Whether JWTs are accepted: issuers are configured.
    #[must_use]
    pub fn jwt_enabled(&self) -> bool {
        #[cfg(feature = "jwt")]
        return self.0.sign_in.is_some();
        #[cfg(not(feature = "jwt"))]
        false
    }

    /// Whether an OpenID provider with this id is configured.
    fn has_provider(&self, id: &str) -> bool {
        #[cfg(feature = "jwt")]
        return self.0.oidc.as_ref().is_some_and(|oidc| oidc.find(id).is_some());
        #[cfg(not(feature = "jwt"))]
        {
            let _ = id;
            false
        }
    }

    /// The permissions of a user whose issuer claimed `max_role`: the intersection of both roles.
    pub(crate) fn permissions_under(&self, user: &User, max_role: Option<&Role>) -> EffectivePermissions {
        let stored = self.0.rules.catalog.user_permissions(&user.role);
        match max_role {
            Some(role) if *role != user.role => {
                stored.intersection(&self.0.rules.catalog.user_permissions(role))
            }
            _ => stored,
        }
    }

    /// Rejects a session that has ended at `now`, by the current state of its user and of the token that started it.
    fn check_session(&self, session: &Session, live: &Live, now: UnixMillis) -> Result<(), SessionRejection> {
        if session.is_expired(now, self.0.session.idle) {
            return Err(SessionRejection { end: SessionEnd::Expired, ends_session: !self.doubts_clock(now) });
        }
        let user = live.user.as_ref().filter(|user| !user.is_disabled()).ok_or(SessionEnd::UserDisabled)?;
        let public_id = match &session.proof {
            SessionProof::Token { public_id, .. } => public_id,
            SessionProof::Jwt if !self.jwt_enabled() => return Err(SessionEnd::MethodDisabled.into()),
            SessionProof::Provider { id } if !self.has_provider(id) => {
                return Err(SessionEnd::MethodDisabled.into());
            }
            SessionProof::Jwt | SessionProof::Provider { .. } | SessionProof::Proxy => return Ok(()),
        };
        // SECURITY: a rotated token has another public id, so a session that was started with the retired secret ends.
        let token =
            live.token.as_ref().filter(|token| token.public_id == *public_id && token.user_id == user.id);
        let token = token.ok_or(SessionEnd::TokenEnded)?;
        let evaluated_at = self.0.expiries.secrets.evaluation_instant(now, || token.public_id.clone());
        match check_state(token, user, &self.0.rules.cutoffs(evaluated_at), live.source) {
            Ok(()) => Ok(()),
            Err(Rejection::Expired) => {
                let ends_session = !self.doubts_clock(now);
                if ends_session {
                    self.0.expiries.record_token(token, evaluated_at);
                }
                Err(SessionRejection { end: SessionEnd::TokenEnded, ends_session })
            }
            Err(Rejection::AddressNotAllowed) => Err(SessionEnd::AddressNotAllowed.into()),
            Err(Rejection::OwnerDisabled) => Err(SessionEnd::UserDisabled.into()),
            Err(_) => Err(SessionEnd::TokenEnded.into()),
        }
    }
}

/// Why a session is rejected.
struct SessionRejection {
    end: SessionEnd,
    /// Whether the session is ended too; not if it only expired by a clock that may be far ahead.
    ends_session: bool,
}

impl From<SessionEnd> for SessionRejection {
    fn from(end: SessionEnd) -> Self {
        Self { end, ends_session: true }
    }
}

/// The rows that a session is checked against.
struct Live {
    user: Option<User>,
    token: Option<Token>,
    source: Option<IpAddr>,
}

impl Live {
    fn read(tx: &mut Tx<'_>, session: &Session, source: Option<IpAddr>) -> Result<Self, StoreError> {
        let token = match session.proof.token_id() {
            Some(id) => tokenry_store::token::find(tx, id)?,
            None => None,
        };
        Ok(Self { user: tokenry_store::user::find(tx, session.user_id)?, token, source })
    }
}
