//! The format of a token: prefix, public id, secret and checksum, each of a fixed length.
//!
//! ```text
//! mcp_pat_  Q7mZ0aKd93Xb  <43 characters>  <6 characters>
//! prefix    public id     secret           checksum
//! ```

use std::fmt;

use thiserror::Error;

/// Characters of the public id: 9 bytes in base64url.
pub const PUBLIC_ID_LEN: usize = 12;
/// Characters of the secret: 32 bytes in base64url without padding.
pub const SECRET_LEN: usize = 43;
/// Characters of the checksum: 32 bits in base62.
pub const CHECKSUM_LEN: usize = 6;
/// The longest presented text that is parsed.
pub const MAX_LEN: usize = 128;

/// The characters that can end a secret: 43 characters encode 258 bits, and 32 bytes use 256 of them, so two bits are zero.
pub(crate) const LAST_OF_SECRET: &str = "AEIMQUYcgkosw048";
/// The largest first digit of a checksum: 32 bits have at most this one in base62.
pub(crate) const MAX_FIRST_DIGIT: char = '4';
/// Characters after the prefix.
pub(crate) const BODY_LEN: usize = PUBLIC_ID_LEN + SECRET_LEN + CHECKSUM_LEN;
const MAX_PREFIX: usize = 20;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The prefix of the tokens of an installation: words of lower-case letters and digits, each followed by `_`, at most 20
/// characters. Default `pat_`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix(String);

/// The text is not a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "must be words of lower-case letters and digits that begin with a letter, each followed by `_`, such as \
     `mcp_pat_`, at most {MAX_PREFIX} characters"
)]
pub struct PrefixError;

impl Prefix {
    /// Parses `^[a-z][a-z0-9]*(_[a-z0-9]+)*_$`.
    ///
    /// # Errors
    /// [`PrefixError`] describes the format of a prefix.
    pub fn parse(text: &str) -> Result<Self, PrefixError> {
        let words = text.strip_suffix('_').ok_or(PrefixError)?;
        let begins = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
        if begins && text.len() <= MAX_PREFIX && words.split('_').all(is_prefix_word) {
            Ok(Self(text.to_owned()))
        } else {
            Err(PrefixError)
        }
    }

    /// The prefix with its final `_`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_prefix_word(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

impl Default for Prefix {
    fn default() -> Self {
        Self("pat_".to_owned())
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is not a token of this installation. For logs; clients receive the same response for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParseError {
    /// Not the length of a token (CVE-2026-27840: another system accepted truncated tokens).
    #[error("wrong length")]
    Length,
    /// Another prefix.
    #[error("wrong prefix")]
    Prefix,
    /// A character that is not allowed at its position.
    #[error("wrong character")]
    Alphabet,
    /// A checksum that does not match the text before it.
    #[error("wrong checksum")]
    Checksum,
}

/// Whether a text has the format and a valid checksum, whether or not the token exists.
///
/// # Errors
/// [`ParseError`].
pub fn check_format(prefix: &Prefix, text: &str) -> Result<(), ParseError> {
    check(prefix, text.as_bytes()).map(|_| ())
}

/// The first line of standard input without its final LF, which `echo` and editors append. A final CRLF stays, since
/// [`PlainToken::parse`](crate::PlainToken::parse) trims it for every caller; a text with a second line break stays unchanged.
#[must_use]
pub fn presented_line(text: &str) -> &str {
    if text.ends_with("\r\n") {
        text
    } else {
        text.strip_suffix('\n').filter(|line| !line.ends_with('\n')).unwrap_or(text)
    }
}

/// The public parts of a complete or truncated token within `text`: prefix and public id, and the last four characters if
/// it is complete. `None` if the text contains no part of a secret.
#[must_use]
pub fn public_parts<'t>(prefix: &Prefix, text: &'t str) -> Option<(&'t str, &'t str)> {
    text.match_indices(prefix.as_str()).find_map(|(start, _)| {
        let token = text.get(start..)?;
        let body = token.get(prefix.0.len()..)?;
        let length = body.bytes().take_while(u8::is_ascii_alphanumeric).count();
        let token = token.get(..prefix.0.len() + length).filter(|_| length > PUBLIC_ID_LEN)?;
        let suffix = if length == BODY_LEN { token.get(token.len() - 4..)? } else { "" };
        Some((token.get(..prefix.0.len() + PUBLIC_ID_LEN)?, suffix))
    })
}

/// The length of the part of `text` that is a complete or truncated token with this prefix at its start and contains a part
/// of the secret; `None` for any other text. Whatever has the characters of a token belongs to it.
pub(crate) fn secret_len(prefix: &Prefix, text: &str) -> Option<usize> {
    let body = text.strip_prefix(prefix.as_str())?;
    let length = body.bytes().take_while(u8::is_ascii_alphanumeric).count();
    (length > PUBLIC_ID_LEN).then_some(prefix.0.len() + length)
}

/// Returns the text if it has the format and checksum of a token. All callers parse presented tokens with this function.
///
/// One CRLF at the end is trimmed, since it may be copied together with the token. Nothing else is trimmed: no blanks, no
/// second line break, and no lone CR or LF, which only occur on standard input (see [`presented_line`]).
pub(crate) fn check<'t>(prefix: &Prefix, text: &'t [u8]) -> Result<&'t str, ParseError> {
    let text = text.strip_suffix(b"\r\n").unwrap_or(text);
    if text.len() > MAX_LEN || text.len() != prefix.0.len() + BODY_LEN {
        return Err(ParseError::Length);
    }
    let body = text.strip_prefix(prefix.0.as_bytes()).ok_or(ParseError::Prefix)?;
    let text = std::str::from_utf8(text).map_err(|_| ParseError::Alphabet)?;
    if !body.iter().all(u8::is_ascii_alphanumeric) {
        return Err(ParseError::Alphabet);
    }
    let (front, sum) = text.split_at_checked(text.len() - CHECKSUM_LEN).ok_or(ParseError::Length)?;
    if !front.ends_with(|last| LAST_OF_SECRET.contains(last)) {
        return Err(ParseError::Alphabet);
    }
    if checksum(front) == sum { Ok(text) } else { Err(ParseError::Checksum) }
}

