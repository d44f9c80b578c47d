//! The watchdog of the reading thread: replaces it when the database stops responding, so that no caller waits for long.
//!
//! A server that goes down closes the connection, and a slow server cancels the statement. A network device that accepts
//! packets and never forwards a response does neither, and the thread hangs in the driver.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use super::{Shared, locked, reader};
use crate::{
    error::StoreError,
    supervisor::{Stop, Worker},
};

/// The interval between checks.
const TICK: Duration = Duration::from_secs(1);
/// A thread is replaced when the same batch is in flight for this many checks: three to four seconds.
const STALL_TICKS: u32 = 4;
/// The most threads that may hang at once; beyond that, queued reads fail at the next check.
const MAX_HANGING: usize = 4;

pub(super) fn run(shared: &Arc<Shared>, stop: &Stop) {
    let (mut batch, mut ticks) = (0, 0);
    while !stop.wait(TICK) {
        let seen = {
            let in_flight = locked(&shared.in_flight);
            (!in_flight.reads.is_empty()).then_some(in_flight.batch)
        };
        ticks = match seen {
            Some(seen) if seen == batch => ticks + 1,
            Some(seen) => {
                batch = seen;
                1
            }
            None => 0,
        };
        if ticks >= STALL_TICKS && abandon_batch(shared, batch) {
            ticks = 0;
        }
        restart(shared);
    }
}

/// Fails the batch and abandons its thread; `false` if the batch completed meanwhile.
fn abandon_batch(shared: &Shared, batch: u64) -> bool {
    let mut in_flight = locked(&shared.in_flight);
    if in_flight.batch != batch || in_flight.reads.is_empty() {
        return false;
    }
    in_flight.generation += 1;
    shared.hanging.fetch_add(1, Ordering::Relaxed);
    let reads = std::mem::take(&mut in_flight.reads);
    // Dropping the handle would wait for a thread that hangs.
    locked(&shared.reader).take().into_iter().for_each(Worker::abandon);
    tracing::error!(reads = reads.len(), "the database does not respond; its reader is replaced");
    let error = not_responding();
    reads.into_iter().for_each(|read| read.fail(&error));
    true
}

fn not_responding() -> StoreError {
    StoreError::Unavailable("the database does not respond".to_owned())
}

/// Starts a new reading thread if the last one was abandoned; if too many hang, fails the queued reads instead. A thread
/// that panics is restarted by its supervisor.
fn restart(shared: &Arc<Shared>) {
    let error = not_responding();
    {
        let mut reader = locked(&shared.reader);
        match &*reader {
            Some(running) if !running.has_ended() => return,
            Some(_) => *reader = None,
            None => {}
        }
    }
    let generation = {
        let mut in_flight = locked(&shared.in_flight);
        std::mem::take(&mut in_flight.reads).into_iter().for_each(|read| read.fail(&error));
        in_flight.generation
    };
    let may_start = shared.hanging.load(Ordering::Relaxed) <= MAX_HANGING;
    if may_start && reader::start(shared, generation, None).is_ok() {
        return;
    }
    locked(&shared.pending).try_iter().for_each(|read| read.fail(&error));
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Mutex,
        atomic::AtomicUsize,
        mpsc::{SyncSender, sync_channel},
    };

    use futures_channel::oneshot;
    use futures_executor::block_on;
    use tokenry_domain::PublicId;
    use tokenry_testkit::TestDatabase;

    use super::super::{Delivered, InFlight, PendingRead, Read};
    use super::*;
    use crate::{
        pool::Manager,
        supervisor::{Importance, Workers},
        token::row::CredentialRow,
    };

    type Receiver = oneshot::Receiver<Delivered<CredentialRow>>;

    fn shared(db: &TestDatabase) -> (Arc<Shared>, SyncSender<PendingRead>) {
        let (queue, pending) = sync_channel(8);
        let shared = Shared {
            manager: Manager::proven(db.url().to_owned(), Arc::default(), |_| Ok(())),
            one_wait: Duration::from_secs(1),
            pending: Mutex::new(pending),
            in_flight: Mutex::default(),
            reader: Mutex::default(),
            workers: Workers::default(),
            hanging: AtomicUsize::new(0),
        };
        (Arc::new(shared), queue)
    }

    fn pending_read() -> (PendingRead, Receiver) {
        let (answer, receiver) = oneshot::channel();
        let public_id = PublicId::from_stored("test_x".to_owned());
        (PendingRead::Current(Read { public_id, thread: std::thread::current().id(), answer }), receiver)
    }

    fn result(receiver: Receiver) -> Result<Option<CredentialRow>, StoreError> {
        block_on(receiver).unwrap().open()
    }

    #[test]
    fn a_reader_that_has_ended_is_replaced() {
        let Some(db) = TestDatabase::postgres() else { return };
        let ended = Workers::default().start("test", Importance::Vital, |_: &Stop| {}).unwrap();
        ended.stop();
        assert!(ended.wait(Duration::from_secs(10)));
        for reader in [None, Some(ended)] {
            let (shared, queue) = shared(&db);
            let ((in_flight, in_flight_result), (queued, queued_result)) = (pending_read(), pending_read());
            *locked(&shared.in_flight) = InFlight { reads: vec![in_flight], ..InFlight::default() };
            *locked(&shared.reader) = reader;
            queue.send(queued).unwrap();
            restart(&shared);
            // The batch in flight fails; the new reader reads the queued ones.
            assert!(matches!(result(in_flight_result), Err(StoreError::Unavailable(_))));
            assert!(matches!(result(queued_result), Ok(None)));
        }
    }

    #[test]
    fn reads_fail_while_too_many_readers_hang_and_succeed_afterwards() {
        let Some(db) = TestDatabase::postgres() else { return };
        let (shared, queue) = shared(&db);
        shared.hanging.store(MAX_HANGING + 1, Ordering::Relaxed);
        let (queued, queued_result) = pending_read();
        queue.send(queued).unwrap();
        restart(&shared);
        assert!(matches!(result(queued_result), Err(StoreError::Unavailable(_))));
        // All of them have ended.
        shared.hanging.store(0, Ordering::Relaxed);
        let (queued, queued_result) = pending_read();
        queue.send(queued).unwrap();
        restart(&shared);
        assert!(matches!(result(queued_result), Ok(None)));
    }
}
