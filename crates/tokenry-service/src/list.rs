//! Page through tokens.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
};

use thiserror::Error;
use tokenry_crypto::Prefixes;
use tokenry_domain::{PageSize, Sort, Token, TokenFilter, User, UserId};
use tokenry_store::{StoreError, Tx, token, user};

use crate::{
    caller::{Caller, RequestContext},
    cursor::{self, Cursors},
    denial::Denial,
    find::tokens_read,
    tokenry::Tokenry,
    user::admin_scope,
};

/// Which page of a list, in which order.
#[derive(Debug, Clone, Default)]
pub struct PageQuery {
    /// The order.
    pub sort: Sort,
    /// How many rows.
    pub size: PageSize,
    /// What the page before named as the next.
    pub cursor: Option<String>,
}

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
    /// The list is of a user who is not there.
    #[error("no such user")]
    NoSuchUser,
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
    pub fn list_tokens(
        &self,
        context: &RequestContext,
        mut filter: TokenFilter,
        page: PageQuery,
    ) -> Result<TokenPage, ListError> {
        context.caller.require(&tokens_read())?;
        if let Some(user) = context.caller.user() {
            filter.user_id = Some(user.id);
        }
        self.token_page(context, "own", &filter, &page)
    }

    /// One page of the tokens of all users, for administrators.
    ///
    /// # Errors
    /// [`ListError`]; [`ListError::NoSuchUser`] if the filter names a user who is not there.
    pub fn inventory(
        &self,
        context: &RequestContext,
        filter: &TokenFilter,
        page: &PageQuery,
    ) -> Result<TokenPage, ListError> {
        context.caller.require(&admin_scope("read"))?;
        if let Some(id) = filter.user_id {
            self.0.store.read(|tx| user::find(tx, id)?.ok_or(ListError::NoSuchUser))?;
        }
        self.token_page(context, "inventory", filter, page)
    }

    fn token_page(
        &self,
        context: &RequestContext,
        list: &str,
        filter: &TokenFilter,
        page: &PageQuery,
    ) -> Result<TokenPage, ListError> {
        let search = filter.search.as_deref().map(|text| without_secret(&self.0.prefixes, text).into_owned());
        let filter = &TokenFilter { search, ..filter.clone() };
        let PageQuery { sort, size, cursor } = page;
        let binding = format!("{list} {} {filter:?} {sort}", holder(&context.caller));
        let cursors = Cursors { key: &self.0.cursor_key, binding };
        let position = |text: &str| cursor::read(&cursors.open(text)?).ok_or(cursor::Forged);
        let position =
            cursor.as_deref().map(position).transpose().map_err(|cursor::Forged| ListError::BadCursor)?;
        let cutoffs = self.0.policy.cutoffs(context.now);
        self.0.store.read(|tx| {
            let page = token::list(tx, filter, *sort, *size, position.as_ref(), &cutoffs)?;
            Ok(TokenPage {
                next_cursor: page.next.as_ref().map(|next| cursors.seal(&cursor::written(next))),
                tokens: with_owners(tx, page.items)?,
                total: page.total,
            })
        })
    }
}

/// SECURITY: a whole token that is pasted into a search is found by its ends, and reaches neither the database nor what the
/// database logs of its queries.
pub(crate) fn without_secret<'t>(prefixes: &Prefixes, search: &'t str) -> Cow<'t, str> {
    match prefixes.shown(search) {
        Some((public_id, suffix)) => format!("{public_id}\u{2026}{suffix}").into(),
        None => search.into(),
    }
}

/// Who a cursor is good for.
pub(crate) fn holder(caller: &Caller) -> String {
    caller.user().map_or_else(|| "operator".to_owned(), |user| user.id.to_string())
}

pub(crate) fn with_owners(tx: &mut Tx<'_>, tokens: Vec<Token>) -> Result<Vec<(Token, User)>, StoreError> {
    let ids: BTreeSet<UserId> = tokens.iter().map(|token| token.user_id).collect();
    let ids: Vec<UserId> = ids.into_iter().collect();
    let owners: HashMap<UserId, User> =
        user::find_all(tx, &ids)?.into_iter().map(|user| (user.id, user)).collect();
    let with_owner = |token: Token| match owners.get(&token.user_id) {
        Some(owner) => Ok((token, owner.clone())),
        None => Err(StoreError::Corrupt("user_id: no such user".to_owned())),
    };
    tokens.into_iter().map(with_owner).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_of_a_secret_is_left_of_a_search() {
        let prefix = Prefixes::default();
        let whole = format!("pat_Q7mZ0aKd93Xb{}aB3x", "s".repeat(45));
        for search in
            [whole.clone(), format!("Bearer {whole}"), whole[..40].to_owned(), format!("{whole}sss")]
        {
            let left = without_secret(&prefix, &search);
            assert!(left.starts_with("pat_Q7mZ0aKd93Xb\u{2026}") && !left.contains("ss"), "{left}");
        }
        assert_eq!(without_secret(&prefix, "pat_Q7mZ0aKd93Xb"), "pat_Q7mZ0aKd93Xb");
    }
}
