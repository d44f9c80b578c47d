//! The rows in memory by which verifications decide. A verdict is never kept: state, expiry and addresses are checked
//! for each request.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use quick_cache::{Weighter, sync::Cache};
use tokenry_domain::{PublicId, UnixMillis};
use tokenry_store::{Credential, Moment, ReadStamp, Store, StoreError};

use crate::{monotonic::Monotonic, verified::VerifiedToken};

/// What a row needs beside the texts in it: its fixed fields, the entry of the cache and its share of the table.
const ROW_BYTES: usize = 320;
/// What an allowed address needs.
const NETWORK_BYTES: usize = 24;
/// The typical weight of a row, by which the table is sized.
const TYPICAL_BYTES: u64 = 1024;

/// The rows of this process, by public id.
pub(crate) struct Rows {
    rows: Cache<PublicId, Arc<Row>, ByBytes>,
    /// How old a row may be that admits a token while the database is away; zero for never.
    max_staleness: Duration,
    monotonic: Monotonic,
    reads: AtomicU64,
}

/// A row and what follows from it alone.
pub(crate) struct Row {
    /// The token as a verification with its current secret returns it.
    pub(super) verified: VerifiedToken,
    credential: Arc<Credential>,
    stamp: ReadStamp,
    /// Whether the public id is known to be no retired one, so that a wrong secret is rejected without the database.
    is_never_retired: AtomicBool,
    /// When it last was current, in milliseconds by the wall clock and by the monotonic clock; kept up if rows may be stale.
    current_at: AtomicU64,
    current_elapsed: AtomicU64,
    /// What was known then.
    current_stamp: Mutex<ReadStamp>,
}

/// Weighs rows by their size in memory.
#[derive(Clone)]
struct ByBytes;

impl Rows {
    /// Keeps rows of `bytes` in total.
    pub(crate) fn new(bytes: u64, max_staleness: Duration, monotonic: Monotonic) -> Self {
        let typical = usize::try_from(bytes / TYPICAL_BYTES).unwrap_or(usize::MAX).max(1);
        let rows = Cache::with_weighter(typical, bytes, ByBytes);
        Self { rows, max_staleness, monotonic, reads: AtomicU64::new(0) }
    }

    /// Reads the row of a public id, and returns it with what was known before.
    pub(super) async fn read(
        &self,
        store: &Store,
        moment: &Moment<'_>,
        public_id: &PublicId,
    ) -> Result<Option<(Arc<Credential>, ReadStamp)>, StoreError> {
        self.reads.fetch_add(1, Relaxed);
        // SECURITY: taken before the read, so that a change during the read makes the row out of date.
        let stamp = moment.stamp();
        let found = store.credential(public_id).await?;
        Ok(found.map(|credential| (Arc::new(credential), stamp)))
    }

    /// How many rows were read.
    pub(crate) fn reads(&self) -> u64 {
        self.reads.load(Relaxed)
    }

    /// Returns the row if it is what the database has at `moment`.
    pub(super) fn current(
        &self,
        public_id: &PublicId,
        moment: &Moment<'_>,
        now: UnixMillis,
    ) -> Option<Arc<Row>> {
        let row = self.rows.get(public_id)?;
        let Credential { token, owner, .. } = &*row.credential;
        if !moment.is_current(row.stamp, token.id, owner.id) {
            return None;
        }
        if !self.max_staleness.is_zero() {
            row.note_current(moment.stamp(), now, self.monotonic.elapsed());
        }
        Some(row)
    }

    /// Keeps a row that was read after `stamp`.
    pub(super) fn keep(
        &self,
        verified: VerifiedToken,
        credential: Arc<Credential>,
        stamp: ReadStamp,
        now: UnixMillis,
    ) -> Arc<Row> {
        let public_id = credential.token.public_id.clone();
        let row = Arc::new(Row {
            verified,
            credential,
            stamp,
            is_never_retired: AtomicBool::new(false),
            current_at: AtomicU64::new(0),
            current_elapsed: AtomicU64::new(0),
            current_stamp: Mutex::new(stamp),
        });
        row.note_current(stamp, now, self.monotonic.elapsed());
        self.rows.insert(public_id, row.clone());
        row
    }

