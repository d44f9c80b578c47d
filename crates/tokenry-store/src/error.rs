//! Storage errors, classified by what the caller can do about them.

use diesel::result::{DatabaseErrorKind, Error as DieselError};
use thiserror::Error;

use crate::database_errors;

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

impl From<DieselError> for StoreError {
    fn from(error: DieselError) -> Self {
        match error {
            DieselError::DatabaseError(kind, info) => {
                let message = info.message();
                #[cfg(feature = "postgres")]
                let message = crate::primary::check_failure(message).unwrap_or(message);
                let message = message.to_owned();
                match kind {
                    DatabaseErrorKind::UniqueViolation | DatabaseErrorKind::ForeignKeyViolation => {
                        Self::Conflict(message)
                    }
                    DatabaseErrorKind::NotNullViolation | DatabaseErrorKind::CheckViolation => {
                        Self::Bug(message)
                    }
                    // Everything else, such as a lost connection or a full disk, is unavailable: the only outcome that
                    // neither grants access nor reports a valid token as invalid.
                    _ => database_errors::classify(message),
                }
            }
            DieselError::DeserializationError(cause) => Self::Corrupt(cause.to_string()),
            DieselError::SerializationError(cause) => Self::Bug(cause.to_string()),
            DieselError::NotFound => Self::Corrupt("a row that must exist is missing".to_owned()),
            other => database_errors::classify(other.to_string()),
        }
    }
}
