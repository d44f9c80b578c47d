//! Rows that were read a moment ago, for installations that allow that much staleness. Never a verdict.

use std::{sync::Arc, time::Duration};

use quick_cache::sync::Cache;
use tokenry_domain::{PublicId, UnixMillis};
use tokenry_store::{Credential, Store, StoreError};

use crate::monotonic::Monotonic;

/// How many rows one process keeps; about a kilobyte each.
const ROWS: usize = 20_000;

/// The rows of tokens as they were within the last `bound`. A row is older than no change of this process, since each
/// of its writes ends all of them but those that only note uses and refusals, and older than no change of any other by more than the bound, since its age counts
/// from before it was read.
pub(crate) struct Snapshots {
    bound: Duration,
    monotonic: Monotonic,
    rows: Cache<PublicId, Arc<Snapshot>>,
}

struct Snapshot {
    credential: Arc<Credential>,
    /// When it was asked for, by the clock that tells the time and by the one that does not step.
    at: UnixMillis,
    elapsed: Duration,
    /// How many writes this process had done before it was read.
    changes: u64,
}

impl Snapshots {
    /// None if nothing may be stale.
    pub(crate) fn within(bound: Duration, monotonic: Monotonic) -> Option<Self> {
        (!bound.is_zero()).then(|| Self { bound, monotonic, rows: Cache::new(ROWS) })
    }

    /// The row, if it is recent enough by both clocks: the one that tells the time may step, the other may stand still
    /// while the machine sleeps. A clock that was set back makes it too old.
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

    /// Reads the row and keeps it.
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