    /// Drops a row whose change no event names: the next verification reads it.
    pub(super) fn forget(&self, public_id: &PublicId) {
        self.rows.remove(public_id);
    }

    /// Returns a row that was current within `max_staleness`, for a database that is away. Its age is that by both clocks:
    /// the wall clock may step, and the monotonic clock may stop while the machine sleeps. A wall clock that was set back
    /// makes the row too old.
    pub(super) fn stale(&self, store: &Store, public_id: &PublicId, now: UnixMillis) -> Option<Arc<Row>> {
        if self.max_staleness.is_zero() {
            return None;
        }
        let row = self.rows.get(public_id)?;
        let (at, elapsed) = (row.current_at.load(Relaxed), row.current_elapsed.load(Relaxed));
        let bound = u64::try_from(self.max_staleness.as_millis()).unwrap_or(u64::MAX);
        let Credential { token, owner, .. } = &*row.credential;
        let is_recent = millis(now).checked_sub(at).is_some_and(|age| age < bound)
            && as_millis(self.monotonic.elapsed()).saturating_sub(elapsed) < bound
            // What this process has heard before the database went away.
            && !store.is_outdated(*row.current_stamp(), token.id, owner.id);
        is_recent.then_some(row)
    }
}

impl Row {
    pub(super) fn credential(&self) -> &Arc<Credential> {
        &self.credential
    }

    /// Whether its public id was looked up among the retired ones and is none.
    pub(super) fn is_never_retired(&self) -> bool {
        self.is_never_retired.load(Relaxed)
    }

    /// Notes that its public id is none of the retired ones. That stays true while the row is current: only a rotation of
    /// this token retires its public id.
    pub(super) fn note_never_retired(&self) {
        self.is_never_retired.store(true, Relaxed);
    }

    fn note_current(&self, stamp: ReadStamp, now: UnixMillis, elapsed: Duration) {
        *self.current_stamp() = stamp;
        self.current_at.store(millis(now), Relaxed);
        self.current_elapsed.store(as_millis(elapsed), Relaxed);
    }
}

impl Row {
    fn current_stamp(&self) -> MutexGuard<'_, ReadStamp> {
        // No code panics while it holds this mutex.
        self.current_stamp.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Weighter<PublicId, Arc<Row>> for ByBytes {
    fn weight(&self, public_id: &PublicId, row: &Arc<Row>) -> u64 {
        let Credential { token, secret, owner } = &*row.credential;
        let texts = [
            public_id.as_str(),
            token.public_id.as_str(),
            token.suffix.as_str(),
            token.name.as_str(),
            token.description.as_ref().map_or("", |text| text.as_str()),
            token.shown_prefix.as_deref().unwrap_or_default(),
            secret.hash.as_str(),
            owner.subject.as_str(),
            owner.name.as_str(),
            owner.role.as_str(),
        ];
        let texts: usize = texts.iter().map(|text| text.len()).sum();
        let scopes = token.scopes.heap_bytes() + row.verified.effective().heap_bytes(&token.scopes);
        let fixed = ROW_BYTES + size_of::<Row>() + size_of::<Credential>();
        let networks = token.allowed_ips.to_texts().len() * NETWORK_BYTES;
        let reason = token.revoked.as_ref().and_then(|revoked| revoked.reason.as_ref());
        let reason = reason.map_or(0, |reason| reason.as_str().len());
        let bytes = fixed + texts + scopes + networks + reason + token.metadata.heap_bytes();
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

fn millis(at: UnixMillis) -> u64 {
    u64::try_from(at.get()).unwrap_or(0)
}

fn as_millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
