//! Buffers when sessions were last used and writes it after the responses.

use std::{
    collections::BTreeMap,
    mem::take,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokenry_domain::{SessionId, UnixMillis};
use tokenry_store::{Store, StoreError};

use crate::unwritten::{Taken, count};

/// The maximum number of pending sessions; beyond that a use is dropped and a later one is recorded.
const MAX_PENDING: usize = 10_000;

/// The latest use of each session that is not written yet.
#[derive(Default)]
pub(crate) struct SeenSessions {
    pending: Mutex<BTreeMap<SessionId, UnixMillis>>,
    taken: Taken,
}

impl SeenSessions {
    pub(crate) fn note(&self, id: SessionId, at: UnixMillis) {
        let mut pending = self.pending();
        if pending.len() < MAX_PENDING || pending.contains_key(&id) {
            let latest = pending.entry(id).or_insert(at);
            *latest = at.max(*latest);
        }
    }

    /// Writes in the order of ids, in which sessions are also locked to end them. What fails stays pending.
    pub(crate) fn write(&self, store: &Store) -> Result<(), StoreError> {
        let seen = take(&mut *self.pending());
        if seen.is_empty() {
            return Ok(());
        }
        self.taken.add(count(seen.len()));
        let (rows, length) = (seen.clone(), count(seen.len()));
        let written = store.write_bookkeeping(move |tx| {
            rows.iter().try_for_each(|(id, at)| tx.mark_seen(*id, *at).map(drop))
        });
        if written.is_err() {
            seen.into_iter().for_each(|(id, at)| self.note(id, at));
        }
        self.taken.settle(length);
        written
    }

    /// How many sessions have an unwritten last use.
    pub(crate) fn unwritten(&self) -> u64 {
        self.taken.get() + count(self.pending().len())
    }

    fn pending(&self) -> MutexGuard<'_, BTreeMap<SessionId, UnixMillis>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
