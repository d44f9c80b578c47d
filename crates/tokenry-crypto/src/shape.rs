//! The shape of tokens that another system issued: how to recognize one, how to find its row, and what its hash covers.

mod preset;

use std::{fmt, ops::Range, ops::RangeInclusive, str::FromStr};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use tokenry_domain::{PublicId, SecretHash};

use crate::{
    hash::{DigestScheme, Hasher, UnreadableHash, imported_digest},
    plain::PlainToken,
};

/// The longest text of an imported token.
const MAX_LEN: usize = 255;
/// The longest prefix.
const MAX_PREFIX: usize = 32;
/// The fewest characters beside prefix and lookup key: fewer could be guessed.
const MIN_SECRET: usize = 16;
/// The bytes of a tag, which base64 makes a third longer.
const TAG_BYTES: usize = 6;
/// The longest lookup key that stands before a separator.
const MAX_KEY: usize = 64;

/// The shape of the tokens of one other system. Its text is a list of `name=value`, such as
/// `prefix=bodhiapp_ lookup=first:8 hashed=whole length=52 alphabet=base64url`.
///
/// A text of this shape has no `$` and at most one `.`, so it is never taken for a JWT or confused with a stored hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    text: String,
    tag: String,
    prefix: String,
    lookup: LookupRule,
    hashed: Hashed,
    length: RangeInclusive<usize>,
    alphabet: Alphabet,
}

/// How a presented text leads to its row.
#[derive(Debug, Clone, PartialEq, Eq)]
enum LookupRule {
    /// By the first characters after the prefix.
    First(usize),
    /// By the last characters.
    Last(usize),
    /// By what is between the prefix and this separator.
    Before(char),
    /// By the unsalted digest that is stored.
    Digest(DigestScheme),
}

/// What the stored hash covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hashed {
    Whole,
    /// What follows the prefix.
    Body,
    /// What follows the separator.
    Secret,
}

/// The characters after the prefix, except for a separator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Alphabet {
    /// Digits and `a` to `f`.
    Hex,
    Alphanumeric,
    /// Letters, digits, `-` and `_`.
    Base64Url,
    /// Letters, digits, `+`, `/` and `=`.
    Base64,
}

/// Why a text does not describe a shape.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct ShapeError(String);

/// Why a lookup key does not belong to a shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LookupError {
    /// Another length or other characters than the shape has at this place.
    #[error("does not fit the shape of the tokens")]
    Key,
    /// The shape finds tokens by their digest, and the stored hash is none of that kind.
    #[error("is not the unsalted digest by which the shape finds tokens")]
    Digest,
}

impl Shape {
    /// The maximum length of a shape's text in bytes.
    pub const MAX_TEXT: usize = 255;

    /// The length of [`public_id_prefix`](Self::public_id_prefix) in characters.
    pub const PUBLIC_ID_PREFIX_LEN: usize = 1 + TAG_BYTES / 3 * 4;

