//! What a change waits for: the acknowledgement of every node.

use std::time::Duration;

use diesel::{PgConnection, r2d2::Pool};

use super::{Leases, statements};
use crate::{
    error::StoreError,
    pool::{self, Manager},
    steady_clock as clock,
    supervisor::Deadline,
    tx::Committed,
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
    /// Returns once a unit may be answered: it is durable, and no node can decide by a row from before its change. Called
    /// after its commit; `server` is what [`server`](Self::server) returned before it began. Blocks the thread.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if that cannot be proven; the change may be lost by a failover, or a node may not know
    /// it yet.
    pub(crate) fn confirm(
        &self,
        pool: &Pool<Manager<PgConnection>>,
        unit: Committed,
        server: u64,
    ) -> Result<(), StoreError> {
        let committed = clock::steady_now();
        if unit.awaited.is_some() {
            // The own node need not wait for the notification.
            self.shared.want_events();
        }
        // SECURITY: the own acknowledgement is waited for in any case, so it is also the proof where the server did not wait
        // for standbys when the unit looked. Acknowledgements of other nodes prove nothing: on an old primary that is cut
        // off they are visible although their commits were canceled.
        if unit.is_replicated || unit.is_change && self.has_feed() {
            self.prove(server, committed)?;
        }
        unit.awaited.map_or(Ok(()), |seq| self.wait_for(pool, seq, server, committed))
    }

    /// Waits until each node has acknowledged event `seq`, or its lease has ended and its row is removed.
    fn wait_for(
        &self,
        pool: &Pool<Manager<PgConnection>>,
        seq: i64,
        server: u64,
        committed: u64,
    ) -> Result<(), StoreError> {
        let (mut pause, mut last_answer) = (FIRST_PAUSE, clock::steady_now());
        loop {
            let heard = self.shared.proofs.heard();
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
            self.shared.proofs.wait(pause, |state| state.acknowledgements != heard);
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
