//! End sessions: by signing out, with what they were begun with, and when their time is over.

use std::collections::HashMap;

use tokenry_crypto::SessionSecret;
use tokenry_domain::{
    Actor, AuditEvent, ClientInfo, Session, SessionEnd, SessionId, TokenId, UnixMillis, UserId,
};
use tokenry_store::{StoreError, Tx, session, user};

use super::{Live, event};
use crate::{
    audit::{AuditContext, append},
    caller::RequestContext,
    caller_lock::CallerLock,
    cleanup::CleanupError,
    tokenry::Tokenry,
};

/// How many sessions one unit of work looks at.
const BATCH: u16 = 200;

impl Tokenry {
    /// Ends the session of this cookie. When this returns, no request that begins afterwards is let in with it, on any
    /// node, and none that was let in before changes anything. `false` means that there is none.
    ///
    /// # Errors
    /// [`StoreError`]: the session may still be there. Try again.
    pub fn end_session(
        &self,
        presented: &[u8],
        now: UnixMillis,
        client: ClientInfo,
    ) -> Result<bool, StoreError> {
        let Some(secret) = SessionSecret::parse(presented) else { return Ok(false) };
        let (digest, idle) = (secret.digest(), self.0.session.idle);
        // SECURITY: whoever has no session does not get to the one who writes.
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
            let ending = Ending::take(tx, vec![(session, end)])?;
            ending.tell(tx, &AuditContext { actor, at: now, client })?;
            Ok(!ending.0.is_empty())
        })
    }

    /// Removes the sessions that are over although nobody came back with them, and tells of them; how many.
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
            // Somebody may have used one in the meantime, which was idle until then.
            let mut still = Vec::new();
            for (session, _) in dead {
                let Some(session) = session::find_by_id(tx, session.id)? else { continue };
                still.extend(tokenry.dead(tx, &session, now)?.map(|end| (session, end)));
            }
            let ending = Ending::take(tx, still)?;
            ending.tell(tx, &audit)?;
            Ok::<_, CleanupError>(ending.0.len())
        })
    }

    /// Why a session is over wherever it is used from, if it is.
    fn dead(
        &self,
        tx: &mut Tx<'_>,
        session: &Session,
        now: UnixMillis,
    ) -> Result<Option<SessionEnd>, StoreError> {
        let live = Live::read(tx, session, None)?;
        let end = self.over(session, &live, now).err().filter(|over| over.is_for_good).map(|over| over.end);
        // From which address it would be used is not known here.
        Ok(end.filter(|end| *end != SessionEnd::AddressNotAllowed))
    }
}

/// Sessions that this unit of work removed, to be told of at its end: rows are removed before the first entry of the
/// audit log, whose head is locked last.
#[must_use]
pub(crate) struct Ending(Vec<(Session, SessionEnd)>);

impl Ending {
    /// Removes these sessions; those that somebody else ended first are theirs to tell of.
    pub(crate) fn take(tx: &mut Tx<'_>, leaving: Vec<(Session, SessionEnd)>) -> Result<Self, StoreError> {
        let mut leaving: HashMap<SessionId, _> =
            leaving.into_iter().map(|(session, end)| (session.id, (session, end))).collect();
        let ids: Vec<SessionId> = leaving.keys().copied().collect();
        let taken = session::take(tx, &ids)?;
        Ok(Self(taken.into_iter().filter_map(|id| leaving.remove(&id)).collect()))
    }

    /// Removes the sessions that were begun with this token, which ends or gets another secret.
    pub(crate) fn of_token(tx: &mut Tx<'_>, id: TokenId) -> Result<Self, StoreError> {
        let sessions = session::of_token(tx, id)?;
        Self::take(tx, sessions.into_iter().map(|session| (session, SessionEnd::TokenEnded)).collect())
    }

    /// Removes the sessions that were begun with one of these tokens, which end.
    pub(crate) fn of_tokens(tx: &mut Tx<'_>, tokens: &[TokenId]) -> Result<Self, StoreError> {
        let sessions = session::of_tokens(tx, tokens)?.into_iter();
        Self::take(tx, sessions.map(|session| (session, SessionEnd::TokenEnded)).collect())
    }

    /// Removes all sessions of a user who is disabled.
    pub(crate) fn of_user(tx: &mut Tx<'_>, id: UserId) -> Result<Self, StoreError> {
        let sessions = session::of_user(tx, id)?;
        Self::take(tx, sessions.into_iter().map(|session| (session, SessionEnd::UserDisabled)).collect())
    }

    /// Removes the sessions of whoever signed in as a user by name, and not with a token of theirs: the name is now that
    /// of somebody else.
    pub(crate) fn of_person(tx: &mut Tx<'_>, id: UserId) -> Result<Self, StoreError> {
        let is_by_name = |session: &Session| session.proof.token_id().is_none();
        let sessions = session::of_user(tx, id)?.into_iter().filter(is_by_name);
        Self::take(tx, sessions.map(|session| (session, SessionEnd::AccountChanged)).collect())
    }

    /// Tells of each of them.
    pub(crate) fn tell(&self, tx: &mut Tx<'_>, audit: &AuditContext) -> Result<(), StoreError> {
        append(tx, &self.events(audit))
    }

    /// What there is to tell, for a unit that has more to tell.
    pub(crate) fn events(&self, audit: &AuditContext) -> Vec<AuditEvent> {
        self.0.iter().map(|(session, end)| event(audit, session, Some(*end))).collect()
    }
}