    /// The names of the shapes of well-known systems, which can be written instead of a shape.
    pub fn presets() -> impl Iterator<Item = &'static str> {
        preset::names()
    }

    /// The canonical text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The prefix, which may be empty.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// How the public ids of all tokens with this shape begin, and no other public id.
    #[must_use]
    pub fn public_id_prefix(&self) -> String {
        format!("~{}", self.tag)
    }

    /// The id of the pepper without which no token of this shape is found; `None` if none is needed.
    #[must_use]
    pub fn lookup_pepper(&self) -> Option<&str> {
        match &self.lookup {
            LookupRule::Digest(DigestScheme::HmacSha256(id)) => Some(id),
            _ => None,
        }
    }

    /// The longest text that the stored hash covers, in bytes.
    #[must_use]
    pub fn max_hashed(&self) -> usize {
        match self.hashed {
            Hashed::Whole => *self.length.end(),
            Hashed::Body | Hashed::Secret => self.length.end().saturating_sub(self.prefix.len()),
        }
    }

    /// Whether tokens are found by their stored digest.
    #[must_use]
    pub fn is_by_digest(&self) -> bool {
        matches!(self.lookup, LookupRule::Digest(_))
    }

    /// The public id of the row whose source stores this lookup key, with or without the prefix and the separator.
    ///
    /// # Errors
    /// [`LookupError::Key`].
    pub fn public_id(&self, key: &str) -> Result<PublicId, LookupError> {
        let key = key.strip_prefix(self.prefix.as_str()).unwrap_or(key);
        let fits = match self.lookup {
            LookupRule::First(length) | LookupRule::Last(length) => {
                key.len() == length && self.alphabet.has(key)
            }
            LookupRule::Before(separator) => {
                let key = key.strip_suffix(separator).unwrap_or(key);
                return if is_key(key) { Ok(self.tagged(key)) } else { Err(LookupError::Key) };
            }
            LookupRule::Digest(_) => false,
        };
        if fits { Ok(self.tagged(key)) } else { Err(LookupError::Key) }
    }

    /// The public id of the row with this stored hash, for a shape that finds tokens by their digest.
    ///
    /// # Errors
    /// [`LookupError::Digest`].
    pub fn public_id_of(&self, stored: &SecretHash) -> Result<PublicId, LookupError> {
        let LookupRule::Digest(scheme) = &self.lookup else { return Err(LookupError::Digest) };
        let digest = imported_digest(stored, scheme).ok_or(LookupError::Digest)?;
        Ok(self.of_digest(&digest))
    }

    /// The characters that may be shown of a token with this lookup key: first and last ones.
    #[must_use]
    pub fn shown(&self, key: &str) -> (String, String) {
        let key = key.strip_prefix(self.prefix.as_str()).unwrap_or(key);
        match self.lookup {
            LookupRule::First(_) => (format!("{}{key}", self.prefix), String::new()),
            LookupRule::Last(_) => (self.prefix.clone(), key.to_owned()),
            LookupRule::Before(separator) => {
                let key = key.strip_suffix(separator).unwrap_or(key);
                (format!("{}{key}{separator}", self.prefix), String::new())
            }
            LookupRule::Digest(_) => (self.prefix.clone(), String::new()),
        }
    }

    /// The characters that may be shown of a presented text of this shape; `None` for any other text.
    #[must_use]
    pub fn shown_of(&self, presented: &[u8]) -> Option<String> {
        let parts = self.parts(presented)?;
        Some(match parts.key.and_then(|key| parts.text.get(key)) {
            Some(key) => {
                let (first, last) = self.shown(key);
                format!("{first}…{last}")
            }
            None => format!("{}…", self.prefix),
        })
    }

    /// The regular expression of what follows the prefix. Where a separator divides it, the expression permits longer
    /// texts than [`fits`](Self::fits).
    pub(crate) fn body_expression(&self) -> String {
        let class = self.class();
        let least = self.length.start().saturating_sub(self.prefix.len());
        let most = self.length.end().saturating_sub(self.prefix.len());
        let LookupRule::Before(separator) = self.lookup else {
            return format!("{class}{}", repetition(least, most));
        };
        // The shortest secret follows the longest key, the longest one a key of one character.
        let least = least.saturating_sub(MAX_KEY + 1).max(MIN_SECRET);
        let separator = if separator == ':' { ":".to_owned() } else { format!("\\{separator}") };
        let key = Alphabet::Base64Url.class();
        format!("{key}{{1,{MAX_KEY}}}{separator}{class}{}", repetition(least, most.saturating_sub(2)))
    }

    /// Whether a token of this shape would be longer if this byte followed it.
    #[must_use]
    pub fn continues_with(&self, byte: u8) -> bool {
        self.alphabet.has(&char::from(byte).to_string())
    }

    /// The characters of the last part, as a class of a regular expression.
    pub(crate) fn class(&self) -> &'static str {
        self.alphabet.class()
    }

    /// Whether a presented text has this shape; it need not be a token.
    #[must_use]
    pub fn fits(&self, presented: &[u8]) -> bool {
        self.parts(presented).is_some()
    }

    /// Reads a presented text of this shape; `None` for any other text, at the cost of looking at its characters.
    ///
    /// # Errors
    /// [`UnreadableHash::Pepper`] if tokens are found by an HMAC whose key is not configured.
    pub fn read(&self, presented: &[u8], hasher: &Hasher) -> Result<Option<PlainToken>, UnreadableHash> {
        let Some(Parts { text, key, secret_start }) = self.parts(presented) else { return Ok(None) };
        let hashed = match self.hashed {
            Hashed::Whole => 0..text.len(),
            Hashed::Body => self.prefix.len()..text.len(),
            Hashed::Secret => secret_start..text.len(),
        };
        let public_id = match (&self.lookup, key) {
            (LookupRule::Digest(scheme), _) => {
                let covered = text.as_bytes().get(hashed.clone()).unwrap_or_default();
                self.of_digest(&hasher.digest(scheme, covered)?)
            }
            (_, Some(key)) => self.tagged(text.get(key).unwrap_or_default()),
            (_, None) => return Ok(None),
        };
        Ok(Some(PlainToken::imported(text, public_id, hashed)))
    }

    fn parts<'t>(&self, presented: &'t [u8]) -> Option<Parts<'t>> {
        let text = presented.strip_suffix(b"\r\n").unwrap_or(presented);
        if !self.length.contains(&text.len()) || !text.starts_with(self.prefix.as_bytes()) {
            return None;
        }
        let text = std::str::from_utf8(text).ok()?;
        let (start, end) = (self.prefix.len(), text.len());
        let body = text.get(start..)?;
        let (key, secret, secret_start) = match self.lookup {
            LookupRule::First(length) => {
                (Some(start..start.checked_add(length)?), body.get(length..)?, start + length)
            }
            LookupRule::Last(length) => {
                let at = end.checked_sub(length)?;
                (Some(at..end), text.get(start..at)?, start)
            }
            LookupRule::Before(separator) => {
                let (key, secret) = body.split_once(separator)?;
                let secret_start = end - secret.len();
                is_key(key).then_some((Some(start..start + key.len()), secret, secret_start))?
            }
            LookupRule::Digest(_) => (None, body, start),
        };
        let key_text = match &key {
            Some(key) => text.get(key.clone())?,
            None => "",
        };
        let is_key_fitting = matches!(self.lookup, LookupRule::Before(_)) || self.alphabet.has(key_text);
        let fits = secret.len() >= MIN_SECRET && self.alphabet.has(secret) && is_key_fitting;
        fits.then_some(Parts { text, key, secret_start })
    }

    fn of_digest(&self, digest: &[u8]) -> PublicId {
        let key = Sha256::new().chain_update(b"tokenry lookup v1").chain_update(digest).finalize();
        self.tagged(&URL_SAFE_NO_PAD.encode(key))
    }

    /// The tag keeps the keys of different shapes apart, and `~` those of all shapes from Tokenry's own public ids.
    fn tagged(&self, key: &str) -> PublicId {
        PublicId::from_stored(format!("{}{key}", self.public_id_prefix()))
    }
}

