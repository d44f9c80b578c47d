//! The end of a service: what was noted is written, or counted.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::channel,
    },
    thread::Builder,
    time::Duration,
};

use tokenry_store::{StoreError, supervisor::Deadline};

use crate::{tokenry::Tokenry, unwritten::Unwritten};

/// The pause before what could not be written is tried again.
const PAUSE: Duration = Duration::from_millis(50);

impl Tokenry {
    /// Writes everything that was noted behind the answers, such as uses of tokens and refused requests, and returns when
    /// all of it is written or the time is over, whatever the database does: what it could not write until then is the
    /// result. Call it when no more requests are answered; it blocks the thread.
    #[must_use = "it says what was lost"]
    pub fn close(&self, most: Duration) -> Unwritten {
        let deadline = Deadline::after(most);
        self.0.is_closing.store(true, Ordering::Relaxed);
        let (written, is_written) = channel();
        let is_expired = Arc::new(AtomicBool::new(false));
        let (closed, over) = (self.clone(), is_expired.clone());
        // A database that does not answer must not keep whoever waits here.
        let writing = Builder::new().name("tokenry-close".to_owned()).spawn(move || {
            while !over.load(Ordering::Relaxed) {
                match closed.write_all() {
                    Ok(()) if closed.unwritten().is_empty() => break,
                    Ok(()) => {}
                    Err(error) => tracing::debug!(%error, "not everything could be written yet"),
                }
                std::thread::sleep(PAUSE);
            }
            drop(closed);
            let _ = written.send(());
        });
        if let Err(error) = writing {
            tracing::warn!(%error, "no thread to write what waits");
        }
        let _ = is_written.recv_timeout(deadline.left());
        is_expired.store(true, Ordering::Relaxed);
        self.unwritten()
    }

    /// What was noted behind the answers and is not in the database yet.
    #[must_use]
    pub fn unwritten(&self) -> Unwritten {
        let (uses, last_uses) = self.0.uses.waiting().unwritten();
        Unwritten {
            uses,
            last_uses,
            refusals: self.0.refusals.unwritten(),
            reuses: self.0.reuses.get(),
            ends: self.0.ends.unwritten(),
        }
    }

    fn write_all(&self) -> Result<(), StoreError> {
        // Both are tried, so that what keeps one from being written does not keep the other.
        let uses = self.flush();
        self.0.refusals.write()?;
        uses
    }
}
