//! Lists tokens page by page.

use std::num::NonZero;

use tokenry_domain::{
    PageSize, PageStart, Risk, ScopeSet, Sort, Token, TokenFilter, User, optional_setters, query::Position,
    setters,
};
use tokenry_store::{token, user};

use crate::{
    caller::RequestContext,
    owner::with_owners,
    page::{CountedPage, Cursors, Forged, read_position, write_position},
    read_error::ReadError,
    required::{admin_read, tokens_read},
    search::without_secret,
    tokenry::Tokenry,
};

/// Selects the order and the page of a list.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct PageQuery {
    /// The sort order.
    pub sort: Sort,
    /// The maximum number of rows.
    pub size: PageSize,
    /// The `next_cursor` of the previous page.
    pub cursor: Option<String>,
    /// The number of the page, from 1, instead of a cursor. Rows that are added or removed meanwhile move the pages.
    pub number: Option<NonZero<u32>>,
}

impl PageQuery {
    setters! { with_sort(sort: Sort), with_size(size: PageSize) }

    optional_setters! { with_cursor(cursor: String), with_number(number: NonZero<u32>) }
}

/// One page of tokens, each with its owner.
pub type TokenPage = CountedPage<(Token, User)>;

impl Tokenry {
    /// Returns one page of the caller's tokens; of all tokens for an operator.
    ///
    /// # Errors
    /// [`ReadError::Denied`], [`ReadError::BadCursor`], [`ReadError::Store`].
    pub fn list_tokens(
        &self,
        context: &RequestContext,
        mut filter: TokenFilter,
        page: PageQuery,
    ) -> Result<TokenPage, ReadError> {
        context.caller.require(&tokens_read())?;
        if let Some(user) = context.caller.user() {
            filter.user_id = Some(user.id);
        }
        self.token_page(context, "own", &filter, &page)
    }

    /// Returns one page of the tokens of all users, for administrators.
    ///
    /// # Errors
    /// [`ReadError::Denied`], [`ReadError::BadCursor`], [`ReadError::Store`]; [`ReadError::NoSuchUser`] if the filter
    /// names an unknown user.
    pub fn inventory(
        &self,
        context: &RequestContext,
        filter: &TokenFilter,
        page: &PageQuery,
    ) -> Result<TokenPage, ReadError> {
        context.caller.require(&admin_read())?;
        if let Some(id) = filter.user_id {
            self.0.store.read(|tx| user::find(tx, id)?.ok_or(ReadError::NoSuchUser))?;
        }
        self.token_page(context, "inventory", filter, page)
    }

    fn token_page(
        &self,
        context: &RequestContext,
        list: &str,
        filter: &TokenFilter,
        page: &PageQuery,
    ) -> Result<TokenPage, ReadError> {
        let shapes = self.0.shapes.current();
        let search = filter.search.as_deref();
        let search = search.map(|text| without_secret(&self.0.prefixes, &shapes, text).into_owned());
        let full_access = match filter.risk {
            Some(Risk::FullAccess) => self.0.rules.catalog.full_access(),
            _ => ScopeSet::default(),
        };
        let filter = &filter.clone().with_search(search).with_full_access(full_access);
        let PageQuery { sort, size, cursor, number } = page;
        let cursors =
            Cursors::new(&self.0.cursor_key, &context.caller, list, format_args!("{filter:?} {sort}"));
        let position = cursor.as_deref().map(|text| token_position(&cursors, text)).transpose()?;
        let numbered = number.map(|number| PageStart::Page(number.get() - 1));
        let start = position.map(PageStart::After).or(numbered);
        let cutoffs = self.0.rules.cutoffs(context.now);
        self.0.store.read(|tx| {
            let page = token::list(tx, filter, *sort, *size, start.as_ref(), &cutoffs)?;
            Ok(TokenPage {
                next_cursor: page.next.as_ref().map(|next| cursors.seal(&write_position(next))),
                items: with_owners(tx, page.items)?,
                total: page.total,
            })
        })
    }
}

/// The position in a cursor of a list of tokens.
fn token_position(cursors: &Cursors<'_>, cursor: &str) -> Result<Position, Forged> {
    read_position(&cursors.open(cursor)?).ok_or(Forged)
}