/// A presented text of a shape.
struct Parts<'t> {
    text: &'t str,
    key: Option<Range<usize>>,
    /// Where the part after the separator begins.
    secret_start: usize,
}

/// An id of the other system.
fn is_key(text: &str) -> bool {
    (1..=MAX_KEY).contains(&text.len()) && Alphabet::Base64Url.has(text)
}

impl Alphabet {
    fn has(self, text: &str) -> bool {
        text.bytes().all(|b| match self {
            Self::Hex => matches!(b, b'0'..=b'9' | b'a'..=b'f'),
            Self::Alphanumeric => b.is_ascii_alphanumeric(),
            Self::Base64Url => b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'),
            Self::Base64 => b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='),
        })
    }

    /// The same characters as a class of a regular expression.
    fn class(self) -> &'static str {
        match self {
            Self::Hex => "[0-9a-f]",
            Self::Alphanumeric => "[A-Za-z0-9]",
            Self::Base64Url => "[A-Za-z0-9_-]",
            Self::Base64 => "[A-Za-z0-9+/=]",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        match text {
            "hex" => Some(Self::Hex),
            "alphanumeric" => Some(Self::Alphanumeric),
            "base64url" => Some(Self::Base64Url),
            "base64" => Some(Self::Base64),
            _ => None,
        }
    }
}

impl FromStr for Shape {
    type Err = ShapeError;

