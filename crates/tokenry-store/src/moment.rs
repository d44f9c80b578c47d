//! When rows in memory may decide.

#[cfg(feature = "sqlite")]
use std::marker::PhantomData;

use tokenry_domain::{TokenId, UserId};

#[cfg(feature = "postgres")]
use crate::lease::Leases;
use crate::{backend::Backend, error::StoreError, steady_clock, store::Store};

/// A moment at which this process knew of every change that was answered before.
///
/// A verification takes one after it began, and decides by rows in memory that are [current](Self::is_current) then.
pub struct Moment<'s> {
    store: &'s Store,
    known: Known<'s>,
}

enum Known<'s> {
    /// The content of the file.
    #[cfg(feature = "sqlite")]
    Content(i64, PhantomData<&'s ()>),
    /// The lease ran.
    #[cfg(feature = "postgres")]
    Lease(&'s Leases),
}

/// What was known before a row was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadStamp {
    known: Stamp,
    /// When it was taken, by the steady clock.
    at: u64,
    /// How many units this store had run.
    writes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stamp {
    #[cfg(feature = "sqlite")]
    Content(i64),
    #[cfg(feature = "postgres")]
    Lease(u64),
}

impl Store {
    /// Returns once this process knows of every change that was answered before the call. The future needs no runtime.
    ///
    /// On SQLite it is ready at once, after a look at the file that takes less than a microsecond. On PostgreSQL it needs
    /// a lease: it waits up to five seconds for the first one of the process, and up to a second after a failure.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the process cannot prove it; nothing may be decided then.
    pub async fn moment(&self) -> Result<Moment<'_>, StoreError> {
        let known = match &self.opened.backend {
            #[cfg(feature = "sqlite")]
            Backend::Sqlite { live, .. } => Known::Content(live.row_version()?, PhantomData),
            #[cfg(feature = "postgres")]
            Backend::Postgres { leases, .. } => {
                leases.acquire().await?;
                Known::Lease(leases)
            }
        };
        Ok(Moment { store: self, known })
    }
}

impl Store {
    /// Whether a row that was read after this stamp may have been changed since by this process, or is known to have been
    /// changed by another one; also while this process cannot prove that it hears of every change.
    #[must_use]
    pub fn is_outdated(&self, stamp: ReadStamp, token: TokenId, owner: UserId) -> bool {
        let is_changed = match (&self.opened.backend, stamp.known) {
            #[cfg(feature = "postgres")]
            (Backend::Postgres { leases, .. }, Stamp::Lease(read)) => leases.is_changed(read, token, owner),
            _ => false,
        };
        is_changed || stamp.writes != self.own_writes()
    }
}

impl Moment<'_> {
    /// What to keep with a row that is read from now on.
    #[must_use]
    pub fn stamp(&self) -> ReadStamp {
        let known = match &self.known {
            #[cfg(feature = "sqlite")]
            Known::Content(version, _) => Stamp::Content(*version),
            #[cfg(feature = "postgres")]
            Known::Lease(leases) => Stamp::Lease(leases.position()),
        };
        ReadStamp { known, at: steady_clock::steady_now(), writes: self.store.own_writes() }
    }

    /// Whether a row that was read after this stamp is what the database has: neither the token, its secrets nor its owner
    /// were changed since, and it is not older than [`max_row_age`](crate::StoreSettings::max_row_age).
    #[must_use]
    pub fn is_current(&self, stamp: ReadStamp, token: TokenId, owner: UserId) -> bool {
        if steady_clock::steady_now().saturating_sub(stamp.at) >= self.store.opened.max_row_age {
            return false;
        }
        match (&self.known, stamp.known) {
            #[cfg(feature = "sqlite")]
            (Known::Content(version, _), Stamp::Content(read)) => *version == read,
            #[cfg(feature = "postgres")]
            (Known::Lease(leases), Stamp::Lease(read)) => leases.is_current(read, token, owner),
            #[cfg(all(feature = "sqlite", feature = "postgres"))]
            _ => false,
        }
    }
}
