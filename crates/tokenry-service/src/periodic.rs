//! A thread that does something every now and then, and once more at the end.

use std::time::Duration;

use tokenry_store::{
    StoreError,
    supervisor::{Importance, Stop, Worker, Workers},
};

/// At the end what is left is tried so often, with so long a pause.
pub(crate) const LAST_ROUNDS: usize = 20;
pub(crate) const LAST_PAUSE: Duration = Duration::from_millis(50);

/// Whether a round has to be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    Nothing,
    Something,
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
        work: impl Fn() -> Left + Send + 'static,
    ) -> Result<Self, StoreError> {
        let worker = workers.start(name, Importance::Background, move |stop: &Stop| {
            while !stop.wait(interval) {
                work();
            }
            for _ in 0..LAST_ROUNDS {
                if work() == Left::Nothing {
                    break;
                }
                std::thread::sleep(LAST_PAUSE);
            }
        })?;
        Ok(Self { _worker: worker })
    }
}
