//! Rows that were read a moment ago, for installations that allow that much staleness. Never a verdict.

use std::{sync::Arc, time::Duration};

use quick_cache::sync::Cache;
use tokenry_domain::{Lookup, UnixMillis};
use tokenry_store::{Credential, Store, StoreError};

/// How many rows one process keeps; about a kilobyte each.
const ROWS: usize = 20_000;

/// The rows of tokens as they were within the last `bound`. A row is older than no change of this process, since each
/// of its writes ends all of them, and older than no change of any other by more than the bound, since its age counts
/// from before it was read.
pub(crate) struct Snapshots {
    bound: Duration,
    rows: Cache<Lookup, Arc<Snapshot>>,
}

struct Snapshot {
    credential: Arc<Credential>,
    /// When it was asked for.
    at: UnixMillis,
    /// How many writes this process had done before it was read.
    writes: u64,
}

impl Snapshots {
    /// None if nothing may be stale.
    pub(crate) fn within(bound: Duration) -> Option<Self> {
        (!bound.is_zero()).then(|| Self { bound, rows: Cache::new(ROWS) })
    }

    /// The row, if it is recent enough. A clock that was set back makes it too old.
    pub(super) fn recent(&self, store: &Store, lookup: &Lookup, now: UnixMillis) -> Option<Arc<Credential>> {
        let snapshot = self.rows.get(lookup)?;
        let is_recent =
            snapshot.at <= now && now.since(snapshot.at) < self.bound && snapshot.writes == store.writes();
        is_recent.then(|| snapshot.credential.clone())
    }

    /// Reads the row and keeps it.
    pub(super) async fn read(
        &self,
        store: &Store,
        lookup: &Lookup,
        now: UnixMillis,
    ) -> Result<Option<Arc<Credential>>, StoreError> {
        let writes = store.writes();
        let credential = store.credential(lookup).await?.map(Arc::new);
        if let Some(credential) = &credential {
            let snapshot = Snapshot { credential: credential.clone(), at: now, writes };
            self.rows.insert(lookup.clone(), Arc::new(snapshot));
        }
        Ok(credential)
    }
}
