//! Why a read use case returns nothing.

use thiserror::Error;
use tokenry_store::StoreError;

use crate::{denial::Denial, page::Forged};

/// Why tokens, their history, their uses, or a preview of other settings are not returned. Each use case names the
/// variants that it returns.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The caller lacks the required scope.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// There is no such token, or it belongs to another user; callers cannot distinguish these.
    #[error("no such token")]
    NotFound,
    /// The filter names an unknown user.
    #[error("no such user")]
    NoSuchUser,
    /// The cursor was not created by this installation for this caller and this query.
    #[error("the cursor does not belong to this list")]
    BadCursor,
    /// The database failed. This never means "no such token".
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Forged> for ReadError {
    fn from(Forged: Forged) -> Self {
        Self::BadCursor
    }
}
