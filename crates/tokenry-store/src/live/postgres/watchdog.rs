//! Whoever watches the reading thread: a database that is silent must not keep anybody waiting.
//!
//! A server that is gone ends the connection, and one that is slow ends the statement. But a machine between that
//! takes what is sent and never answers does neither, and the thread hangs in the driver for as long as that lasts.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use super::{Shared, locked, reader};
use crate::{
    error::StoreError,
    supervisor::{Stop, Worker},
};

/// How often it looks.
const TICK: Duration = Duration::from_secs(1);
/// After so many looks at one and the same batch its thread is given up: three to four seconds.
const STALL_TICKS: u32 = 4;
/// How many threads may hang at once; beyond that whoever asks is refused at the next look.
const LOST: usize = 4;

pub(super) fn run(shared: &Arc<Shared>, stop: &Stop) {
    let (mut batch, mut looks) = (0, 0);
    while !stop.wait(TICK) {
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
        if looks >= STALL_TICKS && give_up(shared, batch) {
            looks = 0;
        }
        restart(shared);
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
    // Nobody waits for a thread that hangs.
    locked(&shared.reader).take().into_iter().for_each(Worker::abandon);
    let why = StoreError::Unavailable("the database does not answer".to_owned());
    tracing::error!(reads = reads.len(), "the database does not answer; its reader is replaced");
    reads.into_iter().for_each(|read| read.refuse(&why));
    true
}

/// Sees to it that somebody reads, or else that nobody waits: after a thread was given up. One that fails is restarted
/// by its supervisor.
fn restart(shared: &Arc<Shared>) {
    let why = StoreError::Unavailable("the database does not answer".to_owned());
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
        std::mem::take(&mut in_flight.reads).into_iter().for_each(|read| read.refuse(&why));
        in_flight.generation
    };
    if shared.lost.load(Ordering::Relaxed) <= LOST && reader::start(shared, generation, None).is_ok() {
        return;
    }
    locked(&shared.waiting).try_iter().for_each(|read| read.refuse(&why));
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

    use super::super::{Delivered, InFlight, Read, Waiting};
    use super::*;
    use crate::{
        pool::Manager,
        supervisor::{Importance, Workers},
        token::row::CredentialRow,
    };

    type Asked = oneshot::Receiver<Delivered<CredentialRow>>;

    fn shared(db: &TestDatabase) -> (Arc<Shared>, SyncSender<Waiting>) {
        let (queue, waiting) = sync_channel(8);
        let shared = Shared {
            manager: Manager::proven(db.url().to_owned(), Arc::default(), |_| Ok(())),
            one_wait: Duration::from_secs(1),
            waiting: Mutex::new(waiting),
            in_flight: Mutex::default(),
            reader: Mutex::default(),
            workers: Workers::default(),
            lost: AtomicUsize::new(0),
        };
        (Arc::new(shared), queue)
    }

    fn ask() -> (Waiting, Asked) {
        let (answer, asked) = oneshot::channel();
        let public_id = PublicId::from_stored("test_x".to_owned());
        (Waiting::Current(Read { public_id, thread: std::thread::current().id(), answer }), asked)
    }

    fn answer(asked: Asked) -> Result<Option<CredentialRow>, StoreError> {
        block_on(asked).unwrap().open()
    }

    #[test]
    fn a_reader_that_is_gone_is_replaced() {
        let Some(db) = TestDatabase::postgres() else { return };
        let ended = Workers::default().start("test", Importance::Vital, |_: &Stop| {}).unwrap();
        ended.stop();
        assert!(ended.wait(Duration::from_secs(10)));
        for died in [None, Some(ended)] {
            let (shared, queue) = shared(&db);
            let ((left, of_left), (waits, of_waiting)) = (ask(), ask());
            *locked(&shared.in_flight) = InFlight { reads: vec![left], ..InFlight::default() };
            *locked(&shared.reader) = died;
            queue.send(waits).unwrap();
            restart(&shared);
            // What it left behind is refused, what waits is read by its successor.
            assert!(matches!(answer(of_left), Err(StoreError::Unavailable(_))));
            assert!(matches!(answer(of_waiting), Ok(None)));
        }
    }

    #[test]
    fn while_too_many_readers_hang_whoever_waits_is_refused_and_later_read_again() {
        let Some(db) = TestDatabase::postgres() else { return };
        let (shared, queue) = shared(&db);
        shared.lost.store(LOST + 1, Ordering::Relaxed);
        let (waits, of_waiting) = ask();
        queue.send(waits).unwrap();
        restart(&shared);
        assert!(matches!(answer(of_waiting), Err(StoreError::Unavailable(_))));
        // All of them come back at once.
        shared.lost.store(0, Ordering::Relaxed);
        let (waits, of_waiting) = ask();
        queue.send(waits).unwrap();
        restart(&shared);
        assert!(matches!(answer(of_waiting), Ok(None)));
    }
}
