//! What a list of tokens is asked for: filters, order, page.

use std::{fmt, str::FromStr};

use thiserror::Error;

use crate::{
    id::{TokenId, UserId},
    risk::Risk,
    scope::Scope,
    time::UnixMillis,
    token::{Status, Token},
};

/// Which tokens a list shows; every condition that is set must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenFilter {
    /// Only this owner's.
    pub user_id: Option<UserId>,
    /// Only those in this state.
    pub status: Option<Status>,
    /// Only those whose name, public beginning or last characters contain this text, ignoring ASCII case; or, where it
    /// has `…` or `...` in it, whose beginning contains what stands before and whose last characters what stands behind.
    pub search: Option<String>,
    /// Only those that were given exactly this scope.
    pub scope: Option<Scope>,
    /// Only those not used at or after this instant.
    pub unused_since: Option<UnixMillis>,
    /// Only those that end before this instant.
    pub expires_before: Option<UnixMillis>,
    /// Only live ones with this risk.
    pub risk: Option<Risk>,
}

/// The two ends of a token as it is shown, such as `pat_Q7mZ0aKd93Xb…aB3x`; one of them may be left out.
#[must_use]
pub fn shown_ends(search: &str) -> Option<(&str, &str)> {
    let (beginning, end) = search.split_once('\u{2026}').or_else(|| search.split_once("..."))?;
    let ends = (beginning.trim(), end.trim());
    (ends != ("", "")).then_some(ends)
}

/// By what a list is ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortKey {
    /// Creation.
    CreatedAt,
    /// Display name, by bytes.
    Name,
    /// Expiry; never comes last.
    ExpiresAt,
    /// Last use; never used comes first.
    LastUsedAt,
}

/// The order of a list; ties are ordered by id in the same direction. Default: newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sort {
    /// By what.
    pub key: SortKey,
    /// Whether the largest comes first.
    pub descending: bool,
}

impl Default for Sort {
    fn default() -> Self {
        Self { key: SortKey::CreatedAt, descending: true }
    }
}

/// The text names no order.
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
        let key = match key {
            "created_at" => SortKey::CreatedAt,
            "name" => SortKey::Name,
            "expires_at" => SortKey::ExpiresAt,
            "last_used_at" => SortKey::LastUsedAt,
            _ => return Err(ParseSortError),
        };
        Ok(Self { key, descending })
    }
}

impl fmt::Display for Sort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = match self.key {
            SortKey::CreatedAt => "created_at",
            SortKey::Name => "name",
            SortKey::ExpiresAt => "expires_at",
            SortKey::LastUsedAt => "last_used_at",
        };
        write!(f, "{}{key}", if self.descending { "-" } else { "" })
    }
}

/// How many rows a page has: 1 to 200, 50 by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageSize(u16);

impl PageSize {
    /// The most rows of one page.
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

/// The last row of a page, from which the next one goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The value of the sort key there.
    pub key: PositionKey,
    /// The id there, which decides ties.
    pub id: TokenId,
}

/// The value of a sort key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PositionKey {
    /// Of an instant, which may be absent.
    Instant(Option<UnixMillis>),
    /// Of a text.
    Text(String),
}

impl Position {
    /// Where `token` stands in a list ordered by `sort`.
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

/// Some rows of a longer list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Where the next page begins, if there is one.
    pub next: Option<Position>,
    /// How many rows the whole list has.
    pub total: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_read_back_and_nothing_else_does() {
        for text in ["created_at", "-created_at", "name", "-expires_at", "last_used_at"] {
            assert_eq!(text.parse::<Sort>().unwrap().to_string(), text);
        }
        for text in ["", "-", "--name", "secret_hash", "Name", "name,created_at", "+name"] {
            assert_eq!(text.parse::<Sort>(), Err(ParseSortError), "{text}");
        }
        assert_eq!(Sort::default().to_string(), "-created_at");
    }

    #[test]
    fn a_token_as_it_is_shown_has_two_ends() {
        for (text, ends) in [
            ("pat_Q7\u{2026}aB3x", Some(("pat_Q7", "aB3x"))),
            ("pat_Q7...aB3x", Some(("pat_Q7", "aB3x"))),
            (" pat_Q7 \u{2026} ", Some(("pat_Q7", ""))),
            ("\u{2026}aB3x", Some(("", "aB3x"))),
            ("\u{2026}", None),
            ("...", None),
            ("pat_Q7", None),
            ("a..b", None),
        ] {
            assert_eq!(shown_ends(text), ends, "{text}");
        }
    }

    #[test]
    fn pages_have_1_to_200_rows() {
        assert_eq!(PageSize::default().get(), 50);
        assert!(PageSize::new(0).is_none() && PageSize::new(201).is_none());
        assert!(PageSize::new(1).is_some() && PageSize::new(200).is_some());
    }
}
