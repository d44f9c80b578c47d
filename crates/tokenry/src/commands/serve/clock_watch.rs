//! Looks every minute whether this node's clock can be believed.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokenry_actix::clock;
use tokenry_service::{
    Finding, Tokenry,
    supervisor::{Importance, Stop, Worker},
};

const PAUSE: Duration = Duration::from_secs(60);

/// What the last look found. Shared with the readiness check, which must not hold the service that it belongs to.
type Faults = Arc<Mutex<Vec<String>>>;

/// Watches in the background until it is dropped.
pub(super) struct ClockWatch {
    _worker: Worker,
}

impl ClockWatch {
    /// Looks once before it returns, so that the first cleanup knows; `/readyz` says from then on what was found.
    ///
    /// # Errors
    /// When the system gives no further thread.
    pub(super) fn start(tokenry: &Tokenry) -> io::Result<Self> {
        let faults = Faults::default();
        look(tokenry, &faults);
        let (watched, found) = (tokenry.clone(), faults.clone());
        let worker =
            tokenry.store().workers().start("clock", Importance::Background, move |stop: &Stop| {
                while !stop.wait(PAUSE) {
                    look(&watched, &found);
                }
            })?;
        tokenry.add_check("clock", move |_| judge(&faults));
        Ok(Self { _worker: worker })
    }
}

fn look(tokenry: &Tokenry, faults: &Faults) {
    if let Err(error) = tokenry.check_clock(clock::now()) {
        tracing::debug!(%error, "the clock could not be compared with the database's");
    }
    let found = tokenry.clock_faults().iter().map(ToString::to_string).collect();
    *faults.lock().unwrap_or_else(PoisonError::into_inner) = found;
}

/// A warning: a clock that is off makes no node unready, since others would be no better.
fn judge(faults: &Faults) -> Finding {
    let faults = faults.lock().unwrap_or_else(PoisonError::into_inner);
    if faults.is_empty() { Finding::ok() } else { Finding::warning(faults.join("; ")) }
}
