//! Buffers when sessions were last used and writes it after the responses.

use tokenry_domain::{SessionId, UnixMillis};
use tokenry_store::{Store, StoreError};

use crate::{coalescer::Coalescer, periodic::FlushOutcome};

/// The maximum number of pending sessions; beyond that a use is dropped and a later one is recorded.
const MAX_PENDING: usize = 10_000;

/// The latest use of each session that is not written yet.
pub(crate) struct SeenSessions(Coalescer<SessionId, UnixMillis>);

impl SeenSessions {
    pub(crate) fn new() -> Self {
        Self(Coalescer::new(MAX_PENDING))
    }

    pub(crate) fn record(&self, id: SessionId, at: UnixMillis) {
        self.0.record(id, at);
    }

    /// Writes in the order of ids, in which sessions are also locked to end them. What fails stays pending.
    pub(crate) fn write(&self, store: &Store) -> Result<FlushOutcome, StoreError> {
        self.0.flush(
            MAX_PENDING,
            |_, _| false,
            |batch| {
                let rows = batch.to_vec();
                store.write_bookkeeping(move |tx| {
                    rows.iter().try_for_each(|(id, at)| tx.mark_seen(*id, *at).map(drop))
                })?;
                Ok(Vec::new())
            },
        )
    }

    /// How many sessions have an unwritten last use.
    pub(crate) fn unwritten(&self) -> u64 {
        self.0.unwritten()
    }
}
