//! Verifications that wait for a lease.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_channel::oneshot::{Receiver, Sender, channel};

use super::locked;
use crate::{error::StoreError, steady_clock as clock};

/// How long a verification waits for a lease.
const LONGEST: Duration = Duration::from_secs(1);
/// How long it waits for the first one of the process. The commit that registers a node waits for the disk of the server.
const LONGEST_AT_START: Duration = Duration::from_secs(5);
/// The most that wait; more are rejected as unavailable.
const CAPACITY: usize = 4096;

type Answer = Result<(), StoreError>;

/// Each verification that waits, with the moment at which it began to.
#[derive(Default)]
pub(super) struct Waiting {
    all: Mutex<Vec<(u64, Sender<Answer>)>>,
    /// Whether the process has had a lease.
    is_started: AtomicBool,
}

impl Waiting {
    /// Adds one.
    pub(super) fn wait(&self) -> Result<Receiver<Answer>, StoreError> {
        let mut waiting = locked(&self.all);
        if waiting.len() >= CAPACITY {
            return Err(StoreError::Unavailable("too many verifications wait for a lease".to_owned()));
        }
        let (answer, answered) = channel();
        waiting.push((clock::steady_now(), answer));
        Ok(answered)
    }

    /// Lets all go on: the lease runs now, which is a moment after each of them began.
    pub(super) fn admit(&self) {
        self.is_started.store(true, Relaxed);
        self.answer_all(&Ok(()));
    }

    /// Fails all.
    pub(super) fn fail(&self, error: &StoreError) {
        self.answer_all(&Err(error.clone()));
    }

    /// Fails those that have waited for too long.
    pub(super) fn expire(&self) {
        let longest = if self.is_started.load(Relaxed) { LONGEST } else { LONGEST_AT_START };
        let oldest = clock::steady_now().saturating_sub(clock::micros(longest));
        let late: Vec<_> = locked(&self.all).extract_if(.., |(since, _)| *since <= oldest).collect();
        for (_, answer) in late {
            let error = "this node has no lease: it cannot prove that it knows every change";
            // The caller may have gone away.
            let _ = answer.send(Err(StoreError::Unavailable(error.to_owned())));
        }
    }

    fn answer_all(&self, answer: &Answer) {
        for (_, waiting) in std::mem::take(&mut *locked(&self.all)) {
            let _ = waiting.send(answer.clone());
        }
    }
}
