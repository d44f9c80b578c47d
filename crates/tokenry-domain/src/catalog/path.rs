//! The path of a request, in the one form that every program reads alike.

use thiserror::Error;

/// The longest request target, in bytes.
pub const MAX_TARGET: usize = 8 * 1024;

/// A path with nothing in it that two programs could read as two different paths: decoded once, beginning with `/`,
/// without empty, `.` or `..` segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CanonicalPath(String);

/// Why a request target has no canonical path. None of these is repaired: the guarded system, which reads the target
/// for itself, might repair it in another way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PathError {
    /// More than [`MAX_TARGET`] bytes.
    #[error("must be at most {MAX_TARGET} bytes")]
    TooLong,
    /// Another form than `/path?query`: with a host, `*`, or nothing.
    #[error("must begin with /")]
    NotAPath,
    /// A `%` without two hexadecimal digits, or text that is not UTF-8 once it is decoded.
    #[error("must be percent-encoded UTF-8")]
    Encoding,
    /// A fragment, a path parameter, a backslash, a control character, a character that has to be encoded, or an
    /// encoded one that would mean something else in the clear: `/`, `?`, `#`, `%`.
    #[error("must not contain characters with two readings")]
    Character,
    /// A segment that is empty (other than after a slash at the end), `.` or `..`.
    #[error("must not have empty, . or .. segments")]
    Segment,
}

impl CanonicalPath {
    /// Reads the path of a request target as it stood in the request line; the query is left out.
    ///
    /// # Errors
    /// [`PathError`], for whatever leaves a choice to the reader.
    pub fn parse(target: &[u8]) -> Result<Self, PathError> {
        if target.len() > MAX_TARGET {
            return Err(PathError::TooLong);
        }
        let path = target.split(|b| *b == b'?').next().unwrap_or_default();
        if path.first() != Some(&b'/') {
            return Err(PathError::NotAPath);
        }
        // A fragment never belongs into a request, not even behind the query.
        if target.contains(&b'#') {
            return Err(PathError::Character);
        }
        let path = decode(path)?;
        let mut segments = path.split('/').skip(1).peekable();
        while let Some(segment) = segments.next() {
            let is_last = segments.peek().is_none();
            if matches!(segment, "." | "..") || (segment.is_empty() && !is_last) {
                return Err(PathError::Segment);
            }
        }
        Ok(Self(path))
    }

    /// The path, decoded.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is between the slashes. A slash at the end makes no difference: most programs serve the same with it and
    /// without, so no rule may be escaped by it.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|segment| !segment.is_empty())
    }
}

