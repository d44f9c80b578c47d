//! Faults of the settings, one line each.

use std::fmt;

use super::key::Key;

/// One fault: its position and what to change. Only words of a catalog and file names are quoted, never values, because
/// any value may be a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem(String);

impl Problem {
    /// A fault without a key.
    pub(super) fn new(line: String) -> Self {
        Self(line)
    }

    /// A fault of the entry at `path`.
    pub(super) fn in_file(path: &str, origin: &SettingSource, what: impl fmt::Display) -> Self {
        Self(format!("{path}: {what}{origin}"))
    }

    /// A fault of the value of `key` from `origin`.
    pub(super) fn at(key: &Key, origin: &SettingSource, what: impl fmt::Display) -> Self {
        Self::in_file(&key.to_string(), origin, what)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The source of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SettingSource {
    /// An option of the command line.
    Flag(&'static str),
    /// A variable of the environment.
    Variable(String),
    /// A line of the file.
    File { name: String, line: usize },
    /// No source has a value.
    Default,
}

impl fmt::Display for SettingSource {
    /// Writes the suffix of a message: ` (tokenry.toml:3)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(f, " ({name})"),
            Self::Variable(name) => write!(f, " ({name})"),
            Self::File { name, line } => write!(f, " ({name}:{line})"),
            Self::Default => Ok(()),
        }
    }
}
