//! End a token for good.

use serde_json::Value;
use thiserror::Error;
use tokenry_domain::{Actor, ClientInfo, EventKind, Reason, Revocation, TokenId, UnixMillis, UserId};
use tokenry_store::{StoreError, Tx, token, user};

use crate::{
    audit::{AuditContext, detail},
    caller::RequestContext,
    caller_lock::CallerLock,
    denial::Denial,
    required::tokens_write,
    session::end::Ending,
    tokenry::Tokenry,
};

/// Why a token was not revoked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RevokeError {
    /// The caller may not.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// There is no such token, or it is somebody else's: callers cannot tell which.
    #[error("no such token")]
    NotFound,
    /// The database did not answer: the token may still work. Try again.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Tokenry {
    /// Ends a token whose holder has shown it ([`Tokenry::identify_token`]): possession is authority enough (RFC 7009).
    /// `false` means that it was revoked before.
    ///
    /// # Errors
    /// [`StoreError`]: the token may still work. Try again.
    pub fn revoke_possessed(
        &self,
        (id, owner): (TokenId, UserId),
        now: UnixMillis,
        client: ClientInfo,
    ) -> Result<bool, StoreError> {
        let audit = AuditContext { actor: Actor::Token(id), at: now, client };
        self.0.store.write(move |tx| {
            user::lock(tx, owner)?;
            end(tx, id, owner, &audit, None)
        })
    }

    /// Ends a token. When this returns, every verification that begins afterwards refuses it, on every node. `false`
    /// means that it was revoked before; who did so then and why stays as it was.
    ///
    /// # Errors
    /// [`RevokeError`].
    pub fn revoke_token(
        &self,
        context: &RequestContext,
        id: TokenId,
        reason: Option<Reason>,
    ) -> Result<bool, RevokeError> {
        // A token may always end itself: whoever holds a leaked one can take it out of use.
        let is_own = context.caller.token().is_some_and(|own| own.id == id);
        if !is_own {
            context.caller.require(&tokens_write())?;
        }
        let cutoffs = self.0.rules.cutoffs(context.now);
        let audit = AuditContext::of(context);
        let caller = context.caller.clone();
        self.0.store.write(move |tx| {
            let found = token::find(tx, id)?.filter(|token| caller.may_manage(token.user_id));
            let token = found.ok_or(RevokeError::NotFound)?;
            // Waits for a creation with this very token that is about to commit, so that it is seen afterwards.
            let (lock, _) = CallerLock::with(tx, &caller, token.user_id)?;
            if !is_own {
                lock.recheck::<RevokeError>(tx, &cutoffs)?;
            }
            Ok(end(tx, id, token.user_id, &audit, reason)?)
        })
    }
}

/// Marks a token as revoked and tells of it, unless somebody did before.
fn end(
    tx: &mut Tx<'_>,
    id: TokenId,
    owner: UserId,
    audit: &AuditContext,
    reason: Option<Reason>,
) -> Result<bool, StoreError> {
    let why = reason.as_ref().map_or(Value::Null, |reason| Value::from(reason.as_str()));
    let revocation = Revocation { at: audit.at, by: audit.actor, reason };
    let is_first = token::mark_revoked(tx, id, &revocation)?;
    if is_first {
        let sessions = Ending::of_token(tx, id)?;
        audit.record(tx, EventKind::TokenRevoked, owner, Some(id), detail([("reason", why)]))?;
        sessions.tell(tx, audit)?;
    }
    Ok(is_first)
}
