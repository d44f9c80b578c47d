//! Pages of lists, and their cursors: a position, sealed for one caller and one query.

use std::{fmt::Display, str::FromStr};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use tokenry_crypto::MacKey;
use tokenry_domain::{
    PageSize, TokenId, UnixMillis,
    query::{Position, PositionKey},
};

use crate::caller::Caller;

/// The length of a seal in bytes.
const SEAL: usize = 16;
/// The maximum length of a cursor: an id, a name of 100 characters of four bytes, and a seal, in base64.
const MAX: usize = 1024;

/// One page of a list.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// The cursor of the next page, if there is one.
    pub next_cursor: Option<String>,
}

/// One page of a list whose length is known.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CountedPage<T> {
    /// The rows.
    pub items: Vec<T>,
    /// The cursor of the next page, if there is one.
    pub next_cursor: Option<String>,
    /// How many rows the whole list has.
    pub total: u64,
}

impl<T> Page<T> {
    /// The first `size` of `rows`. A row beyond them shows that there is a next page, which begins after the `position`
    /// of the last row of this one.
    pub(crate) fn cut<P: ToString>(
        mut rows: Vec<T>,
        size: PageSize,
        cursors: &Cursors<'_>,
        position: impl FnOnce(&T) -> P,
    ) -> Self {
        let has_next = rows.len() > usize::from(size.get());
        rows.truncate(size.get().into());
        let next_cursor =
            rows.last().filter(|_| has_next).map(|last| cursors.seal(&position(last).to_string()));
        Self { items: rows, next_cursor }
    }
}

/// Seals and opens the cursors of one list.
pub(crate) struct Cursors<'k> {
    key: &'k MacKey,
    /// What the cursor is valid for.
    binding: String,
}

/// The text is not a cursor of this list.
#[derive(Debug, PartialEq)]
pub(crate) struct Forged;

impl<'k> Cursors<'k> {
    /// The cursors of one `list`, for one caller and one `query`: filter and order.
    pub(crate) fn new(key: &'k MacKey, caller: &Caller, list: &str, query: impl Display) -> Self {
        let holder = caller.user().map_or_else(|| "operator".to_owned(), |user| user.id.to_string());
        Self { key, binding: format!("{list} {holder} {query}") }
    }

    /// The position in a cursor of this list.
    pub(crate) fn position<P: FromStr>(&self, cursor: Option<&str>) -> Result<Option<P>, Forged> {
        cursor.map(|cursor| self.open(cursor)?.parse().map_err(|_| Forged)).transpose()
    }

    /// Seals a text as a cursor.
    pub(crate) fn seal(&self, text: &str) -> String {
        let mut bytes = self.key.tag(&[self.binding.as_bytes(), text.as_bytes()]).to_vec();
        bytes.extend_from_slice(text.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Opens a cursor of this list.
    pub(crate) fn open(&self, cursor: &str) -> Result<String, Forged> {
        if cursor.len() > MAX {
            return Err(Forged);
        }
        let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| Forged)?;
        let (seal, text) = bytes.split_at_checked(SEAL).ok_or(Forged)?;
        if !self.key.verify(&[self.binding.as_bytes(), text], seal) {
            return Err(Forged);
        }
        String::from_utf8(text.to_vec()).map_err(|_| Forged)
    }
}

/// Writes a position in a list of tokens as the id, the kind of key, and the key: `<id>t<text>`, `<id>i<millis>` or
/// `<id>n`.
pub(crate) fn write_position(Position { key, id }: &Position) -> String {
    match key {
        PositionKey::Text(text) => format!("{id}t{text}"),
        PositionKey::Instant(Some(at)) => format!("{id}i{}", at.get()),
        PositionKey::Instant(None) => format!("{id}n"),
    }
}

/// Reads a position that [`write_position`] wrote.
pub(crate) fn read_position(text: &str) -> Option<Position> {
    let (id, rest) = text.split_at_checked(36)?;
    let id: TokenId = id.parse().ok()?;
    let key = match rest.split_at_checked(1)? {
        ("t", text) => PositionKey::Text(text.to_owned()),
        ("i", millis) => PositionKey::Instant(Some(UnixMillis::new(millis.parse().ok()?)?)),
        ("n", "") => PositionKey::Instant(None),
        _ => return None,
    };
    Some(Position { key, id })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn position(key: PositionKey) -> Position {
        Position { key, id: TokenId::new(UnixMillis::new(1_000).unwrap(), [7; 10]) }
    }

    #[test]
    fn a_cursor_opens_only_for_the_list_and_caller_it_was_sealed_for() {
        let (key, other_key) = (MacKey::from_bytes([1; 32]), MacKey::from_bytes([2; 32]));
        let cursors = |key, binding: &str| Cursors { key, binding: binding.to_owned() };
        for key_part in [
            PositionKey::Text("näme \u{1f511}".to_owned()),
            PositionKey::Instant(None),
            PositionKey::Instant(UnixMillis::new(5)),
        ] {
            let position = position(key_part);
            let cursor = cursors(&key, "alice").seal(&write_position(&position));
            assert_eq!(
                cursors(&key, "alice").open(&cursor).map(|text| read_position(&text)),
                Ok(Some(position))
            );
            assert_eq!(cursors(&key, "bob").open(&cursor), Err(Forged));
            assert_eq!(cursors(&other_key, "alice").open(&cursor), Err(Forged));
        }
    }

    proptest! {
        #[test]
        fn a_forged_or_changed_cursor_does_not_open(text in "[A-Za-z0-9_=-]{0,80}", index in 0..40_usize, flip in 1..64_u8) {
            let key = MacKey::from_bytes([1; 32]);
            let cursors = Cursors { key: &key, binding: "alice".to_owned() };
            prop_assert_eq!(cursors.open(&text), Err(Forged));
            let mut bytes = URL_SAFE_NO_PAD.decode(cursors.seal(&write_position(&position(PositionKey::Instant(None))))).unwrap();
            bytes[index] ^= flip;
            prop_assert_eq!(cursors.open(&URL_SAFE_NO_PAD.encode(bytes)), Err(Forged));
        }
    }
}
