//! Revokes tokens.

use serde_json::{Map, Value};
use thiserror::Error;
use tokenry_domain::{Actor, ClientInfo, PublicId, Reason, TokenId, UnixMillis};
use tokenry_store::{StoreError, Tx, retired, token, user};

use crate::{
    audit::AuditContext, caller::RequestContext, caller_lock::CallerLock, denial::Denial,
    required::tokens_write, revocation::revoke, tokenry::Tokenry, verify::by_secret::IdentifiedSecret,
};

/// Why a token was not revoked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RevokeError {
    /// The caller is not entitled.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// There is no such token, or it belongs to another user; callers cannot tell which.
    #[error("no such token")]
    NotFound,
    /// The database failed: the token may still work. Try again.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Tokenry {
    /// Revokes a token that its holder has presented ([`Tokenry::identify_token`]): possession authorizes it (RFC
    /// 7009). Returns `false` if it was revoked before, or if the secret stopped working since it was presented.
    ///
    /// # Errors
    /// [`StoreError`]: the token may still work. Try again.
    pub fn revoke_possessed(
        &self,
        found: &IdentifiedSecret,
        now: UnixMillis,
        client: ClientInfo,
    ) -> Result<bool, StoreError> {
        self.revoke_by_secret(found, now, client, None, Map::new())
    }

    /// Revokes the token of a secret as its holder, with this reason and these fields of the audit event.
    ///
    /// SECURITY: only if the secret still works inside the unit of work. Between its lookup and here a rotation may have
    /// ended it, and whoever has an ended secret must not be able to stop the new one.
    pub(crate) fn revoke_by_secret(
        &self,
        found: &IdentifiedSecret,
        now: UnixMillis,
        client: ClientInfo,
        reason: Option<Reason>,
        fields: Map<String, Value>,
    ) -> Result<bool, StoreError> {
        let (id, owner) = (found.token_id, found.owner_id);
        let audit = AuditContext::new(Actor::Token(id), now, client);
        let presented = self.presented_secret(found, now);
        self.0.store.write(move |tx| {
            user::lock(tx, owner)?;
            if !presented.still_works(tx)? {
                return Ok(false);
            }
            revoke(tx, id, owner, &audit, reason, fields)
        })
    }

    /// Revokes the token of a secret that the caller was given, as [`revoke_token`](Self::revoke_token) does. Returns `false`
    /// also if the secret does not work any more: a rotation has ended it, and the token has another one.
    ///
    /// # Errors
    /// [`RevokeError`].
    pub fn revoke_found(
        &self,
        context: &RequestContext,
        found: &IdentifiedSecret,
        reason: Option<Reason>,
    ) -> Result<bool, RevokeError> {
        let presented = self.presented_secret(found, context.now);
        self.revoke_if(context, found.token_id, reason, Some(presented))
    }

    /// Revokes a token. Every verification that begins after this returns rejects it, on every node. Returns `false` if
    /// it was revoked before; actor and reason of the first revocation remain.
    ///
    /// # Errors
    /// [`RevokeError`].
    pub fn revoke_token(
        &self,
        context: &RequestContext,
        id: TokenId,
        reason: Option<Reason>,
    ) -> Result<bool, RevokeError> {
        self.revoke_if(context, id, reason, None)
    }

    fn revoke_if(
        &self,
        context: &RequestContext,
        id: TokenId,
        reason: Option<Reason>,
        presented: Option<PresentedSecret>,
    ) -> Result<bool, RevokeError> {
        // A token may always revoke itself, so that the finder of a leaked token can disable it.
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
            // Waits for a running creation with this token, so that its result is visible afterwards.
            let (lock, _) = CallerLock::with(tx, &caller, token.user_id)?;
            if !is_own {
                lock.recheck::<RevokeError>(tx, &cutoffs)?;
            }
            if let Some(presented) = presented
                && !presented.still_works(tx)?
            {
                return Ok(false);
            }
            Ok(revoke(tx, id, token.user_id, &audit, reason, Map::new())?)
        })
    }

    fn presented_secret(&self, found: &IdentifiedSecret, now: UnixMillis) -> PresentedSecret {
        let public_id = found.public_id.clone();
        let evaluated_at = self.0.expiries.secrets.evaluation_instant(now, || public_id.clone());
        let retired_after = evaluated_at.saturating_sub(self.0.rules.policy.max_grace);
        PresentedSecret { token_id: found.token_id, public_id, evaluated_at, retired_after }
    }
}

/// A secret that was found, to be looked at again in the transaction that acts on it.
struct PresentedSecret {
    token_id: TokenId,
    public_id: PublicId,
    evaluated_at: UnixMillis,
    retired_after: UnixMillis,
}

impl PresentedSecret {
    /// Whether it is the secret of its token, or a retired one within its grace period. The unit of work has locked the
    /// owner, so that no rotation runs.
    fn still_works(&self, tx: &mut Tx<'_>) -> Result<bool, StoreError> {
        let Some(token) = token::lock(tx, self.token_id)? else { return Ok(false) };
        Ok(token.public_id == self.public_id
            || retired::is_in_grace(
                tx,
                self.token_id,
                &self.public_id,
                self.evaluated_at,
                self.retired_after,
            )?)
    }
}
