//! The watchdog of the feed: replaces it when the database stops responding, and fails verifications that wait too long.
//!
//! On an old primary that is cut off from its standbys, a renewal waits for them and the feed hangs. A new connection may
//! lead to the new primary.

use std::{
    sync::{
        Arc,
        atomic::Ordering::{Relaxed, SeqCst},
    },
    time::Duration,
};

use super::{Shared, feed, locked};
use crate::{
    steady_clock as clock,
    supervisor::{Stop, Worker},
};

/// The interval between checks.
const TICK: Duration = Duration::from_millis(50);
/// The most feeds that may hang at once; beyond that none is replaced until one of them ends.
const MAX_HANGING: usize = 8;

pub(super) fn run(shared: &Arc<Shared>, stop: &Stop) {
    while !stop.wait(TICK) {
        shared.waiting.expire();
        let since = shared.busy_since.load(SeqCst);
        let is_stuck = since != 0
            && clock::steady_now().saturating_sub(since) > shared.busy_limit.load(SeqCst)
            && shared.hanging.load(Relaxed) < MAX_HANGING;
        if is_stuck {
            replace(shared);
        }
    }
}

/// Abandons the feed and starts another.
fn replace(shared: &Arc<Shared>) {
    let mut feed = locked(&shared.feed);
    {
        // Together with the grant of a lease, so that the old feed grants none from here on.
        let _end = locked(&shared.end);
        shared.generation.fetch_add(1, SeqCst);
    }
    shared.hanging.fetch_add(1, Relaxed);
    shared.busy_since.store(0, SeqCst);
    tracing::error!("the database does not respond; the feed of changes is replaced");
    // Dropping the handle would wait for a thread that hangs.
    feed.take().into_iter().for_each(Worker::abandon);
    shared.invalidations.drop_all();
    match feed::start(shared) {
        Ok(started) => *feed = Some(started),
        Err(error) => tracing::error!(%error, "the feed of changes cannot be started"),
    }
}
