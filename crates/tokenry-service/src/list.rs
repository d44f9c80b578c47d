//! Page through tokens.

use std::collections::HashMap;

use thiserror::Error;
use tokenry_domain::{PageSize, Sort, Token, TokenFilter, User, UserId};
use tokenry_store::{StoreError, Tx, token, user};

use crate::{
    caller::{Call, Caller},
    cursor::{self, Cursors},
    denial::Denial,
    find::tokens_read,
    tokenry::Tokenry,
};

/// Some tokens of a longer list.
pub struct TokenPage {
    /// The tokens, each with its owner.
    pub tokens: Vec<(Token, User)>,
    /// What to ask the next page with, if there is one.
    pub next_cursor: Option<String>,
    /// How many tokens the whole list has.
    pub total: u64,
}

/// Why there is no page.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ListError {
    /// The caller may not look at tokens.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// The cursor was not made by this installation for this caller and this query.
    #[error("the cursor does not belong to this list")]
    BadCursor,
    /// The database did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Tokenry {
    /// One page of the caller's tokens; of everybody's for an operator.
    ///
    /// # Errors
    /// [`ListError`].
    pub fn list(
        &self,
        call: &Call,
        mut filter: TokenFilter,
        sort: Sort,
        size: PageSize,
        cursor: Option<&str>,
    ) -> Result<TokenPage, ListError> {
        call.caller.require(&tokens_read())?;
        if let Some(user) = call.caller.user() {
            filter.user_id = Some(user.id);
        }
        let cursors = Cursors { key: &self.0.cursor_key, binding: binding(&call.caller, &filter, sort) };
        let position = cursor
            .map(|text| cursors.open(text))
            .transpose()
            .map_err(|cursor::Forged| ListError::BadCursor)?;
        self.0.store.read(|tx| {
            let page = token::list(tx, &filter, sort, size, position.as_ref(), call.now)?;
            Ok(TokenPage {
                next_cursor: page.next.as_ref().map(|next| cursors.seal(next)),
                tokens: with_owners(tx, page.items)?,
                total: page.total,
            })
        })
    }
}

/// What a cursor is good for: this caller and this query.
fn binding(caller: &Caller, filter: &TokenFilter, sort: Sort) -> String {
    let caller = caller.user().map(|user| user.id);
    format!("{caller:?} {filter:?} {sort}")
}

fn with_owners(tx: &mut Tx<'_>, tokens: Vec<Token>) -> Result<Vec<(Token, User)>, StoreError> {
    let mut owners: HashMap<UserId, User> = HashMap::new();
    let mut pairs = Vec::with_capacity(tokens.len());
    for token in tokens {
        let owner = match owners.get(&token.user_id) {
            Some(owner) => owner.clone(),
            None => {
                let gone = || StoreError::Corrupt("user_id: no such user".to_owned());
                let owner = user::find(tx, token.user_id)?.ok_or_else(gone)?;
                owners.insert(owner.id, owner.clone());
                owner
            }
        };
        pairs.push((token, owner));
    }
    Ok(pairs)
}
