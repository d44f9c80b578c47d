//! Filters, order and pages of lists of tokens.

use std::{fmt, str::FromStr};

use strum::{Display, EnumString, VariantArray};
use thiserror::Error;

use crate::{
    id::{TokenId, UserId},
    risk::Risk,
    scope::{Scope, ScopeSet},
    status::Status,
    time::UnixMillis,
    token::Token,
};

/// Selects the tokens that meet every given condition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenFilter {
    /// Only tokens of this owner.
    pub user_id: Option<UserId>,
    /// Only tokens in this state.
    pub status: Option<Status>,
    /// Only tokens whose name, public beginning or last characters contain this text, ignoring ASCII case. If it
    /// contains `…` or `...`, the public beginning must contain the part before and the last characters the part after
    /// it.
    pub search: Option<String>,
    /// Only tokens with exactly this scope.
    pub scope: Option<Scope>,
    /// Only tokens not used at or after this instant.
    pub unused_since: Option<UnixMillis>,
    /// Only tokens that expire before this instant.
    pub expires_before: Option<UnixMillis>,
    /// Only live tokens with this risk.
    pub risk: Option<Risk>,
    /// The scopes that stand for everything, for [`Risk::FullAccess`]; the service sets them.
    pub full_access: ScopeSet,
}

impl TokenFilter {
    crate::setters! {
        with_user_id(user_id: Option<UserId>),
        with_status(status: Option<Status>),
        with_search(search: Option<String>),
        with_scope(scope: Option<Scope>),
        with_unused_since(unused_since: Option<UnixMillis>),
        with_expires_before(expires_before: Option<UnixMillis>),
        with_risk(risk: Option<Risk>),
        with_full_access(full_access: ScopeSet),
    }
}

/// The public id and the last characters in a search for a displayed token such as `pat_Q7mZ0aKd93Xb…aB3x`; one of them
/// may be empty.
#[must_use]
pub fn displayed_parts(search: &str) -> Option<(&str, &str)> {
    let (public_id, suffix) = search.split_once('\u{2026}').or_else(|| search.split_once("..."))?;
    let parts = (public_id.trim(), suffix.trim());
    (parts != ("", "")).then_some(parts)
}

/// The sort key of a list.
///
/// Exhaustive, so that a new key does not compile until the store can order by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, EnumString, VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = ParseSortError, parse_err_fn = not_a_sort_key)]
pub enum SortKey {
    /// Creation.
    CreatedAt,
    /// Display name, by bytes.
    Name,
    /// Expiry; tokens without one come last.
    ExpiresAt,
    /// Last use; unused tokens come first.
    LastUsedAt,
}

impl SortKey {
    /// Every key.
    pub const ALL: &'static [Self] = Self::VARIANTS;
}

/// The order of a list; ties are ordered by id in the same direction. Default: newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sort {
    /// The sort key.
    pub key: SortKey,
    /// Whether the largest value comes first.
    pub descending: bool,
}

impl Sort {
    /// The smallest value first.
    #[must_use]
    pub fn ascending(key: SortKey) -> Self {
        Self { key, descending: false }
    }

    /// The largest value first.
    #[must_use]
    pub fn descending(key: SortKey) -> Self {
        Self { key, descending: true }
    }
}

impl Default for Sort {
    fn default() -> Self {
        Self::descending(SortKey::CreatedAt)
    }
}

/// The text is not a sort order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be created_at, name, expires_at or last_used_at, with a leading `-` for descending")]
pub struct ParseSortError;

impl FromStr for Sort {
    type Err = ParseSortError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (descending, key) = match text.strip_prefix('-') {
            Some(key) => (true, key),
            None => (false, text),
        };
        Ok(Self { key: key.parse()?, descending })
    }
}

fn not_a_sort_key(_: &str) -> ParseSortError {
    ParseSortError
}

impl fmt::Display for Sort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.descending { "-" } else { "" }, self.key)
    }
}

/// How many rows a page has: 1 to 200, 50 by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageSize(u16);

impl PageSize {
    /// The maximum number of rows of one page.
    pub const MAX: u16 = 200;

    /// The size, or `None` outside 1 to [`MAX`](Self::MAX).
    #[must_use]
    pub fn new(rows: u16) -> Option<Self> {
        (1..=Self::MAX).contains(&rows).then_some(Self(rows))
    }

    /// The number of rows.
    #[must_use]
    pub fn get(self) -> u16 {
        self.0
    }
}

impl Default for PageSize {
    fn default() -> Self {
        Self(50)
    }
}

/// Where a page of a list begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PageStart {
    /// After this row: exact also if rows were added or removed since the page before.
    After(Position),
    /// At this page of the same size, counted from 0.
    Page(u32),
}

/// The position of the last row of a page, after which the next page begins.
///
/// Exhaustive, so that a new part does not compile until the cursors contain it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The sort key of the row.
    pub key: PositionKey,
    /// The id of the row, which decides ties.
    pub id: TokenId,
}

/// The value of a sort key.
///
/// Exhaustive, so that a new kind does not compile until the cursors and the store support it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PositionKey {
    /// Of an instant, which may be absent.
    Instant(Option<UnixMillis>),
    /// Of a text.
    Text(String),
}

impl Position {
    /// The position of `token` in a list ordered by `sort`.
    #[must_use]
    pub fn of(token: &Token, sort: Sort) -> Self {
        let key = match sort.key {
            SortKey::CreatedAt => PositionKey::Instant(Some(token.created_at)),
            SortKey::Name => PositionKey::Text(token.name.as_str().to_owned()),
            SortKey::ExpiresAt => PositionKey::Instant(token.expires_at),
            SortKey::LastUsedAt => PositionKey::Instant(token.last_used_at),
        };
        Self { key, id: token.id }
    }
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// The position of the next page, if there is one.
    pub next: Option<Position>,
    /// How many rows the whole list has.
    pub total: u64,
}

impl<T> Page<T> {
    /// A page of a list with `total` rows; `next` is the position of the next page.
    #[must_use]
    pub fn new(items: Vec<T>, next: Option<Position>, total: u64) -> Self {
        Self { items, next, total }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_valid_sort_orders_are_parsed() {
        for text in ["created_at", "-created_at", "name", "-expires_at", "last_used_at"] {
            assert_eq!(text.parse::<Sort>().unwrap().to_string(), text);
        }
        for text in ["", "-", "--name", "secret_hash", "Name", "name,created_at", "+name"] {
            assert_eq!(text.parse::<Sort>(), Err(ParseSortError), "{text}");
        }
        assert_eq!(Sort::default().to_string(), "-created_at");
    }

    #[test]
    fn a_search_for_a_displayed_token_has_two_parts() {
        for (text, parts) in [
            ("pat_Q7\u{2026}aB3x", Some(("pat_Q7", "aB3x"))),
            ("pat_Q7...aB3x", Some(("pat_Q7", "aB3x"))),
            (" pat_Q7 \u{2026} ", Some(("pat_Q7", ""))),
            ("\u{2026}aB3x", Some(("", "aB3x"))),
            ("\u{2026}", None),
            ("...", None),
            ("pat_Q7", None),
            ("a..b", None),
        ] {
            assert_eq!(displayed_parts(text), parts, "{text}");
        }
    }

    #[test]
    fn pages_have_1_to_200_rows() {
        assert_eq!(PageSize::default().get(), 50);
        assert!(PageSize::new(0).is_none() && PageSize::new(201).is_none());
        assert!(PageSize::new(1).is_some() && PageSize::new(200).is_some());
    }
}
