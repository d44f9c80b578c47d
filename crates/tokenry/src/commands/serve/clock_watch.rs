//! Checks every minute whether this node's clock is plausible.

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

/// The faults of the last check. Shared with the readiness check, which must not own the service that owns it.
type Faults = Arc<Mutex<Vec<String>>>;

/// Checks in the background until it is dropped.
pub(super) struct ClockWatch {
    _worker: Worker,
}

impl ClockWatch {
    /// Checks once before it returns, so that the first cleanup knows the result; `/readyz` reports the faults from
    /// then on.
    ///
    /// # Errors
    /// If the system cannot start a thread.
    pub(super) fn start(tokenry: &Tokenry) -> io::Result<Self> {
        let faults = Faults::default();
        check(tokenry, &faults);
        let (watched, found) = (tokenry.clone(), faults.clone());
        let worker =
            tokenry.store().workers().start("clock", Importance::Background, move |stop: &Stop| {
                while !stop.wait(PAUSE) {
                    check(&watched, &found);
                }
            })?;
        tokenry.add_check("clock", move |_| finding(&faults));
        Ok(Self { _worker: worker })
    }
}

fn check(tokenry: &Tokenry, faults: &Faults) {
    if let Err(error) = tokenry.check_clock(clock::now()) {
        tracing::debug!(%error, "cannot compare the clock with that of the database");
    }
    let found = tokenry.clock_faults().iter().map(ToString::to_string).collect();
    *faults.lock().unwrap_or_else(PoisonError::into_inner) = found;
}

/// A wrong clock is only a warning: an unready node would not help if all nodes have the same fault.
fn finding(faults: &Faults) -> Finding {
    let faults = faults.lock().unwrap_or_else(PoisonError::into_inner);
    if faults.is_empty() { Finding::ok() } else { Finding::warning(faults.join("; ")) }
}
