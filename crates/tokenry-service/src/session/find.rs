//! The caller of a session, decided on the rows of now.

use tokenry_crypto::SessionSecret;
use tokenry_domain::{Actor, ClientInfo, Lifetime, Session, SessionEnd, Token, UnixMillis, User};
use tokenry_store::{StoreError, session};

use super::{Live, end::Ending};
use crate::{
    audit::AuditContext,
    caller::{Caller, CredentialKind, Person},
    tokenry::Tokenry,
    verified::{Rejection, VerifyError},
};

/// A use is noted once in this span at most.
const NOTED: Lifetime = Lifetime::seconds(60);

impl Tokenry {
    /// Decides who the holder of this cookie is at `now`, and what they may do. It blocks the thread.
    ///
    /// The session, its user and the token that it was begun with are read as they are now, and the token is judged by
    /// the very rules of [`verify`](Self::verify). A session that is over is removed, and stays over, unless only a clock
    /// that may be far ahead says so.
    ///
    /// # Errors
    /// [`VerifyError`]; unknown and over is one rejection, [`Rejection::Unknown`].
    pub fn session(
        &self,
        presented: &[u8],
        now: UnixMillis,
        client: &ClientInfo,
    ) -> Result<Caller, VerifyError> {
        let unknown = VerifyError::Rejected(Rejection::Unknown);
        let Some(secret) = SessionSecret::parse(presented) else { return Err(unknown) };
        let digest = secret.digest();
        let found = self.0.store.read(|tx| match session::find(tx, &digest)? {
            Some(session) => Live::read(tx, &session, client.ip).map(|live| Some((session, live))),
            None => Ok::<_, StoreError>(None),
        })?;
        let Some((session, live)) = found else { return Err(unknown) };
        if let Err(over) = self.over(&session, &live, now) {
            if over.is_for_good {
                self.end_found(session, over.end, now, client)?;
            }
            return Err(unknown);
        }
        let Some(user) = live.user else { return Err(unknown) };
        self.note_seen(&session, now);
        Ok(self.caller_of(session, user, live.token))
    }

    fn caller_of(&self, session: Session, user: User, token: Option<Token>) -> Caller {
        let effective = match &token {
            Some(token) => self.0.rules.catalog.effective(&token.scopes, &user.role),
            None => self.rights_under(&user, session.max_role.as_ref()),
        };
        let max_role = session.max_role.clone();
        let credential = CredentialKind::Session;
        Caller::person(Person { user, effective, credential, max_role, session: Some(session), token })
    }

    /// Nobody waits for it: the session of a database that cannot be written counts as idle sooner.
    fn note_seen(&self, session: &Session, now: UnixMillis) {
        if session.seen_at <= now.saturating_sub(NOTED) {
            self.0.uses.waiting().sessions.note(session.id, now);
        }
    }

    fn end_found(
        &self,
        session: Session,
        end: SessionEnd,
        now: UnixMillis,
        client: &ClientInfo,
    ) -> Result<(), StoreError> {
        let audit = AuditContext { actor: Actor::System, at: now, client: client.clone() };
        self.0.store.write(move |tx| Ending::take(tx, vec![(session, end)])?.tell(tx, &audit))
    }
}
