//! Queued output to standard error, which may fail, fill up or block without affecting the caller.
//!
//! Writers put lines into a bounded queue. A dedicated thread writes them and may block on the reader. Lines that do
//! not fit or cannot be written are dropped and counted.

use std::{
    io::{self, Write},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    time::{Duration, Instant},
};

use tokenry_service::supervisor::{Importance, Stop, Work, Worker, Workers};
use tracing_subscriber::fmt::MakeWriter;

/// The maximum number of queued lines.
const MAX_QUEUED_LINES: usize = 8192;
/// The maximum number of queued bytes.
const MAX_QUEUED_BYTES: usize = 16 << 20;
/// The maximum number of bytes of one write.
const BATCH: usize = 32 << 10;
/// How long the end of the process waits for the reader of its log.
pub(super) const LAST_WAIT: Duration = Duration::from_secs(1);
/// The pause while a non-blocking output is full.
const FULL_PAUSE: Duration = Duration::from_millis(10);

/// Writes whole lines to standard error and never fails, panics or blocks. Clones share the queue.
#[derive(Clone)]
pub(crate) struct LogOutput(Arc<Shared>);

struct Shared {
    queue: SyncSender<Vec<u8>>,
    state: Arc<State>,
    worker: Mutex<Option<Worker>>,
}

#[derive(Default)]
struct State {
    queued: Mutex<Queued>,
    written: Condvar,
    lost: AtomicU64,
    last_loss: Mutex<Option<Instant>>,
}

/// The lines and bytes that are queued or being written.
#[derive(Default)]
struct Queued {
    lines: usize,
    bytes: usize,
}

struct Serving<W> {
    lines: Receiver<Vec<u8>>,
    state: Arc<State>,
    output: W,
    /// Whether the last line may have been written in part.
    is_torn: bool,
    reported_lost: u64,
}

impl LogOutput {
    /// Starts the thread that writes.
    ///
    /// # Errors
    /// If the system cannot start a thread.
    pub(crate) fn start() -> io::Result<Self> {
        Self::to(io::stderr())
    }

    fn to(output: impl Write + Send + 'static) -> io::Result<Self> {
        let (queue, lines) = sync_channel(MAX_QUEUED_LINES);
        let state = Arc::new(State::default());
        let serving = Serving { lines, state: state.clone(), output, is_torn: false, reported_lost: 0 };
        let worker = Workers::default().start("log", Importance::Background, serving)?;
        Ok(Self(Arc::new(Shared { queue, state, worker: Mutex::new(Some(worker)) })))
    }

    /// Queues the line, or drops and counts it.
    fn put(&self, line: Vec<u8>) {
        let (state, length) = (&self.0.state, line.len());
        {
            let mut queued = locked(&state.queued);
            if queued.bytes + length > MAX_QUEUED_BYTES {
                drop(queued);
                return state.lose(1);
            }
            queued.lines += 1;
            queued.bytes += length;
        }
        match self.0.queue.try_send(line) {
            Ok(()) => {}
            Err(TrySendError::Full(line) | TrySendError::Disconnected(line)) => {
                state.leave_queue(1, line.len());
                state.lose(1);
            }
        }
    }

    /// Waits until all queued lines are written or lost, at most for `timeout`.
    pub(crate) fn wait_until_written(&self, timeout: Duration) {
        let state = &self.0.state;
        let waited =
            state.written.wait_timeout_while(locked(&state.queued), timeout, |queued| queued.lines > 0);
        drop(waited);
    }

    /// The number of lost lines and the time since the last loss.
    pub(crate) fn losses(&self) -> (u64, Option<Duration>) {
        let last = *locked(&self.0.state.last_loss);
        (self.0.state.lost.load(Relaxed), last.map(|at| at.elapsed()))
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // The thread may block on its reader for ever.
        locked(&self.worker).take().into_iter().for_each(Worker::abandon);
    }
}