    /// Parses the name of a preset, or a list of `name=value` in any order; only `prefix` and `hashed` have defaults,
    /// nothing and `whole`.
    fn from_str(given: &str) -> Result<Self, ShapeError> {
        let given = preset::find(given.trim()).unwrap_or(given);
        if given.len() > Self::MAX_TEXT {
            return Err(refused("is too long"));
        }
        let (mut prefix, mut lookup, mut hashed, mut length, mut alphabet) = (None, None, None, None, None);
        for word in given.split_ascii_whitespace() {
            let (name, value) =
                word.split_once('=').ok_or_else(|| refused("has a word that is not name=value"))?;
            let slot = match name {
                "prefix" => &mut prefix,
                "lookup" => &mut lookup,
                "hashed" => &mut hashed,
                "length" => &mut length,
                "alphabet" => &mut alphabet,
                _ => {
                    return Err(refused(format!(
                        "{name:?} is not prefix, lookup, hashed, length or alphabet"
                    )));
                }
            };
            if slot.replace(value).is_some() {
                return Err(refused(format!("{name} is given twice")));
            }
        }
        let prefix = prefix.unwrap_or_default();
        if prefix.len() > MAX_PREFIX || !Alphabet::Base64Url.has(prefix) {
            return Err(refused("prefix must be at most 32 letters, digits, `-` and `_`"));
        }
        let lookup_text = lookup.ok_or_else(|| refused("lookup is missing"))?;
        let lookup = parse_lookup(lookup_text).ok_or_else(|| {
            refused("lookup must be first:N, last:N, before:|, before:., before::, sha256, sha512 or hmac-sha256:KEY")
        })?;
        let hashed_text = hashed.unwrap_or("whole");
        let hashed = match hashed_text {
            "whole" => Hashed::Whole,
            "body" => Hashed::Body,
            "secret" if matches!(lookup, LookupRule::Before(_)) => Hashed::Secret,
            _ => return Err(refused("hashed must be whole, body or, with lookup=before:…, secret")),
        };
        let length = length.and_then(parse_length).ok_or_else(|| {
            refused(format!("length must be N or N-M, at most {MAX_LEN}: the length of the whole token"))
        })?;
        let alphabet_text = alphabet.ok_or_else(|| refused("alphabet is missing"))?;
        let alphabet = Alphabet::parse(alphabet_text)
            .ok_or_else(|| refused("alphabet must be hex, alphanumeric, base64url or base64"))?;
        let key = match lookup {
            LookupRule::First(length) | LookupRule::Last(length) => length,
            LookupRule::Before(_) => 2,
            LookupRule::Digest(_) => 0,
        };
        if *length.start() < prefix.len() + key + MIN_SECRET {
            return Err(refused(format!(
                "length must leave at least {MIN_SECRET} characters for the secret"
            )));
        }
        let (from, to) = (*length.start(), *length.end());
        let span = if from == to { from.to_string() } else { format!("{from}-{to}") };
        let text = format!(
            "prefix={prefix} lookup={lookup_text} hashed={hashed_text} length={span} alphabet={alphabet_text}"
        );
        let digest = Sha256::new().chain_update(b"tokenry shape v1").chain_update(&text).finalize();
        let tag = URL_SAFE_NO_PAD.encode(digest.first_chunk::<TAG_BYTES>().unwrap_or(&[0; TAG_BYTES]));
        Ok(Self { text, tag, prefix: prefix.to_owned(), lookup, hashed, length, alphabet })
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// How often the characters of a regular expression's class occur.
fn repetition(least: usize, most: usize) -> String {
    if least == most { format!("{{{least}}}") } else { format!("{{{least},{most}}}") }
}

fn refused(what: impl Into<String>) -> ShapeError {
    ShapeError(what.into())
}

fn parse_lookup(text: &str) -> Option<LookupRule> {
    let characters = |digits: &str| digits.parse::<usize>().ok().filter(|length| (6..=32).contains(length));
    match text.split_once(':') {
        Some(("first", digits)) => characters(digits).map(LookupRule::First),
        Some(("last", digits)) => characters(digits).map(LookupRule::Last),
        Some(("before", "|")) => Some(LookupRule::Before('|')),
        Some(("before", ".")) => Some(LookupRule::Before('.')),
        Some(("before", ":")) => Some(LookupRule::Before(':')),
        _ => DigestScheme::parse(text).map(LookupRule::Digest),
    }
}

fn parse_length(text: &str) -> Option<RangeInclusive<usize>> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let (from, to) = (from.parse::<usize>().ok()?, to.parse::<usize>().ok()?);
    (from <= to && to <= MAX_LEN).then_some(from..=to)
}

#[cfg(test)]
mod tests;
