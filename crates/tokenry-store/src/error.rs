//! Storage errors, classified by what the caller can do about them.

use thiserror::Error;

/// A storage failure. It never means "not found": that is an `Option`.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database did not respond, is full, busy or gone. Nothing was changed; the caller may retry later.
    #[error("database unavailable: {0}")]
    Unavailable(String),
    /// The database cannot be used as it is; the text says what an operator has to change. Nothing was changed.
    #[error("database cannot be used: {0}")]
    Unusable(String),
    /// A unique or foreign key rejected the row, because of a concurrent change.
    #[error("conflicting row: {0}")]
    Conflict(String),
    /// A stored value does not have the form that this version writes.
    #[error("corrupt value: {0}")]
    Corrupt(String),
    /// A defect of the program, such as a panic inside a unit of work.
    #[error("defect: {0}")]
    Bug(String),
}

impl From<std::io::Error> for StoreError {
    /// The system cannot create a thread or open a file.
    fn from(error: std::io::Error) -> Self {
        Self::Unavailable(error.to_string())
    }
}
