//! Sign-ins of browsers: begun in [`start`], decided at each request in [`find`], ended in [`end`].
//!
//! A session is no second kind of right. One that was begun with a token is bound by that token as it is now, and ends
//! with it; any other has what its user's role has now. Of the cookie's secret the database holds a digest.

pub(crate) mod end;
pub(crate) mod find;
mod proxy;
pub(crate) mod seen;
pub(crate) mod start;

use std::net::IpAddr;

use serde_json::Value;
use tokenry_domain::{
    AuditEvent, EffectivePermissions, EventKind, Role, Session, SessionEnd, SessionProof, Token, UnixMillis,
    User,
};
use tokenry_store::{StoreError, Tx};

use crate::{
    audit::{AuditContext, append, detail},
    settings::SessionSettings,
    tokenry::Tokenry,
    verified::{Rejection, judge},
};

impl Tokenry {
    /// How long sessions last.
    #[must_use]
    pub fn session_settings(&self) -> SessionSettings {
        self.0.session
    }

    /// Whether somebody can come with a JWT: there are issuers.
    #[must_use]
    pub fn jwt_enabled(&self) -> bool {
        #[cfg(feature = "jwt")]
        return self.0.sign_in.is_some();
        #[cfg(not(feature = "jwt"))]
        false
    }

    /// What somebody of this role may do whom an issuer gave that role: of two different ones, what both may.
    pub(crate) fn rights_under(&self, user: &User, max_role: Option<&Role>) -> EffectivePermissions {
        let stored = self.0.rules.catalog.of_role(&user.role);
        match max_role {
            Some(role) if *role != user.role => stored.intersection(&self.0.rules.catalog.of_role(role)),
            _ => stored,
        }
    }

    /// Why a session is over at `now`, by its user and the token it was begun with as they are now; `None` while it is
    /// not. What of a token refuses by address is for the caller to judge.
    fn over(&self, session: &Session, live: &Live, now: UnixMillis) -> Result<(), Over> {
        if session.is_expired(now, self.0.session.idle) {
            return Err(Over { end: SessionEnd::Expired, is_for_good: !self.doubts_clock(now) });
        }
        let user = live.user.as_ref().filter(|user| !user.is_disabled()).ok_or(SessionEnd::UserDisabled)?;
        let public_id = match &session.proof {
            SessionProof::Token { public_id, .. } => public_id,
            SessionProof::Jwt if !self.jwt_enabled() => return Err(SessionEnd::MethodDisabled.into()),
            SessionProof::Jwt | SessionProof::Proxy => return Ok(()),
        };
        // SECURITY: a rotated token has another public id; whoever knows only the old secret is out.
        let token =
            live.token.as_ref().filter(|token| token.public_id == *public_id && token.user_id == user.id);
        let token = token.ok_or(SessionEnd::TokenEnded)?;
        let judged_at = self.0.ends.secrets.no_earlier(now, || token.public_id.clone());
        match judge(token, user, &self.0.rules.cutoffs(judged_at), live.source) {
            Ok(()) => Ok(()),
            Err(Rejection::Expired) => {
                let is_for_good = !self.doubts_clock(now);
                if is_for_good {
                    self.0.ends.token_is_over(token, judged_at);
                }
                Err(Over { end: SessionEnd::TokenEnded, is_for_good })
            }
            Err(Rejection::AddressNotAllowed) => Err(SessionEnd::AddressNotAllowed.into()),
            Err(Rejection::OwnerDisabled) => Err(SessionEnd::UserDisabled.into()),
            Err(_) => Err(SessionEnd::TokenEnded.into()),
        }
    }
}

/// Why a session is refused.
struct Over {
    end: SessionEnd,
    /// Whether it ends by that; otherwise only a clock that may be far ahead says so.
    is_for_good: bool,
}

impl From<SessionEnd> for Over {
    fn from(end: SessionEnd) -> Self {
        Self { end, is_for_good: true }
    }
}

/// What a session is decided by.
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

/// Tells the audit log of the beginning of a session, or of its end.
fn tell(
    tx: &mut Tx<'_>,
    audit: &AuditContext,
    session: &Session,
    end: Option<SessionEnd>,
) -> Result<(), StoreError> {
    append(tx, &[event(audit, session, end)])
}

fn event(audit: &AuditContext, session: &Session, end: Option<SessionEnd>) -> AuditEvent {
    let mut fields = detail([
        ("session_id", Value::from(session.id.to_string())),
        ("credential", Value::from(session.proof.as_str())),
    ]);
    let kind = match end {
        None => EventKind::SessionStarted,
        Some(end) => {
            fields.insert("reason".to_owned(), Value::from(end.as_str()));
            EventKind::SessionEnded
        }
    };
    audit.event(kind, Some(session.user_id), session.proof.token_id(), fields)
}
