//! The live reader of PostgreSQL: one thread with one connection that reads all queued requests in few statements.

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
    credential::{Credential, RetiredCredential},
    error::StoreError,
    lock_timeout,
    pool::Manager,
    primary::ConnectionProof,
    retired::{self, RetiredCredentialRow},
    supervisor::{Importance, Stop, Worker, Workers},
    token::row::{CredentialRow, credential},
};

/// The most queued reads; more are rejected as unavailable.
const QUEUE_CAPACITY: usize = 4096;

/// Batches concurrent reads. Each read ends within seconds, whatever happens to the database.
pub(crate) struct BatchReader {
    queue: Option<SyncSender<PendingRead>>,
    watchdog: Option<Worker>,
    shared: Arc<Shared>,
}

/// State shared by the reading thread, its watchdog and the thread that may replace it.
struct Shared {
    manager: Manager<PgConnection>,
    /// How long the server lets a batch wait for a lock.
    one_wait: Duration,
    pending: Mutex<Receiver<PendingRead>>,
    in_flight: Mutex<InFlight>,
    reader: Mutex<Option<Worker>>,
    workers: Workers,
    /// The number of threads that were replaced and still hang.
    hanging: AtomicUsize,
}

/// The batch that is being read.
#[derive(Default)]
struct InFlight {
    /// The generation of the thread that may read; it differs from that of a thread that was replaced.
    generation: u64,
    /// Incremented with each batch.
    batch: u64,
    reads: Vec<PendingRead>,
}

/// A queued read.
enum PendingRead {
    Current(Read<CredentialRow>),
    Retired(Read<RetiredCredentialRow>),
}

struct Read<Row> {
    public_id: PublicId,
    /// The thread of the caller.
    thread: ThreadId,
    answer: oneshot::Sender<Delivered<Row>>,
}

type ReadResult<T> = Result<Option<T>, StoreError>;

impl BatchReader {
    pub(crate) fn start(
        manager: Manager<PgConnection>,
        connected: (PgConnection, ConnectionProof),
        wait: Duration,
        workers: &Workers,
    ) -> Result<Self, StoreError> {
        let (queue, pending) = sync_channel(QUEUE_CAPACITY);
        let shared = Arc::new(Shared {
            manager,
            one_wait: lock_timeout::for_one_read(wait),
            pending: Mutex::new(pending),
            in_flight: Mutex::default(),
            reader: Mutex::default(),
            workers: workers.clone(),
            hanging: AtomicUsize::new(0),
        });
        reader::start(&shared, 0, Some(Connected::new(connected)))?;
        let watched = shared.clone();
        let watchdog = workers.start("reader-watchdog", Importance::Vital, move |stop: &Stop| {
            watchdog::run(&watched, stop);
        })?;
        Ok(Self { queue: Some(queue), shared, watchdog: Some(watchdog) })
    }

    pub(crate) async fn current(&self, public_id: &PublicId) -> ReadResult<Credential> {
        self.read(public_id, PendingRead::Current).await?.map(credential).transpose()
    }

    pub(crate) async fn retired(&self, public_id: &PublicId) -> ReadResult<RetiredCredential> {
        self.read(public_id, PendingRead::Retired).await?.map(retired::credential).transpose()
    }

    /// Returns the undecoded row. The callers decode their rows themselves, since the reading thread is the bottleneck.
    async fn read<Row>(&self, public_id: &PublicId, kind: fn(Read<Row>) -> PendingRead) -> ReadResult<Row> {
        let (answer, delivered) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or_else(stopped)?;
        let thread = std::thread::current().id();
        let read = kind(Read { public_id: public_id.clone(), thread, answer });
        queue.try_send(read).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Unavailable("too many reads are waiting".to_owned()),
            TrySendError::Disconnected(_) => stopped(),
        })?;
        delivered.await.map_or_else(|_| Err(stopped()), Delivered::open)
    }
}

impl Drop for BatchReader {
    fn drop(&mut self) {
        // The watchdog first, since it would take the end of the reading thread for a failure.
        drop(self.watchdog.take());
        let reader = locked(&self.shared.reader).take();
        reader.iter().for_each(Worker::stop);
        drop(self.queue.take());
        drop(reader);
    }
}

impl PendingRead {
    fn fail(self, error: &StoreError) {
        // The caller may have gone away.
        match self {
            Self::Current(read) => drop(read.answer.send(Delivered::single(Err(error.clone())))),
            Self::Retired(read) => drop(read.answer.send(Delivered::single(Err(error.clone())))),
        }
    }
}

fn stopped() -> StoreError {
    StoreError::Unavailable("the reader has stopped".to_owned())
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code panics while it holds one of these mutexes.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
