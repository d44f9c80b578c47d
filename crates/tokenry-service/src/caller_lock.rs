//! Locks the caller's user for a transaction, and re-checks the caller's authorization under that lock.

use tokenry_domain::{ExpiryCutoffs, Status, User, UserId};
use tokenry_store::{StoreError, Tx, session, token, user};

use crate::{caller::Caller, denial::Denial};

/// Proof that this transaction holds the row lock of the caller's user: no sign-out, no change of their account and no
/// other transaction of theirs runs until it ends.
pub(crate) struct CallerLock<'c> {
    caller: &'c Caller,
}

impl<'c> CallerLock<'c> {
    /// Locks the caller's user and `others`, always in the order of their ids, so that transactions that need the same
    /// users do not deadlock. Must be called before any token is locked. Returns the users that exist.
    pub(crate) fn take(
        tx: &mut Tx<'_>,
        caller: &'c Caller,
        others: &[UserId],
    ) -> Result<(Self, Vec<User>), StoreError> {
        let own = caller.user().map(|user| user.id);
        let mut ids: Vec<UserId> = others.iter().copied().chain(own).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut users = Vec::with_capacity(ids.len());
        for id in ids {
            users.extend(user::lock(tx, id)?);
        }
        Ok((Self { caller }, users))
    }

    /// Locks the caller's user and one other user, who is returned if they exist.
    pub(crate) fn with(
        tx: &mut Tx<'_>,
        caller: &'c Caller,
        other: UserId,
    ) -> Result<(Self, Option<User>), StoreError> {
        let (lock, users) = Self::take(tx, caller, &[other])?;
        Ok((lock, users.into_iter().find(|user| user.id == other)))
    }

    /// Re-checks authorization inside the transaction: since the caller was admitted, their account may have been
    /// disabled or given another role, their session ended, or their token ended, rotated or narrowed. The token's row
    /// is locked, so that none of this happens to it before the transaction ends.
    ///
    /// # Errors
    /// [`Denial::NoLongerEntitled`], or the store's error.
    pub(crate) fn recheck<E: From<StoreError> + From<Denial>>(
        &self,
        tx: &mut Tx<'_>,
        cutoffs: &ExpiryCutoffs,
    ) -> Result<(), E> {
        if self.is_still_entitled(tx, cutoffs)? { Ok(()) } else { Err(Denial::NoLongerEntitled.into()) }
    }

    fn is_still_entitled(&self, tx: &mut Tx<'_>, cutoffs: &ExpiryCutoffs) -> Result<bool, StoreError> {
        let Some(user) = self.caller.user() else { return Ok(true) };
        let Some(current) = user::find(tx, user.id)? else { return Ok(false) };
        // A caller who signed in by name is somebody else once the account has another name.
        let is_same_person = self.caller.token().is_some() || current.subject == user.subject;
        if current.is_disabled() || current.role != user.role || !is_same_person {
            return Ok(false);
        }
        if let Some(session) = self.caller.session()
            && session::find_by_id(tx, session.id)?.is_none()
        {
            return Ok(false);
        }
        let Some(token) = self.caller.token() else { return Ok(true) };
        let Some(current) = token::lock(tx, token.id)? else { return Ok(false) };
        let is_unchanged = current.public_id == token.public_id
            && current.scopes == token.scopes
            && current.expires_at == token.expires_at
            && current.allowed_ips == token.allowed_ips;
        Ok(is_unchanged && current.status(cutoffs) == Status::Active)
    }
}
