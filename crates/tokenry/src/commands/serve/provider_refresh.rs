//! Keeps the metadata and the keys of the OpenID providers recent.

use std::{io, time::Duration};

use tokenry_service::{
    Tokenry,
    supervisor::{Importance, Stop, Worker},
};

/// The interval between looks; what is younger than an hour is not fetched again.
const PAUSE: Duration = Duration::from_secs(60);

/// Fetches them in the background, so that a sign-in rarely waits for them. `None` without providers.
///
/// # Errors
/// If the system cannot start a thread.
pub(super) fn start(tokenry: &Tokenry) -> io::Result<Option<Worker>> {
    if tokenry.providers().next().is_none() {
        return Ok(None);
    }
    let (tokenry, workers) = (tokenry.clone(), tokenry.store().workers().clone());
    let work = move |stop: &Stop| {
        tokenry.refresh_providers();
        while !stop.wait(PAUSE) {
            tokenry.refresh_providers();
        }
    };
    workers.start("providers", Importance::Background, work).map(Some)
}
