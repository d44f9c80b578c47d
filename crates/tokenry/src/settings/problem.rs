//! What is wrong with the settings, one line for each fault.

use std::fmt;

use super::key::Key;

/// One fault: where it is and what to change. Values are never quoted, because any of them may hold a secret; only the
/// words of a catalog and the names of files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem(String);

impl Problem {
    /// A fault that belongs to no key.
    pub(super) fn new(line: String) -> Self {
        Self(line)
    }

    /// A fault of what stands at `place`.
    pub(super) fn in_file(place: &str, origin: &SettingSource, what: impl fmt::Display) -> Self {
        Self(format!("{place}: {what}{origin}"))
    }

    /// A fault of the value of `key` that came from `origin`.
    pub(super) fn at(key: &Key, origin: &SettingSource, what: impl fmt::Display) -> Self {
        Self::in_file(&key.to_string(), origin, what)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SettingSource {
    /// This option of the command line.
    Flag(&'static str),
    /// This variable of the environment.
    Variable(String),
    /// This line of this file.
    File { name: String, line: usize },
    /// Nobody said anything.
    Default,
}

impl fmt::Display for SettingSource {
    /// As it stands at the end of a message: ` (tokenry.toml:3)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(f, " ({name})"),
            Self::Variable(name) => write!(f, " ({name})"),
            Self::File { name, line } => write!(f, " ({name}:{line})"),
            Self::Default => Ok(()),
        }
    }
}
