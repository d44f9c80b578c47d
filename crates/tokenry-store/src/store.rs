//! The store: one type for both databases, and the units of work that run on it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokenry_domain::PublicId;

use crate::{
    backend::Backend,
    credential::{Credential, RetiredCredential},
    error::StoreError,
    pool::{self, Access},
    settings::StoreSettings,
    steady_clock,
    supervisor::Workers,
    tx::{Tx, catch_panic},
    url::DatabaseUrl,
};
#[cfg(feature = "postgres")]
use crate::{
    instance,
    tx::{Appended, Committed, Written},
};

/// A database of tokens. Cheap to clone; all clones share connections.
#[derive(Clone)]
pub struct Store {
    pub(crate) opened: Arc<Opened>,
    /// How long a unit waits.
    wait: Duration,
}

pub(crate) struct Opened {
    pub(crate) backend: Backend,
    workers: Workers,
    /// Counts all writing units.
    writes: AtomicU64,
    /// Counts those that may have changed rows by which verifications decide.
    changes: AtomicU64,
    /// The longest age of a row in memory, in microseconds.
    pub(crate) max_row_age: u64,
}

impl Store {
    /// Opens the database and checks that it responds; a missing SQLite file is created, readable by its owner only.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if there is no database at `url`, [`StoreError::Unusable`] if it is not a Tokenry
    /// database.
    pub fn open(url: &DatabaseUrl, settings: StoreSettings) -> Result<Self, StoreError> {
        let workers = Workers::default();
        let backend = Backend::open(url, settings, &workers)?;
        let opened = Opened {
            backend,
            workers,
            writes: AtomicU64::new(0),
            changes: AtomicU64::new(0),
            max_row_age: steady_clock::micros(settings.max_row_age),
        };
        Ok(Self { opened: Arc::new(opened), wait: settings.pool_wait })
    }

    /// The same store, with units that wait at most this long: for callers that retry later anyway.
    #[must_use]
    pub fn waiting_at_most(&self, wait: Duration) -> Self {
        Self { opened: self.opened.clone(), wait: self.wait.min(wait) }
    }

    /// The same store, with units that wait at least this long.
    pub(crate) fn waiting_at_least(&self, wait: Duration) -> Self {
        Self { opened: self.opened.clone(), wait: self.wait.max(wait) }
    }

    /// The background threads of this store; layers above start theirs here too.
    #[must_use]
    pub fn workers(&self) -> &Workers {
        &self.opened.workers
    }