impl Write for LogOutput {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.put(line.to_vec());
        Ok(line.len())
    }

    /// Waits for the reader, at most for [`LAST_WAIT`]. Log events do not call it.
    fn flush(&mut self) -> io::Result<()> {
        self.wait_until_written(LAST_WAIT);
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for LogOutput {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

impl State {
    fn lose(&self, lines: usize) {
        self.lost.fetch_add(u64::try_from(lines).unwrap_or(u64::MAX), Relaxed);
        *locked(&self.last_loss) = Some(now());
    }

    fn leave_queue(&self, lines: usize, bytes: usize) {
        let mut queued = locked(&self.queued);
        queued.lines -= lines.min(queued.lines);
        queued.bytes -= bytes.min(queued.bytes);
        drop(queued);
        self.written.notify_all();
    }
}

impl<W: Write + Send + 'static> Work for Serving<W> {
    fn run(&mut self, _: &Stop) {
        while let Ok(first) = self.lines.recv() {
            let mut batch = first;
            let mut ends = vec![batch.len()];
            while batch.len() < BATCH {
                let Ok(next) = self.lines.try_recv() else { break };
                batch.extend(next);
                ends.push(batch.len());
            }
            let written = self.write(&batch);
            let whole = ends.iter().filter(|end| **end <= written).count();
            if whole < ends.len() {
                self.state.lose(ends.len() - whole);
            }
            self.state.leave_queue(ends.len(), batch.len());
            if whole == ends.len() {
                self.log_losses();
            }
        }
    }

    fn while_down(&mut self) {
        while let Ok(line) = self.lines.try_recv() {
            self.state.leave_queue(1, line.len());
            self.state.lose(1);
        }
    }
}

impl<W: Write> Serving<W> {
    /// Writes the bytes and returns how many were written.
    fn write(&mut self, bytes: &[u8]) -> usize {
        if self.is_torn && self.write_on(b"\n") == 0 {
            return 0;
        }
        let written = self.write_on(bytes);
        self.is_torn = written < bytes.len();
        written
    }

    fn write_on(&mut self, bytes: &[u8]) -> usize {
        let mut written = 0;
        while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
            match self.output.write(rest) {
                Ok(0) => break,
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::sleep(FULL_PAUSE),
                Err(_) => break,
            }
        }
        written
    }

    /// Logs the number of lost lines once lines can be written again.
    fn log_losses(&mut self) {
        let lost = self.state.lost.load(Relaxed);
        if lost > self.reported_lost {
            let lines = lost - self.reported_lost;
            self.reported_lost = lost;
            tracing::warn!(lines, "log lines could not be written and were dropped");
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code panics while it holds one of these locks.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[allow(clippy::disallowed_methods, reason = "the age of a loss is measured with the monotonic clock")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    /// The written bytes, and whether writes currently fail.
    #[derive(Clone, Default)]
    struct Disk(Arc<Mutex<(Vec<u8>, bool)>>);

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut disk = self.0.lock().unwrap();
            if disk.1 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            disk.0.extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted_and_later_lines_are_complete() {
        let disk = Disk::default();
        let mut output = LogOutput::to(disk.clone()).unwrap();
        let wait = Duration::from_secs(10);
        for (line, is_full) in [("one\n", false), ("two\n", true), ("three\n", true), ("four\n", false)] {
            disk.0.lock().unwrap().1 = is_full;
            output.write_all(line.as_bytes()).unwrap();
            output.wait_until_written(wait);
        }
        assert_eq!(String::from_utf8_lossy(&disk.0.lock().unwrap().0), "one\n\nfour\n");
        let (lost, age) = output.losses();
        assert!(lost == 2 && age.is_some());
    }

    /// An output without a reader.
    struct Stuck(Sender<()>, Receiver<()>);

    impl Write for Stuck {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            let _ = self.0.send(());
            let _ = self.1.recv();
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_output_without_a_reader_blocks_no_writer_and_the_queue_is_bounded() {
        let ((reached, is_reached), (_release, released)) = (channel(), channel());
        let mut output = LogOutput::to(Stuck(reached, released)).unwrap();
        output.write_all(b"first\n").unwrap();
        is_reached.recv().unwrap();
        let long = vec![b'x'; 1 << 20];
        (0..40).for_each(|_| output.write_all(&long).unwrap());
        assert!(output.losses().0 >= 24, "{}", output.losses().0);
        (0..2 * MAX_QUEUED_LINES).for_each(|_| output.write_all(b"short\n").unwrap());
        assert!(output.losses().0 as usize >= MAX_QUEUED_LINES);
        output.wait_until_written(Duration::from_millis(10));
    }
}
