//! Texts that people write: parsed once, bounded, free of control characters.

use std::{borrow::Cow, fmt};

use thiserror::Error;
use unicode_width::UnicodeWidthChar as _;

/// Why a text was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TextError {
    /// Nothing but white space and characters that nobody sees.
    #[error("must not be empty")]
    Empty,
    /// More characters (Unicode scalar values) than allowed.
    #[error("must be at most {max} characters")]
    TooLong {
        /// The most characters allowed.
        max: usize,
    },
    /// A control, line-separator or bidirectional character, which could forge a log line or a screen.
    #[error("must not contain control characters")]
    Control,
}

/// The first `max` characters of what somebody sent, without those that could forge a line. A plain text is not copied.
#[must_use]
pub fn one_line(text: &str, max: usize) -> Cow<'_, str> {
    // Without a branch for each byte: this is on the path of every request.
    let is_plain = text.bytes().fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~'));
    if is_plain && let Some(first) = text.get(..text.len().min(max)) {
        return Cow::Borrowed(first);
    }
    Cow::Owned(text.chars().filter(|c| !forges(*c)).take(max).collect())
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $min:expr, $max:expr, $lines:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The most characters (Unicode scalar values) it may have.
            pub const MAX: usize = $max;

            /// Parses the text; it is kept as written, white space included.
            ///
            /// # Errors
            /// [`TextError`] names the rule that was broken.
            pub fn parse(text: impl Into<String>) -> Result<Self, TextError> {
                let text = text.into();
                check(&text, $min, $max, $lines)?;
                Ok(Self(text))
            }

            /// Takes a text that was parsed before and read back: what the rules of its time accepted stays readable.
            #[must_use]
            pub fn from_stored(text: String) -> Self {
                Self(text)
            }

            /// The text as it was written.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text! {
    /// The display name of a token: 1 to 100 characters on one line.
    TokenName, Minimum::Visible, 100, Lines::One
}
text! {
    /// A note about a token: at most 500 characters, line breaks allowed.
    Description, Minimum::None, 500, Lines::Many
}
text! {
    /// Why a token was revoked: at most 200 characters on one line.
    Reason, Minimum::Visible, 200, Lines::One
}
text! {
    /// The host system's own id of a user, such as a JWT's `sub`: 1 to 255 characters on one line.
    Subject, Minimum::Visible, 255, Lines::One
}
text! {
    /// The display name of a user: 1 to 100 characters on one line.
    UserName, Minimum::Visible, 100, Lines::One
}

enum Minimum {
    None,
    Visible,
}

#[derive(PartialEq)]
enum Lines {
    One,
    Many,
}

fn check(text: &str, minimum: Minimum, max: usize, lines: Lines) -> Result<(), TextError> {
    if text.chars().nth(max).is_some() {
        return Err(TextError::TooLong { max });
    }
    if text.chars().any(|c| forges(c) && !(lines == Lines::Many && matches!(c, '\n' | '\r' | '\t'))) {
        return Err(TextError::Control);
    }
    if matches!(minimum, Minimum::Visible) && !text.chars().any(is_visible) {
        return Err(TextError::Empty);
    }
    Ok(())
}

/// Whether a character shows something by itself: no blank, nothing of no width (joiners, selectors, fillers, marks
/// that combine with what is before them).
fn is_visible(c: char) -> bool {
    // Blanks that are letters or symbols by their category: the Hangul filler that has a width, and the empty Braille
    // cell.
    let is_blank = c.is_whitespace() || matches!(c, '\u{115f}' | '\u{2800}');
    !is_blank && c.width().is_some_and(|width| width > 0)
}