    /// Runs `work` on a consistent snapshot. Blocks the thread; after a lost connection `work` may run twice.
    ///
    /// # Errors
    /// Whatever `work` returns, or [`StoreError::Unavailable`].
    pub fn read<T, E: From<StoreError>>(
        &self,
        mut work: impl FnMut(&mut Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        match &self.opened.backend {
            #[cfg(feature = "sqlite")]
            Backend::Sqlite { readers, .. } => pool::transaction(readers, Access::Read, self.wait, |c| {
                catch_panic(|| work(&mut Tx::sqlite(c)))
            }),
            #[cfg(feature = "postgres")]
            Backend::Postgres { pool, .. } => pool::transaction(pool, Access::Read, self.wait, |c| {
                catch_panic(|| work(&mut Tx::postgres(c)))
            }),
        }
    }

    /// Runs `work` in a transaction and returns after it is durable and every node knows of it; an error of `work` rolls it
    /// back.
    ///
    /// On SQLite all units run one after another on one thread, several in one commit. On PostgreSQL they run
    /// concurrently, and a unit that checks before it acts must lock the row it checks ([`crate::user::lock`]). Blocks the
    /// thread.
    ///
    /// On PostgreSQL a unit that [changes rows](tokenry_domain::EventKind::changes_rows) returns once each node has
    /// acknowledged its events, or is gone. Where the server waits for standbys, each unit returns once a later commit has
    /// proven that its own was not canceled. A unit without any event, such as the repeated revocation of a token, waits for
    /// the changes that it may have seen.
    ///
    /// # Errors
    /// The error that `work` returns, or [`StoreError::Unavailable`] when the change is not known to be durable and known
    /// to every node.
    pub fn write<T, E>(&self, work: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let result = self.run_awaited(work);
        // SECURITY: counted before the result is returned, and also on an error: a unit whose commit failed may be durable
        // all the same.
        self.opened.changes.fetch_add(1, Ordering::SeqCst);
        result
    }

    /// How many units [`write`](Self::write) has run on this store.
    pub(crate) fn own_writes(&self) -> u64 {
        self.opened.changes.load(Ordering::SeqCst)
    }

    fn run_awaited<T, E>(
        &self,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        match &self.opened.backend {
            #[cfg(feature = "sqlite")]
            Backend::Sqlite { .. } => self.run(work),
            #[cfg(feature = "postgres")]
            Backend::Postgres { pool, leases, .. } => {
                let server = leases.server();
                let (value, unit) = self.run(move |tx| {
                    let value = work(tx)?;
                    let Written { appended, is_replicated } = tx.1;
                    let is_change = matches!(appended, Appended::Change(_));
                    let (awaited, is_replicated) = match appended {
                        Appended::Change(seq) => (Some(seq), is_replicated),
                        Appended::NoChange => (None, is_replicated),
                        Appended::Nothing => {
                            let (seq, is_replicated) = instance::seen_change_seq(tx)?;
                            (Some(seq), is_replicated)
                        }
                    };
                    Ok::<_, E>((value, Committed { is_change, awaited, is_replicated }))
                })?;
                leases.confirm(pool, unit, server)?;
                Ok(value)
            }
        }
    }

    /// How many writing units of either kind this store has run.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.opened.writes.load(Ordering::SeqCst)
    }

    /// Reads the committed state of the token with this public id. The future needs no runtime.
    ///
    /// On SQLite the future is ready at once: the read takes microseconds and waits for no writer. On PostgreSQL
    /// concurrent reads share one statement on a dedicated connection.
    ///
    /// # Errors
    /// [`StoreError`]; an unknown public id is `None`.
    pub async fn credential(&self, public_id: &PublicId) -> Result<Option<Credential>, StoreError> {
        match &self.opened.backend {
            #[cfg(feature = "sqlite")]
            Backend::Sqlite { live, .. } => live.current(public_id),
            #[cfg(feature = "postgres")]
            Backend::Postgres { live, .. } => live.current(public_id).await,
        }
    }

    /// Reads the retired secret with this public id; used when [`credential`](Self::credential) has no match.
    ///
    /// # Errors
    /// [`StoreError`]; an unknown public id is `None`.
    pub async fn retired_credential(
        &self,
        public_id: &PublicId,
    ) -> Result<Option<RetiredCredential>, StoreError> {
        match &self.opened.backend {
            #[cfg(feature = "sqlite")]
            Backend::Sqlite { live, .. } => live.retired(public_id),
            #[cfg(feature = "postgres")]
            Backend::Postgres { live, .. } => live.retired(public_id).await,
        }
    }

    pub(crate) fn run<T, E>(
        &self,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let result = self.run_once(work);
        self.opened.writes.fetch_add(1, Ordering::SeqCst);
        result
    }

    pub(crate) fn run_once<T, E>(
        &self,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        match &self.opened.backend {
            #[cfg(feature = "sqlite")]
            Backend::Sqlite { writer, .. } => writer.run(self.wait, work),
            #[cfg(feature = "postgres")]
            Backend::Postgres { pool, .. } => {
                let mut work = Some(work);
                pool::transaction(pool, Access::Write, self.wait, |c| match work.take() {
                    Some(work) => catch_panic(|| work(&mut Tx::postgres(c))),
                    None => Err(E::from(StoreError::Bug("a unit of work ran twice".to_owned()))),
                })
            }
        }
    }
}
