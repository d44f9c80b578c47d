//! The owners of tokens.

use std::collections::{BTreeSet, HashMap};

use tokenry_domain::{Token, User, UserId};
use tokenry_store::{StoreError, Tx, user};

use crate::caller::Caller;

/// The owner of a token that the caller may see; `None` otherwise, so that it looks unknown.
pub(crate) fn visible_owner(
    tx: &mut Tx<'_>,
    caller: &Caller,
    token: &Token,
) -> Result<Option<User>, StoreError> {
    if caller.may_manage(token.user_id) { user::find(tx, token.user_id) } else { Ok(None) }
}

/// The tokens, each with its owner.
pub(crate) fn with_owners(tx: &mut Tx<'_>, tokens: Vec<Token>) -> Result<Vec<(Token, User)>, StoreError> {
    let ids: BTreeSet<UserId> = tokens.iter().map(|token| token.user_id).collect();
    let ids: Vec<UserId> = ids.into_iter().collect();
    let owners: HashMap<UserId, User> =
        user::find_all(tx, &ids)?.into_iter().map(|user| (user.id, user)).collect();
    tokens
        .into_iter()
        .map(|token| match owners.get(&token.user_id) {
            Some(owner) => Ok((token, owner.clone())),
            None => Err(StoreError::Corrupt("user_id: no such user".to_owned())),
        })
        .collect()
}
