//! Texts that users write: parsed once, limited in length, without control characters.

use std::{borrow::Cow, fmt};

use thiserror::Error;
use unicode_width::UnicodeWidthChar as _;

/// Why a text was rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TextError {
    /// Only white space and invisible characters.
    #[error("must not be empty")]
    Empty,
    /// More characters (Unicode scalar values) than allowed.
    #[error("must be at most {max} characters")]
    TooLong {
        /// The maximum number of characters.
        max: usize,
    },
    /// A control, line-separator or bidirectional character, which could forge a log line or a display.
    #[error("must not contain control characters")]
    Control,
}

/// The first `max` characters of a text without characters that could forge a line. A text of printable ASCII is not
/// copied.
#[must_use]
pub fn sanitize_line(text: &str, max: usize) -> Cow<'_, str> {
    // Without a branch per byte, since this runs on every request.
    let is_printable = text.bytes().fold(true, |all, byte| all & matches!(byte, b' '..=b'~'));
    if is_printable && let Some(first) = text.get(..text.len().min(max)) {
        return Cow::Borrowed(first);
    }
    Cow::Owned(text.chars().filter(|c| !is_spoofing(*c)).take(max).collect())
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $content:expr, $max:expr, $line_breaks:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The maximum number of characters (Unicode scalar values).
            pub const MAX: usize = $max;

            /// Parses the text and keeps it unchanged, including white space.
            ///
            /// # Errors
            /// [`TextError`] names the violated rule.
            pub fn parse(text: impl Into<String>) -> Result<Self, TextError> {
                let text = text.into();
                check(&text, $content, $max, $line_breaks)?;
                Ok(Self(text))
            }

            /// Wraps a stored text. It is not checked, so that a text that was valid under former rules can be read.
            #[must_use]
            pub fn from_stored(text: String) -> Self {
                Self(text)
            }

            /// The text, unchanged.
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
    TokenName, Content::Required, 100, LineBreaks::Forbidden
}
text! {
    /// A note about a token: at most 500 characters, line breaks allowed.
    Description, Content::Optional, 500, LineBreaks::Allowed
}
text! {
    /// Why a token was revoked: at most 200 characters on one line.
    Reason, Content::Required, 200, LineBreaks::Forbidden
}
text! {
    /// The host system's id of a user, such as a JWT's `sub`: 1 to 255 characters on one line.
    Subject, Content::Required, 255, LineBreaks::Forbidden
}
text! {
    /// The display name of a user: 1 to 100 characters on one line.
    UserName, Content::Required, 100, LineBreaks::Forbidden
}

enum Content {
    Optional,
    /// At least one visible character.
    Required,
}

enum LineBreaks {
    Allowed,
    Forbidden,
}

fn check(text: &str, content: Content, max: usize, line_breaks: LineBreaks) -> Result<(), TextError> {
    if text.chars().nth(max).is_some() {
        return Err(TextError::TooLong { max });
    }
    let allowed: &[char] = match line_breaks {
        LineBreaks::Allowed => &['\n', '\r', '\t'],
        LineBreaks::Forbidden => &[],
    };
    if text.chars().any(|c| is_spoofing(c) && !allowed.contains(&c)) {
        return Err(TextError::Control);
    }
    if matches!(content, Content::Required) && !text.chars().any(is_visible) {
        return Err(TextError::Empty);
    }
    Ok(())
}

/// Whether a character is visible by itself: not a blank and not of zero width (joiners, selectors, fillers, combining
/// marks).
fn is_visible(c: char) -> bool {
    // Two blanks have the category of a letter or symbol: the Hangul filler that has a width, and the empty Braille
    // cell.
    let is_blank = c.is_whitespace() || matches!(c, '\u{115f}' | '\u{2800}');
    !is_blank && c.width().is_some_and(|width| width > 0)
}

/// Whether a character changes how the text around it is displayed, so that it can forge a line: controls, line
/// separators, and marks of the text direction.
pub(crate) fn is_spoofing(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_line_with_a_visible_character() {
        assert!(TokenName::parse("ci — 部署 <b>").is_ok());
        assert_eq!(TokenName::parse(""), Err(TextError::Empty));
        assert_eq!(TokenName::parse(" \u{3000}"), Err(TextError::Empty));
        for text in ["a\nb", "a\0", "\u{1b}[31m", "a\u{202e}b", "a\u{2028}b", "a\u{85}"] {
            assert_eq!(TokenName::parse(text), Err(TextError::Control), "{text:?}");
        }
    }

    #[test]
    fn a_name_of_invisible_characters_is_empty() {
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
    fn line_separators_and_direction_marks_are_rejected_and_removed() {
        for c in [
            '\u{2028}', '\u{2029}', '\u{200e}', '\u{200f}', '\u{61c}', '\u{202a}', '\u{202b}', '\u{202c}',
            '\u{202d}', '\u{202e}', '\u{2066}', '\u{2067}', '\u{2068}', '\u{2069}', '\u{feff}', '\u{85}',
        ] {
            let text = format!("a{c}b");
            for result in [
                TokenName::parse(text.as_str()).map(drop),
                UserName::parse(text.as_str()).map(drop),
                Subject::parse(text.as_str()).map(drop),
                Reason::parse(text.as_str()).map(drop),
                // A description may have line breaks, but no direction marks.
                Description::parse(text.as_str()).map(drop),
            ] {
                assert_eq!(result, Err(TextError::Control), "{c:?}");
            }
            assert_eq!(sanitize_line(&text, 9), "ab", "{c:?}");
        }
    }

    #[test]
    fn length_is_counted_in_characters() {
        assert!(TokenName::parse("é".repeat(100)).is_ok());
        assert_eq!(TokenName::parse("é".repeat(101)), Err(TextError::TooLong { max: 100 }));
    }

    #[test]
    fn descriptions_may_have_line_breaks_but_no_escapes() {
        assert!(Description::parse("first\nsecond\tcolumn").is_ok());
        assert!(Description::parse("").is_ok());
        assert_eq!(Description::parse("\u{1b}]0;title"), Err(TextError::Control));
    }

    #[test]
    fn a_line_is_sanitized_equally_with_and_without_a_copy() {
        for (text, line) in [
            ("curl/8.0", "curl/8"),
            ("a\r\nb\u{1b}[2Jc", "ab[2Jc"),
            ("é\u{85}é", "éé"),
            ("\u{7f}", ""),
            ("ab\n", "ab"),
            ("日本語日本語日", "日本語日本語"),
            ("", ""),
        ] {
            assert_eq!(sanitize_line(text, 6), line, "{text:?}");
        }
        assert!(matches!(sanitize_line("curl/8.0", 6), Cow::Borrowed(_)));
    }
}