/// Decodes once. What is still encoded then was encoded twice, and is refused with the rest.
fn decode(path: &[u8]) -> Result<String, PathError> {
    let mut bytes = path.iter().copied();
    let mut decoded = Vec::with_capacity(path.len());
    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => {
                let digits = digit(bytes.next()).zip(digit(bytes.next()));
                let (high, low) = digits.ok_or(PathError::Encoding)?;
                let byte = u8::try_from(high * 16 + low).map_err(|_| PathError::Encoding)?;
                if matches!(byte, b'/' | b'?' | b'#' | b'%') {
                    return Err(PathError::Character);
                }
                byte
            }
            b'!'..=b'~' => byte,
            _ => return Err(PathError::Character),
        };
        if matches!(byte, b'\\' | b';') {
            return Err(PathError::Character);
        }
        decoded.push(byte);
    }
    let text = String::from_utf8(decoded).map_err(|_| PathError::Encoding)?;
    if text.chars().any(char::is_control) { Err(PathError::Character) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(target: &str) -> Result<String, PathError> {
        CanonicalPath::parse(target.as_bytes()).map(|path| path.as_str().to_owned())
    }

    #[test]
    fn what_everybody_reads_alike_is_decoded_and_loses_its_query() {
        for (target, path) in [
            ("/", "/"),
            ("/?", "/"),
            ("/a/b", "/a/b"),
            ("/a/b/", "/a/b/"),
            ("/a?x=/../..//;%zz", "/a"),
            ("/a/b?x=http://y", "/a/b"),
            ("/%61dmin", "/admin"),
            ("/caf%C3%A9/a%20b", "/café/a b"),
            ("/.well-known/...", "/.well-known/..."),
            ("/a:b@c!$&'()*+,=~", "/a:b@c!$&'()*+,=~"),
        ] {
            assert_eq!(read(target).as_deref(), Ok(path), "{target}");
        }
    }

    #[test]
    fn what_leaves_a_choice_is_refused() {
        use PathError::{Character, Encoding, NotAPath, Segment, TooLong};
        for (target, error) in [
            ("", NotAPath),
            ("*", NotAPath),
            ("admin", NotAPath),
            ("?/admin", NotAPath),
            ("http://x/admin", NotAPath),
            ("x:443", NotAPath),
            ("//admin", Segment),
            ("/a//b", Segment),
            ("/a//", Segment),
            ("//", Segment),
            ("/./a", Segment),
            ("/a/.", Segment),
            ("/public/../admin", Segment),
            ("/a/..", Segment),
            ("/public/%2e%2e/admin", Segment),
            ("/public/.%2E/admin", Segment),
            ("/%2e", Segment),
            ("/admin%2fx", Character),
            ("/admin%2Fx", Character),
            ("/..%2fadmin", Character),
            ("/a%5cb", Character),
            ("/a\\b", Character),
            ("/admin;x", Character),
            ("/admin%3bx", Character),
            ("/..;/admin", Character),
            ("/a%3fx", Character),
            ("/a%23x", Character),
            ("/a#x", Character),
            ("/a?b#c", Character),
            ("/a%00", Character),
            ("/a%0d%0ab", Character),
            ("/a%7f", Character),
            ("/a%C2%85", Character),
            ("/a\u{0}", Character),
            ("/a\tb", Character),
            ("/a b", Character),
            ("/é", Character),
            ("/%2561dmin", Character),
            ("/%252e%252e/admin", Character),
            ("/100%25", Character),
            ("/a%", Encoding),
            ("/a%4", Encoding),
            ("/a%zz", Encoding),
            ("/a%+1", Encoding),
            ("/a%u002e", Encoding),
            ("/a%ff", Encoding),
            ("/%c0%af", Encoding),
            ("/%c0%ae%c0%ae/admin", Encoding),
            ("/%ed%a0%80", Encoding),
            (&format!("/{}", "x".repeat(MAX_TARGET)), TooLong),
        ] {
            assert_eq!(read(target), Err(error), "{target}");
        }
        assert!(read(&format!("/{}", "x".repeat(MAX_TARGET - 1))).is_ok());
        assert_eq!(CanonicalPath::parse(b"/\xff"), Err(Character));
    }

    /// Pieces that make interesting targets when they are put together.
    fn target() -> impl Strategy<Value = String> {
        let pieces = [
            "/", "a", ".", "..", "%2e", "%2f", "%5c", "%25", "%61", "%", "\\", ";", "?", "#", "%00", "é",
            "%C3%A9", " ", "*", "admin",
        ];
        let piece = prop::sample::select(pieces.to_vec());
        prop::collection::vec(piece, 0..12).prop_map(|pieces| format!("/{}", pieces.concat()))
    }

    proptest! {
        #[test]
        fn an_accepted_path_has_one_reading_for_whoever_decodes_or_cleans_it_again(target in target()) {
            if let Ok(path) = CanonicalPath::parse(target.as_bytes()) {
                let text = path.as_str();
                prop_assert!(text.starts_with('/') && !text.contains("//"));
                prop_assert!(!text.contains(['%', '\\', ';', '?', '#']) && !text.chars().any(char::is_control));
                let cleaned: Vec<_> = path.segments().filter(|segment| !matches!(*segment, "." | "..")).collect();
                prop_assert_eq!(format!("/{}", cleaned.join("/")), text.strip_suffix('/').filter(|it| !it.is_empty()).unwrap_or(text));
                let raw = target.split('?').next().unwrap_or_default();
                prop_assert_eq!(raw.matches('/').count(), text.matches('/').count(), "no slash comes or goes");
            }
        }

        #[test]
        fn no_bytes_make_reading_panic(target in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = CanonicalPath::parse(&target);
        }
    }
}
