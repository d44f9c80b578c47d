//! A thread that does something every now and then, and once more at the end.

use std::time::Duration;

use tokenry_store::{
    StoreError,
    supervisor::{Importance, Stop, Worker, Workers},
};

/// At the end what is left is tried so often, with so long a pause.
pub(crate) const LAST_ROUNDS: usize = 20;
pub(crate) const LAST_PAUSE: Duration = Duration::from_millis(50);
/// How long one unit of such a thread waits: it is tried again anyway, and an end must not take long.
pub(crate) const UNIT_WAIT: Duration = Duration::from_millis(500);

/// Whether a round has to be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FlushOutcome {
    Nothing,
    /// Somebody else holds it at this moment.
    Something,
}

/// What is written behind the answers.
pub(crate) trait Behind: Send + 'static {
    /// Writes what waits; what the database does not take waits on. Once it `is_hurried`, a first refusal is enough.
    fn write(&self, is_hurried: &dyn Fn() -> bool) -> Result<FlushOutcome, StoreError>;

    /// How much is not written.
    fn unwritten(&self) -> u64;
}

/// Dropping it ends the thread after a last round, and waits for it for a bounded time.
pub(crate) struct Periodic {
    _worker: Worker,
}

impl Periodic {
    pub(crate) fn start(
        workers: &Workers,
        name: &'static str,
        interval: Duration,
        work: impl Behind,
    ) -> Result<Self, StoreError> {
        let worker = workers.start(name, Importance::Background, move |stop: &Stop| {
            let round = || {
                let written = work.write(&|| stop.is_requested());
                written.inspect_err(|error| {
                    tracing::warn!(%error, worker = name, "what was noted is not written and waits");
                })
            };
            while !stop.wait(interval) {
                // What is left is tried in the next one.
                let _ = round();
            }
            for _ in 0..LAST_ROUNDS {
                match round() {
                    Ok(FlushOutcome::Nothing) => break,
                    Ok(FlushOutcome::Something) => std::thread::sleep(LAST_PAUSE),
                    Err(_) => break,
                }
            }
            let lost = work.unwritten();
            if lost > 0 {
                tracing::error!(worker = name, lost, "what was noted was not all written before the end");
            }
        })?;
        Ok(Self { _worker: worker })
    }
}
