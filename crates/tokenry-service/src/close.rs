//! Closes the service: writes what is pending, and counts what could not be written.

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

/// The pause between attempts to write.
const PAUSE: Duration = Duration::from_millis(50);

impl Tokenry {
    /// Writes everything that is pending, such as uses of tokens and rejected requests. Returns when all of it is
    /// written or after `timeout`, whatever the database does; the result counts what was not written. Call it when no
    /// more requests are served. Blocks the thread.
    #[must_use = "it counts what was lost"]
    pub fn close(&self, timeout: Duration) -> Unwritten {
        let deadline = Deadline::after(timeout);
        self.0.is_closing.store(true, Ordering::Relaxed);
        let (written, is_written) = channel();
        let is_expired = Arc::new(AtomicBool::new(false));
        let (tokenry, is_over) = (self.clone(), is_expired.clone());
        // A thread of its own, so that a database that does not answer cannot block the caller beyond the deadline.
        let writing = Builder::new().name("tokenry-close".to_owned()).spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                match tokenry.write_all() {
                    Ok(()) if tokenry.unwritten().is_empty() => break,
                    Ok(()) => {}
                    Err(error) => tracing::debug!(%error, "not everything could be written yet"),
                }
                std::thread::sleep(PAUSE);
            }
            drop(tokenry);
            let _ = written.send(());
        });
        if let Err(error) = writing {
            tracing::warn!(%error, "cannot start a thread to write what is pending");
        }
        let _ = is_written.recv_timeout(deadline.left());
        is_expired.store(true, Ordering::Relaxed);
        self.unwritten()
    }

    /// Counts what is pending and not in the database yet.
    #[must_use]
    pub fn unwritten(&self) -> Unwritten {
        let (uses, last_uses) = self.0.uses.pending().unwritten();
        Unwritten {
            uses,
            last_uses,
            rejections: self.0.rejections.unwritten(),
            reuses: self.0.reuses.get(),
            expiries: self.0.expiries.unwritten(),
        }
    }

    fn write_all(&self) -> Result<(), StoreError> {
        // Both are attempted, so that a failure of one does not prevent the other.
        let uses = self.flush();
        self.0.rejections.write()?;
        uses
    }
}
