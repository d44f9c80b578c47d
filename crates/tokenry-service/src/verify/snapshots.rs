//! Caches recently read rows, for installations that allow staleness. Never caches a verdict.

use std::{sync::Arc, time::Duration};

use quick_cache::sync::Cache;
use tokenry_domain::{PublicId, UnixMillis};
use tokenry_store::{Credential, Store, StoreError};

use crate::monotonic::Monotonic;

/// The maximum number of cached rows; about one kilobyte each.
const ROWS: usize = 20_000;

/// The rows of tokens read within the last `bound`. A row reflects every change by this process, since each of its
/// writes except uses and rejections invalidates all rows, and misses changes by other processes for at most `bound`,
/// since its age counts from before it was read.
pub(crate) struct Snapshots {
    bound: Duration,
    monotonic: Monotonic,
    rows: Cache<PublicId, Arc<Snapshot>>,
}

struct Snapshot {
    credential: Arc<Credential>,
    /// When the read began, by the wall clock and by the monotonic clock.
    at: UnixMillis,
    elapsed: Duration,
    /// The number of writes by this process before the read.
    changes: u64,
}

impl Snapshots {
    /// `None` if no staleness is allowed.
    pub(crate) fn within(bound: Duration, monotonic: Monotonic) -> Option<Self> {
        (!bound.is_zero()).then(|| Self { bound, monotonic, rows: Cache::new(ROWS) })
    }

    /// Returns the row if it is recent enough by both clocks: the wall clock may step, and the monotonic clock may stop
    /// while the machine sleeps. A wall clock that was set back makes the row too old.
    pub(super) fn recent(
        &self,
        store: &Store,
        public_id: &PublicId,
        now: UnixMillis,
    ) -> Option<Arc<Credential>> {
        let snapshot = self.rows.get(public_id)?;
        let is_recent = snapshot.changes == store.changes()
            && snapshot.at <= now
            && now.since(snapshot.at) < self.bound
            && self.monotonic.elapsed().saturating_sub(snapshot.elapsed) < self.bound;
        is_recent.then(|| snapshot.credential.clone())
    }

    /// Reads the row and caches it.
    pub(super) async fn read(
        &self,
        store: &Store,
        public_id: &PublicId,
        now: UnixMillis,
    ) -> Result<Option<Arc<Credential>>, StoreError> {
        let (changes, elapsed) = (store.changes(), self.monotonic.elapsed());
        let credential = store.credential(public_id).await?.map(Arc::new);
        if let Some(credential) = &credential {
            let snapshot = Snapshot { credential: credential.clone(), at: now, elapsed, changes };
            self.rows.insert(public_id.clone(), Arc::new(snapshot));
        }
        Ok(credential)
    }
}
