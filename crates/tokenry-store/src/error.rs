//! What can go wrong in the database, sorted by what the caller can do about it.

use diesel::result::{DatabaseErrorKind, Error as DieselError};
use thiserror::Error;

use crate::sentences;

/// A storage failure. It never means "not found": that is an `Option`.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database did not answer, is full, busy or gone. Nothing was changed; trying again later is right.
    #[error("database unavailable: {0}")]
    Unavailable(String),
    /// The database cannot be used as it is; the text says what an operator has to change. Nothing was changed.
    #[error("database cannot be used: {0}")]
    Unusable(String),
    /// A uniqueness or reference rule refused the row, because someone else was faster.
    #[error("conflicting row: {0}")]
    Conflict(String),
    /// A stored value is not what this version of the program writes.
    #[error("corrupt value: {0}")]
    Corrupt(String),
    /// The program made a mistake, such as a panic inside a unit of work.
    #[error("defect: {0}")]
    Bug(String),
}

impl From<std::io::Error> for StoreError {
    /// The system gives no further thread, or no file.
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
                let message = crate::primary::told(message).unwrap_or(message);
                let message = message.to_owned();
                match kind {
                    DatabaseErrorKind::UniqueViolation | DatabaseErrorKind::ForeignKeyViolation => {
                        Self::Conflict(message)
                    }
                    DatabaseErrorKind::NotNullViolation | DatabaseErrorKind::CheckViolation => {
                        Self::Bug(message)
                    }
                    // Everything else, a lost connection or a full disk among it, is reported as unavailable: the
                    // one answer that neither lets anybody in nor tells a client that its token is wrong.
                    _ => sentences::told(message),
                }
            }
            DieselError::DeserializationError(cause) => Self::Corrupt(cause.to_string()),
            DieselError::SerializationError(cause) => Self::Bug(cause.to_string()),
            DieselError::NotFound => Self::Corrupt("a row that must exist is missing".to_owned()),
            other => sentences::told(other.to_string()),
        }
    }
}
