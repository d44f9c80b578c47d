//! Ends sessions: on sign-out, together with the token that started them, and on expiry.

use tokenry_crypto::SessionSecret;
use tokenry_domain::{Actor, ClientInfo, Session, SessionEnd, UnixMillis};
use tokenry_store::{StoreError, Tx, session, user};

use super::{Live, ended::EndedSessions};
use crate::{
    audit::AuditContext, caller::RequestContext, caller_lock::CallerLock, cleanup::CleanupError,
    tokenry::Tokenry,
};

/// How many sessions one transaction checks.
const BATCH: u16 = 200;

impl Tokenry {
    /// Ends the session of this cookie. After this returns, no request with it is admitted on any node, and requests
    /// that were admitted before change nothing. Returns `false` if there is no such session.
    ///
    /// # Errors
    /// [`StoreError`]: the session may still exist. Try again.
    pub fn end_session(
        &self,
        presented: &[u8],
        now: UnixMillis,
        client: ClientInfo,
    ) -> Result<bool, StoreError> {
        let Some(secret) = SessionSecret::parse(presented) else { return Ok(false) };
        let (digest, idle) = (secret.digest(), self.0.session.idle);
        // SECURITY: requests without a session must not occupy the writer.
        if self.0.store.read(|tx| session::find(tx, &digest))?.is_none() {
            return Ok(false);
        }
        let is_doubted = self.doubts_clock(now);
        self.0.store.write(move |tx| {
            let Some(session) = session::find(tx, &digest)? else { return Ok(false) };
            user::lock(tx, session.user_id)?;
            let actor = session.proof.token_id().map_or(Actor::User(session.user_id), Actor::Token);
            let is_expired = !is_doubted && session.is_expired(now, idle);
            let end = if is_expired { SessionEnd::Expired } else { SessionEnd::SignedOut };
            let ending = EndedSessions::take(tx, vec![(session, end)])?;
            ending.record(tx, &AuditContext::new(actor, now, client))?;
            Ok(ending.len() > 0)
        })
    }

    /// Removes ended sessions that no request has presented since, records their end, and returns their number.
    pub(crate) fn end_dead_sessions(&self, context: &RequestContext) -> Result<usize, CleanupError> {
        let (mut ended, mut after) = (0, None);
        loop {
            let (last, dead) = self.0.store.read(|tx| {
                let page = session::page(tx, after, BATCH)?;
                let mut dead = Vec::new();
                for session in &page {
                    dead.extend(self.dead(tx, session, context.now)?.map(|end| (session.clone(), end)));
                }
                Ok::<_, StoreError>((page.last().map(|session| session.id), dead))
            })?;
            if !dead.is_empty() {
                ended += self.end_dead(context, dead)?;
            }
            match last {
                Some(last) => after = Some(last),
                None => return Ok(ended),
            }
        }
    }

    fn end_dead(
        &self,
        context: &RequestContext,
        dead: Vec<(Session, SessionEnd)>,
    ) -> Result<usize, CleanupError> {
        let (audit, caller) = (AuditContext::of(context), context.caller.clone());
        let cutoffs = self.0.rules.cutoffs(context.now);
        let (tokenry, now) = (self.clone(), context.now);
        self.0.store.write(move |tx| {
            let (lock, _) = CallerLock::take(tx, &caller, &[])?;
            lock.recheck::<CleanupError>(tx, &cutoffs)?;
            // An idle session may have been used in the meantime.
            let mut still_dead = Vec::new();
            for (session, _) in dead {
                let Some(session) = session::find_by_id(tx, session.id)? else { continue };
                still_dead.extend(tokenry.dead(tx, &session, now)?.map(|end| (session, end)));
            }
            let ending = EndedSessions::take(tx, still_dead)?;
            ending.record(tx, &audit)?;
            Ok::<_, CleanupError>(ending.len())
        })
    }

    /// Why a session has ended, from whatever address it is used; `None` if it has not.
    fn dead(
        &self,
        tx: &mut Tx<'_>,
        session: &Session,
        now: UnixMillis,
    ) -> Result<Option<SessionEnd>, StoreError> {
        let live = Live::read(tx, session, None)?;
        let end = self
            .check_session(session, &live, now)
            .err()
            .filter(|rejection| rejection.ends_session)
            .map(|rejection| rejection.end);
        // The address of the next use is unknown here.
        Ok(end.filter(|end| *end != SessionEnd::AddressNotAllowed))
    }
}