/// CRC-32 (ISO 3309) of the text before it, as six base62 digits, most significant first.
pub(crate) fn checksum(front: &str) -> String {
    let mut remainder = crc32fast::hash(front.as_bytes());
    let mut digits = [b'0'; CHECKSUM_LEN];
    for digit in digits.iter_mut().rev() {
        let value = usize::try_from(remainder % 62).unwrap_or_default();
        *digit = BASE62.get(value).copied().unwrap_or_default();
        remainder /= 62;
    }
    digits.iter().map(|digit| char::from(*digit)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn checksums_match_the_published_algorithm() {
        // CRC-32 of "123456789" is 0xcbf43926.
        let value = checksum("123456789")
            .bytes()
            .fold(0_u64, |sum, digit| sum * 62 + BASE62.iter().position(|b| *b == digit).unwrap() as u64);
        assert_eq!(value, 0xcbf4_3926);
        assert_eq!(checksum(""), "000000");
    }

    #[test]
    fn only_the_public_parts_of_a_token_in_a_text_are_returned() {
        let prefix = Prefix::default();
        let (id, rest) = ("Q7mZ0aKd93Xb", format!("{}aB3x", "s".repeat(45)));
        let (public_id, whole) = (format!("pat_{id}"), format!("pat_{id}{rest}"));
        for text in [whole.clone(), format!("Bearer {whole} "), format!("\u{e9}pat_x pat_{id}{rest}\u{e9}")] {
            assert_eq!(public_parts(&prefix, &text), Some((public_id.as_str(), "aB3x")), "{text}");
        }
        for text in [format!("{public_id}s"), format!("{whole}s"), whole[..60].to_owned()] {
            assert_eq!(public_parts(&prefix, &text), Some((public_id.as_str(), "")), "{text}");
        }
        for text in
            [public_id.as_str(), "", "pat_", "pat_Q7", "aB3x", "ci pat_", &rest, "other_Q7mZ0aKd93Xbs"]
        {
            assert_eq!(public_parts(&prefix, text), None, "{text}");
        }
    }

    #[test]
    fn only_words_with_underscores_are_prefixes() {
        for text in ["pat_", "mcp_pat_", "a_", "a1_2b_", "abcdefghijklmnopqrs_"] {
            assert_eq!(Prefix::parse(text).map(|prefix| prefix.0).as_deref(), Ok(text));
        }
        for text in [
            "",
            "_",
            "pat",
            "Pat_",
            "1pat_",
            "pat__",
            "_pat_",
            "pa-t_",
            "pat_ ",
            "päт_",
            "abcdefghijklmnopqrst_",
        ] {
            assert_eq!(Prefix::parse(text), Err(PrefixError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_text_is_rejected_or_parsed_to_the_same_prefix(text in "[a-z0-9_A-]{0,24}|\\PC{0,10}") {
            if let Ok(prefix) = Prefix::parse(&text) {
                prop_assert!(prefix.to_string() == text && text.ends_with('_') && text.len() <= 20);
            }
        }
    }
}
