//! What a change waits for: the acknowledgement of every node.

use std::{sync::PoisonError, time::Duration};

use diesel::{PgConnection, r2d2::Pool};

use super::{Leases, locked, statements};
use crate::{
    error::StoreError,
    pool::{self, Manager},
    steady_clock as clock,
    supervisor::Deadline,
};

/// The first pause between two looks at the nodes; a notification ends it early.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
/// The longest pause.
const MAX_PAUSE: Duration = Duration::from_millis(50);
/// How long one look may wait for a connection.
const MAX_READ_TIME: Duration = Duration::from_secs(2);
/// How long the wait goes on if the nodes cannot be read.
const MAX_SILENCE: Duration = Duration::from_secs(6);

impl Leases {
    /// Waits until no node can decide by a row from before event `seq`: each has acknowledged the event, or its lease has
    /// ended and its row is removed. Called after the commit of the event; `server` is what [`server`](Self::server)
    /// returned before the unit began. Blocks the thread.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if that cannot be proven; the change may be lost by a failover, or a node may not know
    /// it yet.
    pub(crate) fn wait_for(
        &self,
        pool: &Pool<Manager<PgConnection>>,
        seq: i64,
        server: u64,
    ) -> Result<(), StoreError> {
        let committed = clock::steady_now();
        // The own node need not wait for the notification.
        self.shared.want_events();
        let (mut pause, mut last_answer) = (FIRST_PAUSE, committed);
        loop {
            let heard = *locked(&self.shared.acknowledgements);
            let looked = self.look(pool, seq, committed);
            // SECURITY: the server that replaced the other may lack the change, and give its number to another one.
            if self.server() != server {
                return Err(unknown());
            }
            match looked {
                Ok(true) => return Ok(()),
                Ok(false) => last_answer = clock::steady_now(),
                Err(error) => {
                    if clock::steady_now().saturating_sub(last_answer) > clock::micros(MAX_SILENCE) {
                        tracing::error!(%error, seq, "a change was committed, and its nodes cannot be read");
                        return Err(unknown());
                    }
                }
            }
            let acknowledgements = locked(&self.shared.acknowledgements);
            let is_same = |count: &mut u64| *count == heard;
            let waited = self.shared.acknowledged.wait_timeout_while(acknowledgements, pause, is_same);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }

    /// Whether no node is left to wait for. Removes the nodes whose lease has surely ended.
    fn look(&self, pool: &Pool<Manager<PgConnection>>, seq: i64, committed: u64) -> Result<bool, StoreError> {
        let deadline = Deadline::after(MAX_READ_TIME);
        pool::query(pool, deadline, |connection, marker| {
            let silent = statements::silent(connection, marker, seq)?;
            let mut left = silent.len();
            for node in silent {
                let lease = Duration::from_millis(u64::try_from(node.lease_ms).unwrap_or(0));
                // SECURITY: a renewal that does not know the event was sent before its commit. Clocks of other machines
                // may be slower by a tenth.
                let end = committed + clock::micros(lease + lease / 10);
                if clock::steady_now() <= end {
                    continue;
                }
                tracing::warn!(node = %node.id.0, "a node did not acknowledge a change while its lease ran, and is gone");
                statements::remove(connection, marker, node.id.0, seq)?;
                left -= 1;
            }
            Ok(left == 0)
        })
    }
}

/// The change was committed, and its answer cannot be given.
fn unknown() -> StoreError {
    StoreError::Unavailable(
        "the outcome is unknown: the change was committed, and it is not known whether every node has heard of it"
            .to_owned(),
    )
}
