//! Exchanges a credential for a session.

use thiserror::Error;
use tokenry_crypto::{RngError, SecretRng, SessionSecret};
use tokenry_domain::{Session, SessionEnd, SessionId, SessionProof, UnixMillis, User};
use tokenry_store::{StoreError, Tx, session, sign_in};

use super::ended::{EndedSessions, record};
use crate::{
    audit::AuditContext,
    caller::{CredentialKind, RequestContext},
    caller_lock::CallerLock,
    denial::Denial,
    required::tokens_read,
    tokenry::Tokenry,
};

/// The maximum number of sessions of a user per token, by JWT, and by proxy; another one ends the oldest.
const MAX_SESSIONS: usize = 20;

/// A new session and the secret of its cookie, which is stored nowhere.
#[non_exhaustive]
pub struct Started {
    /// The session.
    pub session: Session,
    /// The user who signed in.
    pub user: User,
    /// The value of the cookie, to be sent once.
    pub secret: SessionSecret,
}

/// Why a session was not started.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The caller is not entitled.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// An operator needs no session, and a session cannot start another one.
    #[error("a session needs a token, a JWT or a trusted sign-in")]
    NoCredential,
    /// This sign-in at an OpenID provider has already started a session.
    #[error("this sign-in has already been used")]
    SignInUsed,
    /// The operating system gave no randomness.
    #[error(transparent)]
    Randomness(#[from] RngError),
    /// The database failed; no session was started.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Tokenry {
    /// Starts a session for a caller with a token, with a JWT, or authenticated by a proxy or the embedding program. A
    /// token needs `tokens:read`; its session has the token's permissions and ends with it or before. `replaced` is the
    /// browser's previous cookie, whose session ends.
    ///
    /// # Errors
    /// [`SessionError`].
    pub fn start_session(
        &self,
        context: &RequestContext,
        replaced: Option<&[u8]>,
    ) -> Result<Started, SessionError> {
        let caller = &context.caller;
        let proof = match (caller.credential(), caller.token()) {
            (CredentialKind::Token, Some(token)) => {
                caller.require(&tokens_read())?;
                SessionProof::Token { id: token.id, public_id: token.public_id.clone() }
            }
            (CredentialKind::Jwt, _) => SessionProof::Jwt,
            (CredentialKind::User, _) => SessionProof::Proxy,
            _ => return Err(SessionError::NoCredential),
        };
        self.start_session_with(context, proof, replaced, None)
    }

    /// Starts a session with this proof, which the caller has given. `used_sign_in` is the digest of the sign-in at a
    /// provider, which starts one session only.
    pub(crate) fn start_session_with(
        &self,
        context: &RequestContext,
        proof: SessionProof,
        replaced: Option<&[u8]>,
        used_sign_in: Option<[u8; 32]>,
    ) -> Result<Started, SessionError> {
        let caller = &context.caller;
        let user_id = caller.user().ok_or(SessionError::NoCredential)?.id;
        let mut rng = SecretRng::os();
        let secret = SessionSecret::generate(&mut rng)?;
        let now = context.now;
        let longest = now.checked_add(self.0.session.lifetime).unwrap_or(UnixMillis::MAX);
        let session = Session {
            id: SessionId::new(now, rng.bytes()?),
            user_id,
            proof,
            max_role: caller.max_role().cloned(),
            created_at: now,
            seen_at: now,
            expires_at: longest,
            ip: context.client.ip,
            user_agent: context.client.user_agent().map(str::to_owned),
        };
        let (digest, old) = (secret.digest(), replaced.and_then(SessionSecret::parse));
        let (tokenry, context) = (self.clone(), context.clone());
        let old = old.map(|old| old.digest());
        let (session, user) = self.0.store.write(move |tx| {
            let old = old.map(|digest| session::find(tx, &digest)).transpose()?.flatten();
            let others: Vec<_> = old.iter().map(|old| old.user_id).collect();
            let (lock, users) = CallerLock::take(tx, &context.caller, &others)?;
            let user = users.into_iter().find(|user| user.id == user_id).ok_or(Denial::NoLongerEntitled)?;
            // SECURITY: re-checked under the locks, so that no session starts with a credential that was ended
            // meanwhile.
            if user.is_disabled() {
                return Err(Denial::NoLongerEntitled.into());
            }
            lock.recheck::<SessionError>(tx, &tokenry.0.rules.cutoffs(now))?;
            let token_ends =
                context.caller.token().and_then(|token| tokenry.0.rules.policy.effective_expiry(token));
            let expires_at = token_ends.map_or(session.expires_at, |end| end.min(session.expires_at));
            let session = Session { expires_at, ..session };
            let audit = AuditContext::of(&context);
            if let Some(digest) = used_sign_in {
                sign_in::mark_used(tx, &digest, now).map_err(|error| match error {
                    StoreError::Conflict(_) => SessionError::SignInUsed,
                    error => error.into(),
                })?;
            }
            let mut ending_now = tokenry.sessions_to_end(tx, &session, context.now)?;
            ending_now.extend(old.map(|old| (old, SessionEnd::Replaced)));
            let ending = EndedSessions::take(tx, ending_now)?;
            session::insert(tx, &session, &digest)?;
            ending.record(tx, &audit)?;
            record(tx, &audit, &session, None)?;
            Ok::<_, SessionError>((session, user))
        })?;
        Ok(Started { session, user, secret })
    }

    /// The sessions of a user that end in favour of this one: the expired ones, and the oldest beyond the limit that
    /// were started with the same credential. A token ends no session that it did not start.
    fn sessions_to_end(
        &self,
        tx: &mut Tx<'_>,
        new: &Session,
        now: UnixMillis,
    ) -> Result<Vec<(Session, SessionEnd)>, StoreError> {
        let all = session::of_user(tx, new.user_id)?;
        let is_clock_trusted = !self.doubts_clock(now);
        let (expired, mut live): (Vec<_>, Vec<_>) = all
            .into_iter()
            .partition(|session| is_clock_trusted && session.is_expired(now, self.0.session.idle));
        live.retain(|session| session.proof == new.proof);
        let too_many = (live.len() + 1).saturating_sub(MAX_SESSIONS);
        let expired = expired.into_iter().map(|session| (session, SessionEnd::Expired));
        Ok(expired.chain(live.into_iter().take(too_many).map(|old| (old, SessionEnd::Replaced))).collect())
    }
}
