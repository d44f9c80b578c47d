//! The jobs in the queue of the writer thread.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use crate::{error::StoreError, tx::Tx};

/// A job of the writer thread.
pub(crate) enum Job {
    /// Run a unit of work.
    WriteUnit(WriteUnit),
    /// Hold the shared lock for the readers.
    AcquireSharedLock,
}

/// A queued unit of work.
pub(crate) struct WriteUnit {
    pub(crate) claim: Claim,
    pub(crate) work: Box<dyn FnOnce(&mut Tx<'_>) -> ExecutedUnit + Send>,
}

/// Decides between starting and cancelling a unit: the writer and the waiting caller both try to claim it, and the first
/// one wins.
#[derive(Clone, Default)]
pub(crate) struct Claim(Arc<AtomicBool>);

impl Claim {
    /// Returns `true` for the first call only.
    pub(crate) fn try_claim(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }

    pub(crate) fn is_claimed(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A unit that ran and waits for the commit.
pub(crate) struct ExecutedUnit {
    pub(crate) is_ok: bool,
    pub(crate) answer: Box<dyn FnOnce(Result<(), StoreError>) + Send>,
}