/// Characters that change how the text around them is shown: controls, line separators, and all that says in which
/// direction a text runs.
#[must_use]
pub fn forges(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_visible_line() {
        assert!(TokenName::parse("ci — 部署 <b>").is_ok());
        assert_eq!(TokenName::parse(""), Err(TextError::Empty));
        assert_eq!(TokenName::parse(" \u{3000}"), Err(TextError::Empty));
        for text in ["a\nb", "a\0", "\u{1b}[31m", "a\u{202e}b", "a\u{2028}b", "a\u{85}"] {
            assert_eq!(TokenName::parse(text), Err(TextError::Control), "{text:?}");
        }
    }

    #[test]
    fn a_name_of_nothing_that_anybody_sees_is_empty() {
        for text in [
            "\u{200b}",
            "\u{200c}\u{200d}",
            "\u{2060}",
            "\u{ad}",
            "\u{34f}",
            "\u{3164}",
            "\u{ffa0}",
            "\u{115f}",
            "\u{1160}",
            "\u{17b4}",
            "\u{180e}",
            "\u{2800}",
            "\u{fe0f}",
            "\u{fe00} ",
            "\u{e0100}",
            "\u{e0041}",
            "\u{301}",
            "\u{301}\u{20dd}",
            " \u{a0}\u{3000}\u{200b}",
        ] {
            assert_eq!(TokenName::parse(text), Err(TextError::Empty), "{text:?}");
            assert_eq!(UserName::parse(text), Err(TextError::Empty), "{text:?}");
            assert_eq!(Subject::parse(text), Err(TextError::Empty), "{text:?}");
            assert_eq!(Reason::parse(text), Err(TextError::Empty), "{text:?}");
        }
        for text in [
            "é",
            "e\u{301}",
            "👩\u{200d}💻",
            "❤\u{fe0f}",
            "한글",
            "می\u{200c}خواهم",
            "-",
            ".",
            "ﷺ",
            "\u{e000}",
        ] {
            assert!(TokenName::parse(text).is_ok(), "{text:?}");
        }
    }

    #[test]
    fn nothing_that_breaks_or_turns_a_line_enters_one_line() {
        for c in [
            '\u{2028}', '\u{2029}', '\u{200e}', '\u{200f}', '\u{61c}', '\u{202a}', '\u{202b}', '\u{202c}',
            '\u{202d}', '\u{202e}', '\u{2066}', '\u{2067}', '\u{2068}', '\u{2069}', '\u{feff}', '\u{85}',
        ] {
            let text = format!("a{c}b");
            for refused in [
                TokenName::parse(text.as_str()).map(drop),
                UserName::parse(text.as_str()).map(drop),
                Subject::parse(text.as_str()).map(drop),
                Reason::parse(text.as_str()).map(drop),
                // Lines are a description's own; their direction is not.
                Description::parse(text.as_str()).map(drop),
            ] {
                assert_eq!(refused, Err(TextError::Control), "{c:?}");
            }
            assert_eq!(one_line(&text, 9), "ab", "{c:?}");
        }
    }

    #[test]
    fn length_is_counted_in_characters() {
        assert!(TokenName::parse("é".repeat(100)).is_ok());
        assert_eq!(TokenName::parse("é".repeat(101)), Err(TextError::TooLong { max: 100 }));
    }

    #[test]
    fn descriptions_may_have_lines_but_no_escapes() {
        assert!(Description::parse("first\nsecond\tcolumn").is_ok());
        assert!(Description::parse("").is_ok());
        assert_eq!(Description::parse("\u{1b}]0;title"), Err(TextError::Control));
    }

    #[test]
    fn one_line_is_the_same_with_and_without_a_copy() {
        for (text, line) in [
            ("curl/8.0", "curl/8"),
            ("a\r\nb\u{1b}[2Jc", "ab[2Jc"),
            ("é\u{85}é", "éé"),
            ("\u{7f}", ""),
            ("ab\n", "ab"),
            ("日本語日本語日", "日本語日本語"),
            ("", ""),
        ] {
            assert_eq!(one_line(text, 6), line, "{text:?}");
        }
        assert!(matches!(one_line("curl/8.0", 6), Cow::Borrowed(_)));
    }
}
