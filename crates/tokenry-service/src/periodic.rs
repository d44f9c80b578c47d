//! A thread that does something every now and then, and once more at the end.

use std::{
    sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel},
    thread::JoinHandle,
    time::Duration,
};

use tokenry_store::StoreError;

/// At the end what is left is tried so often, with so long a pause.
pub(crate) const LAST_ROUNDS: usize = 20;
pub(crate) const LAST_PAUSE: Duration = Duration::from_millis(50);

/// Whether a round has to be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    Nothing,
    Something,
}

/// Dropping it ends the thread after a last round, and waits for it.
pub(crate) struct Periodic {
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Periodic {
    pub(crate) fn start(
        name: &str,
        interval: Duration,
        work: impl Fn() -> Left + Send + 'static,
    ) -> Result<Self, StoreError> {
        let (stop, stopped) = sync_channel(0);
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                    work();
                }
                for _ in 0..LAST_ROUNDS {
                    if work() == Left::Nothing {
                        break;
                    }
                    std::thread::sleep(LAST_PAUSE);
                }
            })
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Periodic {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
