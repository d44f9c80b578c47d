//! When rows in memory may decide.

use tokenry_domain::{TokenId, UserId};

#[cfg(feature = "postgres")]
use crate::lease::{Leases, Position};
use crate::{backend::Backend, error::StoreError, store::Store};

/// A moment at which this process knew of every change that was answered before.
///
/// A verification takes one after it began, and decides by rows in memory that are [current](Self::is_current) then.
pub struct Moment<'s>(Known<'s>);

enum Known<'s> {
    /// The content of the file.
    #[cfg(feature = "sqlite")]
    Content(i64, std::marker::PhantomData<&'s ()>),
    /// The lease ran.
    #[cfg(feature = "postgres")]
    Lease(&'s Leases),
}

/// What was known before a row was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadStamp(Stamp);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stamp {
    #[cfg(feature = "sqlite")]
    Content(i64),
    #[cfg(feature = "postgres")]
    Lease(Position),
}

impl Store {
    /// Returns once this process knows of every change that was answered before the call. The future needs no runtime.
    ///
    /// On SQLite it is ready at once, after a look at the file that takes less than a microsecond. On PostgreSQL it needs
    /// a lease: at the start and after a failure it waits up to a second for one.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the process cannot prove it; nothing may be decided then.
    pub async fn moment(&self) -> Result<Moment<'_>, StoreError> {
        match &self.opened.backend {
            #[cfg(feature = "sqlite")]
            Backend::Sqlite { live, .. } => {
                Ok(Moment(Known::Content(live.row_version()?, std::marker::PhantomData)))
            }
            #[cfg(feature = "postgres")]
            Backend::Postgres { leases, .. } => {
                leases.acquire().await?;
                Ok(Moment(Known::Lease(leases)))
            }
        }
    }
}

impl Store {
    /// Whether this process has heard that a row which was read after this stamp was changed since, also while it cannot
    /// prove that it hears of every change.
    #[must_use]
    pub fn is_outdated(&self, stamp: ReadStamp, token: TokenId, owner: UserId) -> bool {
        match (&self.opened.backend, stamp.0) {
            #[cfg(feature = "postgres")]
            (Backend::Postgres { leases, .. }, Stamp::Lease(read)) => leases.is_changed(read, token, owner),
            _ => false,
        }
    }
}

impl Moment<'_> {
    /// What to keep with a row that is read from now on.
    #[must_use]
    pub fn stamp(&self) -> ReadStamp {
        ReadStamp(match &self.0 {
            #[cfg(feature = "sqlite")]
            Known::Content(version, _) => Stamp::Content(*version),
            #[cfg(feature = "postgres")]
            Known::Lease(leases) => Stamp::Lease(leases.position()),
        })
    }

    /// Whether a row that was read after this stamp is what the database has: neither the token, its secrets nor its owner
    /// were changed since.
    #[must_use]
    pub fn is_current(&self, stamp: ReadStamp, token: TokenId, owner: UserId) -> bool {
        match (&self.0, stamp.0) {
            #[cfg(feature = "sqlite")]
            (Known::Content(version, _), Stamp::Content(read)) => *version == read,
            #[cfg(feature = "postgres")]
            (Known::Lease(leases), Stamp::Lease(read)) => leases.is_current(read, token, owner),
            #[cfg(all(feature = "sqlite", feature = "postgres"))]
            _ => false,
        }
    }
}
