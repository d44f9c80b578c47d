//! The canonical path of a request, which every program interprets in the same way.

use thiserror::Error;

/// The longest request target, in bytes.
pub const MAX_TARGET: usize = 8 * 1024;

/// A path that no two programs interpret differently: decoded once, beginning with `/`, without empty, `.` or `..`
/// segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CanonicalPath(String);

/// Why a request target has no canonical path. SECURITY: none of these is repaired, since the guarded system parses the
/// target itself and could repair it in a different way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PathError {
    /// More than [`MAX_TARGET`] bytes.
    #[error("must be at most {MAX_TARGET} bytes")]
    TooLong,
    /// Not in the form `/path?query`: empty, `*`, or with a host.
    #[error("must begin with /")]
    NotAPath,
    /// A `%` without two hexadecimal digits, or a decoded text that is not UTF-8.
    #[error("must be percent-encoded UTF-8")]
    Encoding,
    /// A fragment, a path parameter, a backslash, a control character, a character that must be encoded, or an encoded
    /// character that has another meaning when decoded: `/`, `?`, `#`, `%`.
    #[error("must not contain ambiguous characters")]
    Character,
    /// A segment that is `.`, `..` or empty; a trailing slash is allowed.
    #[error("must not have empty, . or .. segments")]
    Segment,
}

impl CanonicalPath {
    /// Parses the path of a request target as the request line has it; the query is ignored.
    ///
    /// # Errors
    /// [`PathError`] for every ambiguous target.
    pub fn parse(target: &[u8]) -> Result<Self, PathError> {
        if target.len() > MAX_TARGET {
            return Err(PathError::TooLong);
        }
        let path = target.split(|b| *b == b'?').next().unwrap_or_default();
        if path.first() != Some(&b'/') {
            return Err(PathError::NotAPath);
        }
        // A request target has no fragment, neither in the path nor after the query.
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

    /// The segments between the slashes. SECURITY: a trailing slash adds no segment, since most programs serve the same
    /// resource with and without it: it must not avoid a rule.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|segment| !segment.is_empty())
    }
}

/// Decodes once. A text that is still encoded after that was encoded twice and is rejected.
fn decode(path: &[u8]) -> Result<String, PathError> {
    let mut bytes = path.iter().copied();
    let mut decoded = Vec::with_capacity(path.len());
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => {
                let digits = hex_digit(bytes.next()).zip(hex_digit(bytes.next()));
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

fn hex_digit(byte: Option<u8>) -> Option<u32> {
    char::from(byte?).to_digit(16)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(target: &str) -> Result<String, PathError> {
        CanonicalPath::parse(target.as_bytes()).map(|path| path.as_str().to_owned())
    }

    #[test]
    fn an_unambiguous_target_is_decoded_without_its_query() {
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
            assert_eq!(parse(target).as_deref(), Ok(path), "{target}");
        }
    }

    #[test]
    fn an_ambiguous_target_is_rejected() {
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
            assert_eq!(parse(target), Err(error), "{target}");
        }
        assert!(parse(&format!("/{}", "x".repeat(MAX_TARGET - 1))).is_ok());
        assert_eq!(CanonicalPath::parse(b"/\xff"), Err(Character));
    }

    /// A target made of pieces that are ambiguous alone or in combination.
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
        fn decoding_or_cleaning_an_accepted_path_again_does_not_change_it(target in target()) {
            if let Ok(path) = CanonicalPath::parse(target.as_bytes()) {
                let text = path.as_str();
                prop_assert!(text.starts_with('/') && !text.contains("//"));
                prop_assert!(!text.contains(['%', '\\', ';', '?', '#']) && !text.chars().any(char::is_control));
                let cleaned: Vec<_> = path.segments().filter(|segment| !matches!(*segment, "." | "..")).collect();
                prop_assert_eq!(format!("/{}", cleaned.join("/")), text.strip_suffix('/').filter(|it| !it.is_empty()).unwrap_or(text));
                let raw = target.split('?').next().unwrap_or_default();
                prop_assert_eq!(raw.matches('/').count(), text.matches('/').count(), "the number of slashes");
            }
        }

        #[test]
        fn parsing_never_panics(target in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = CanonicalPath::parse(&target);
        }
    }
}
