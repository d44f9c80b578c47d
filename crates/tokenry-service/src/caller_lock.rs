//! The lock under which it is looked at again whether a caller is still entitled.

use tokenry_domain::{User, UserId};
use tokenry_store::{StoreError, Tx, user};

use crate::caller::Caller;

/// That this unit of work holds the row of the caller's own user: no sign-out, no change of their account and no other unit
/// of theirs runs beside it, until it ends.
///
/// [`Caller::still_entitled`] demands it, so that nobody asks there without the lock.
pub(crate) struct CallerLock {
    user: Option<UserId>,
}

impl CallerLock {
    /// Locks the caller's own user and these others, always in the order of their ids, so that units that need the same
    /// users never wait for each other crosswise; call it before any token is locked. Returns the users that there are.
    pub(crate) fn take(
        tx: &mut Tx<'_>,
        caller: &Caller,
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
        Ok((Self { user: own }, users))
    }

    /// The same with one other user, who is returned if there is one.
    pub(crate) fn with(
        tx: &mut Tx<'_>,
        caller: &Caller,
        other: UserId,
    ) -> Result<(Self, Option<User>), StoreError> {
        let (lock, users) = Self::take(tx, caller, &[other])?;
        Ok((lock, users.into_iter().find(|user| user.id == other)))
    }

    /// Whether the lock is that of this caller.
    pub(crate) fn is_of(&self, caller: &Caller) -> bool {
        self.user == caller.user().map(|user| user.id)
    }
}
