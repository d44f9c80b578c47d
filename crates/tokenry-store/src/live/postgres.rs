//! The live reader of PostgreSQL: one thread and connection that reads whatever waits in few statements.

mod connected;
mod delivery;
mod reader;
mod watchdog;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::AtomicUsize,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread::ThreadId,
    time::Duration,
};

use diesel::PgConnection;
use futures_channel::oneshot;
use tokenry_domain::PublicId;

use self::{connected::Connected, delivery::Delivered};
use crate::{
    error::StoreError,
    live::{Credential, RetiredCredential},
    patience,
    pool::Manager,
    primary::ConnectionProof,
    retired::{self, RetiredCredentialRow},
    supervisor::{Importance, Stop, Worker, Workers},
    token::row::{CredentialRow, credential},
};

/// How many reads may wait; more are refused as unavailable.
const QUEUE: usize = 4096;

/// Reads for many at once. Whatever becomes of the database, each read is answered within seconds.
pub(crate) struct BatchReader {
    queue: Option<SyncSender<Waiting>>,
    watch: Option<Worker>,
    shared: Arc<Shared>,
}

/// What the reading thread, whoever watches it and the thread that may take its place have in common.
struct Shared {
    manager: Manager<PgConnection>,
    /// How long the server lets a batch wait for a lock.
    one_wait: Duration,
    waiting: Mutex<Receiver<Waiting>>,
    in_flight: Mutex<InFlight>,
    reader: Mutex<Option<Worker>>,
    workers: Workers,
    /// Threads that were replaced and still hang.
    lost: AtomicUsize,
}

/// The batch that the database is asked for at this moment.
#[derive(Default)]
struct InFlight {
    /// Which thread may read; one that was replaced finds another number here.
    generation: u64,
    /// Counts batches.
    batch: u64,
    reads: Vec<Waiting>,
}

/// A read that waits, and where its answer goes.
enum Waiting {
    Current(Read<CredentialRow>),
    Retired(Read<RetiredCredentialRow>),
}

struct Read<Row> {
    public_id: PublicId,
    /// Where whoever asks runs.
    thread: ThreadId,
    answer: oneshot::Sender<Delivered<Row>>,
}

type Answer<T> = Result<Option<T>, StoreError>;

impl BatchReader {
    pub(crate) fn start(
        manager: Manager<PgConnection>,
        connected: (PgConnection, ConnectionProof),
        wait: Duration,
        workers: &Workers,
    ) -> Result<Self, StoreError> {
        let (queue, waiting) = sync_channel(QUEUE);
        let shared = Arc::new(Shared {
            manager,
            one_wait: patience::one_read(wait),
            waiting: Mutex::new(waiting),
            in_flight: Mutex::default(),
            reader: Mutex::default(),
            workers: workers.clone(),
            lost: AtomicUsize::new(0),
        });
        reader::start(&shared, 0, Some(Connected::new(connected)))?;
        let watched = shared.clone();
        let watch = workers.start("reader-watchdog", Importance::Vital, move |stop: &Stop| {
            watchdog::run(&watched, stop);
        })?;
        Ok(Self { queue: Some(queue), shared, watch: Some(watch) })
    }

    pub(crate) async fn current(&self, public_id: &PublicId) -> Answer<Credential> {
        self.read(public_id, Waiting::Current).await?.map(credential).transpose()
    }

    pub(crate) async fn retired(&self, public_id: &PublicId) -> Answer<RetiredCredential> {
        self.read(public_id, Waiting::Retired).await?.map(retired::credential).transpose()
    }

    /// Rows are taken apart by whoever asked, since the one thread that reads them is what all wait for.
    async fn read<Row>(&self, public_id: &PublicId, kind: fn(Read<Row>) -> Waiting) -> Answer<Row> {
        let (answer, answered) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or_else(stopped)?;
        let thread = std::thread::current().id();
        let read = kind(Read { public_id: public_id.clone(), thread, answer });
        queue.try_send(read).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Unavailable("too many reads are waiting".to_owned()),
            TrySendError::Disconnected(_) => stopped(),
        })?;
        answered.await.map_or_else(|_| Err(stopped()), Delivered::open)
    }
}

impl Drop for BatchReader {
    fn drop(&mut self) {
        // First whoever would take the end of the reading thread for a failure.
        drop(self.watch.take());
        let reader = locked(&self.shared.reader).take();
        reader.iter().for_each(Worker::stop);
        drop(self.queue.take());
        drop(reader);
    }
}

impl Waiting {
    fn refuse(self, why: &StoreError) {
        // Whoever asked may have gone away.
        match self {
            Self::Current(read) => drop(read.answer.send(Delivered::alone(Err(why.clone())))),
            Self::Retired(read) => drop(read.answer.send(Delivered::alone(Err(why.clone())))),
        }
    }
}

fn stopped() -> StoreError {
    StoreError::Unavailable("the reader has stopped".to_owned())
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it holds one of these.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
