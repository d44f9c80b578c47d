//! Whoever watches the reading thread: a database that is silent must not keep anybody waiting.
//!
//! A server that is gone ends the connection, and one that is slow ends the statement. But a machine between that
//! takes what is sent and never answers does neither, and the thread hangs in the driver for as long as that lasts.

use std::{
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};

use super::{Shared, locked, reader};
use crate::error::StoreError;

/// How often it looks.
const TICK: Duration = Duration::from_secs(1);
/// After so many looks at one and the same batch its thread is given up: three to four seconds.
const PATIENCE: u32 = 4;
/// How many threads may hang at once; beyond that whoever asks is refused at the next look.
const LOST: usize = 4;

pub(super) fn run(shared: &Arc<Shared>, stopped: &Receiver<()>) {
    let (mut batch, mut looks) = (0, 0);
    while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
        let seen = {
            let in_flight = locked(&shared.in_flight);
            (!in_flight.reads.is_empty()).then_some(in_flight.batch)
        };
        looks = match seen {
            Some(seen) if seen == batch => looks + 1,
            Some(seen) => {
                batch = seen;
                1
            }
            None => 0,
        };
        if looks >= PATIENCE && give_up(shared, batch) {
            looks = 0;
        }
        if shared.lost.load(Ordering::Relaxed) > 0 {
            revive(shared);
        }
    }
}

/// Refuses the batch and takes the thread off its work; `false` if it is done after all.
fn give_up(shared: &Shared, batch: u64) -> bool {
    let mut in_flight = locked(&shared.in_flight);
    if in_flight.batch != batch || in_flight.reads.is_empty() {
        return false;
    }
    in_flight.generation += 1;
    shared.lost.fetch_add(1, Ordering::Relaxed);
    let reads = std::mem::take(&mut in_flight.reads);
    // Its handle is let go with it: nobody waits for a thread that hangs.
    drop(locked(&shared.reader).take());
    let why = StoreError::Unavailable("the database does not answer".to_owned());
    tracing::error!(reads = reads.len(), "the database does not answer; its reader is replaced");
    reads.into_iter().for_each(|read| read.refuse(&why));
    true
}

/// Sees to it that somebody reads again, or else that nobody waits.
fn revive(shared: &Arc<Shared>) {
    if locked(&shared.reader).is_some() {
        return;
    }
    let generation = locked(&shared.in_flight).generation;
    if shared.lost.load(Ordering::Relaxed) <= LOST && reader::start(shared, generation, None).is_ok() {
        return;
    }
    let why = StoreError::Unavailable("the database does not answer".to_owned());
    locked(&shared.waiting).try_iter().for_each(|read| read.refuse(&why));
}
