//! Authenticates the caller of a session by the current rows.

use tokenry_crypto::SessionSecret;
use tokenry_domain::{Actor, ClientInfo, Lifetime, Session, SessionEnd, Token, UnixMillis, User};
use tokenry_store::{StoreError, session};

use super::{Live, ended::EndedSessions};
use crate::{
    audit::AuditContext,
    caller::{Caller, CredentialKind, SignedInUser},
    tokenry::Tokenry,
    verified::VerifyError,
};

/// A use is recorded at most once in this span.
const SEEN_INTERVAL: Lifetime = Lifetime::seconds(60);

impl Tokenry {
    /// Authenticates the holder of this cookie at `now`. Blocks the thread.
    ///
    /// The current rows of the session, its user and the token that started it are read, and the token is checked by
    /// the same rules as in [`verify`](Self::verify). An ended session is removed, unless it only expired by a clock
    /// that may be far ahead.
    ///
    /// # Errors
    /// [`VerifyError`]; unknown and ended sessions get the same rejection,
    /// [`Rejection::Unknown`](crate::Rejection::Unknown).
    pub fn session(
        &self,
        presented: &[u8],
        now: UnixMillis,
        client: &ClientInfo,
    ) -> Result<Caller, VerifyError> {
        let Some(secret) = SessionSecret::parse(presented) else { return Err(VerifyError::unknown()) };
        let digest = secret.digest();
        self.await_moment()?;
        let found = self.0.store.read(|tx| match session::find(tx, &digest)? {
            Some(session) => Live::read(tx, &session, client.ip).map(|live| Some((session, live))),
            None => Ok::<_, StoreError>(None),
        })?;
        let Some((session, live)) = found else { return Err(VerifyError::unknown()) };
        if let Err(rejection) = self.check_session(&session, &live, now) {
            if rejection.ends_session {
                self.end_found(session, rejection.end, now, client)?;
            }
            return Err(VerifyError::unknown());
        }
        let Some(user) = live.user else { return Err(VerifyError::unknown()) };
        self.record_seen(&session, now);
        Ok(self.caller_of(session, user, live.token))
    }

    fn caller_of(&self, session: Session, user: User, token: Option<Token>) -> Caller {
        let effective = match &token {
            Some(token) => self.0.rules.catalog.effective(&token.scopes, &user.role),
            None => self.permissions_under(&user, session.max_role.as_ref()),
        };
        let max_role = session.max_role.clone();
        let credential = CredentialKind::Session;
        Caller::signed_in(SignedInUser {
            user,
            effective,
            credential,
            max_role,
            session: Some(session),
            token,
        })
    }

    /// Records the use after the response: if the database cannot be written, the session counts as idle sooner.
    fn record_seen(&self, session: &Session, now: UnixMillis) {
        if session.seen_at <= now.saturating_sub(SEEN_INTERVAL) {
            self.0.uses.pending().sessions.record(session.id, now);
        }
    }

    fn end_found(
        &self,
        session: Session,
        end: SessionEnd,
        now: UnixMillis,
        client: &ClientInfo,
    ) -> Result<(), StoreError> {
        let audit = AuditContext::new(Actor::System, now, client.clone());
        self.0.store.write(move |tx| EndedSessions::take(tx, vec![(session, end)])?.record(tx, &audit))
    }
}
