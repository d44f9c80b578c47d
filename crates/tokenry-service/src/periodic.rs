//! A thread that flushes buffered writes at an interval, and once more at the end.

use std::time::Duration;

use tokenry_store::{
    StoreError,
    supervisor::{Importance, Stop, Worker, Workers},
};

/// At the end, a flush is attempted this many times, with this pause between attempts.
pub(crate) const LAST_ROUNDS: usize = 20;
pub(crate) const LAST_PAUSE: Duration = Duration::from_millis(50);
/// How long one transaction of such a thread waits for its turn: it is retried anyway, and the end must not take long.
pub(crate) const UNIT_WAIT: Duration = Duration::from_millis(500);

/// Whether a flush has to be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FlushOutcome {
    Complete,
    /// Some rows were locked by another transaction.
    Incomplete,
}

/// Data that is written after the response.
pub(crate) trait Buffer: Send + 'static {
    /// Writes what is pending; what fails stays pending. While `is_stopping`, the first failure ends the attempt.
    fn write(&self, is_stopping: &dyn Fn() -> bool) -> Result<FlushOutcome, StoreError>;

    /// How many records are not written.
    fn unwritten(&self) -> u64;
}

/// Dropping it stops the thread after a last flush, and waits for it for a bounded time.
pub(crate) struct Periodic {
    _worker: Worker,
}

impl Periodic {
    pub(crate) fn start(
        workers: &Workers,
        name: &'static str,
        interval: Duration,
        buffer: impl Buffer,
    ) -> Result<Self, StoreError> {
        let worker = workers.start(name, Importance::Background, move |stop: &Stop| {
            while !stop.wait(interval) {
                // What failed is retried in the next flush.
                let _ = flush(&buffer, name, stop);
            }
            for _ in 0..LAST_ROUNDS {
                match flush(&buffer, name, stop) {
                    Ok(FlushOutcome::Complete) => break,
                    Ok(FlushOutcome::Incomplete) => std::thread::sleep(LAST_PAUSE),
                    Err(_) => break,
                }
            }
            let lost = buffer.unwritten();
            if lost > 0 {
                tracing::error!(worker = name, lost, "not everything was written before the end");
            }
        })?;
        Ok(Self { _worker: worker })
    }
}

fn flush(buffer: &impl Buffer, name: &'static str, stop: &Stop) -> Result<FlushOutcome, StoreError> {
    let written = buffer.write(&|| stop.is_requested());
    written.inspect_err(|error| tracing::warn!(%error, worker = name, "a flush failed; it is retried"))
}
