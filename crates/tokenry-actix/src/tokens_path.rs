//! [`TokensPath`]: where the API of a user's own tokens is mounted.

use std::{borrow::Cow, fmt, sync::Arc};

use thiserror::Error;

/// The path of the list of the caller's tokens; the paths of one token and of its rotation, usage and events are below it.
/// Default `/api/v1/tokens`. Only the configured path answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokensPath(Arc<str>);

/// Why a path cannot be that of the tokens.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TokensPathError {
    /// It is not a plain path.
    #[error(
        "must be a path such as /api/v1/tokens: 1 to 8 segments of letters, digits, `-`, `_` or `.`, at most 100 \
         characters, without a slash at the end"
    )]
    Malformed,
    /// Another route answers at this path or below it.
    #[error("collides with the route {0}")]
    Collides(String),
}

impl TokensPath {
    /// The default.
    pub const DEFAULT: &str = "/api/v1/tokens";

    /// The path, if it is plain. It may still be that of another route.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let segments = path.strip_prefix('/').filter(|_| path.len() <= 100)?.split('/');
        (segments.clone().count() <= 8 && segments.clone().all(is_segment)).then(|| Self(path.into()))
    }

    /// Where a route with this default path answers.
    pub(crate) fn of<'p>(&self, path: &'p str) -> Cow<'p, str> {
        match path.strip_prefix(Self::DEFAULT) {
            Some(rest) if is_moved(path) => Cow::Owned(format!("{}{rest}", self.0)),
            _ => Cow::Borrowed(path),
        }
    }
}

impl Default for TokensPath {
    fn default() -> Self {
        Self(Self::DEFAULT.into())
    }
}

impl fmt::Display for TokensPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether the route with this default path moves with the path of the tokens.
pub(crate) fn is_moved(path: &str) -> bool {
    path.strip_prefix(TokensPath::DEFAULT).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn is_segment(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    text.bytes().all(is_plain) && !matches!(text, "" | "." | "..")
}
