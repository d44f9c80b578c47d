//! Looks every minute whether this node's clock can be believed.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc::{RecvTimeoutError, Sender, channel},
    thread::Builder,
    time::Duration,
};

use tokenry_actix::clock;
use tokenry_service::Tokenry;

const PAUSE: Duration = Duration::from_secs(60);

/// Watches in the background until it is dropped. The thread ends by itself and is not waited for.
pub(super) struct ClockWatch {
    _stop: Sender<()>,
}

impl ClockWatch {
    /// Looks once before it returns, so that the first cleanup knows.
    ///
    /// # Errors
    /// When the system gives no further thread.
    pub(super) fn start(tokenry: Tokenry) -> io::Result<Self> {
        look(&tokenry);
        let (stop, stopped) = channel::<()>();
        Builder::new().name("tokenry-clock".to_owned()).spawn(move || {
            while stopped.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
                if catch_unwind(AssertUnwindSafe(|| look(&tokenry))).is_err() {
                    tracing::error!("a look at the clock panicked");
                }
            }
        })?;
        Ok(Self { _stop: stop })
    }
}

fn look(tokenry: &Tokenry) {
    if let Err(error) = tokenry.check_clock(clock::now()) {
        tracing::debug!(%error, "the clock could not be compared with the database's");
    }
}
