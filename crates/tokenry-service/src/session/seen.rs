//! When sessions were last used: noted at once, written behind the answers.

use std::{
    collections::BTreeMap,
    mem::take,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokenry_domain::{SessionId, UnixMillis};
use tokenry_store::{Store, StoreError};

use crate::unwritten::{Taken, count};

/// How many sessions wait at most; beyond that a use is left out, and the next one is noted.
const MOST: usize = 10_000;

/// The newest use of each session that waits to be written.
#[derive(Default)]
pub(crate) struct SeenSessions {
    waiting: Mutex<BTreeMap<SessionId, UnixMillis>>,
    taken: Taken,
}

impl SeenSessions {
    pub(crate) fn note(&self, id: SessionId, at: UnixMillis) {
        let mut waiting = self.waiting();
        if waiting.len() < MOST || waiting.contains_key(&id) {
            let newest = waiting.entry(id).or_insert(at);
            *newest = at.max(*newest);
        }
    }

    /// Writes them in the order of their ids, in which whoever ends sessions locks them too. What was not written waits on.
    pub(crate) fn write(&self, store: &Store) -> Result<(), StoreError> {
        let seen = take(&mut *self.waiting());
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

    /// How many sessions' last uses are not written.
    pub(crate) fn unwritten(&self) -> u64 {
        self.taken.get() + count(self.waiting().len())
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<SessionId, UnixMillis>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
