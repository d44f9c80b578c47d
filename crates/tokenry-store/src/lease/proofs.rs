//! Proof that a commit is durable on the standbys that the server waits for.
//!
//! PostgreSQL reports success for a commit whose wait for its standbys was canceled, with a warning that Diesel drops. A
//! later commit of the same server that succeeds without a warning proves it: standbys receive commits in order. In a
//! process with a feed each renewal is such a commit; another process has a connection of its own for it.

use std::{
    sync::{Condvar, Mutex, PoisonError},
    time::Duration,
};

use super::{Leases, locked, statements};
use crate::{direct::Direct, error::StoreError, steady_clock as clock};

/// How long a change waits for the proof by a renewal. On a server that is cut off from its standbys none comes.
const MAX_WAIT: Duration = Duration::from_secs(6);

/// What is proven, and what was heard.
#[derive(Default)]
pub(super) struct Proofs {
    state: Mutex<State>,
    changed: Condvar,
    /// The connection of a process without a feed.
    connection: Mutex<Option<Direct>>,
}

/// The state of the proofs.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct State {
    /// Counts notifications of acknowledgements.
    pub(super) acknowledgements: u64,
    /// The newest proof.
    proven: Option<Proven>,
}

/// A commit that is durable wherever its server waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Proven {
    /// The generation of its server.
    server: u64,
    /// The moment before it was sent, by the steady clock.
    sent: u64,
}

impl Proofs {
    /// Takes note of a commit without a warning, which wrote something: all commits of this server that ended before it
    /// was sent are durable.
    pub(super) fn prove(&self, server: u64, sent: u64) {
        let mut state = locked(&self.state);
        state.proven = state.proven.max(Some(Proven { server, sent }));
        drop(state);
        self.changed.notify_all();
    }

    /// Takes note of an acknowledgement.
    pub(super) fn hear(&self) {
        locked(&self.state).acknowledgements += 1;
        self.changed.notify_all();
    }

    /// How many acknowledgements were heard.
    pub(super) fn heard(&self) -> u64 {
        locked(&self.state).acknowledgements
    }

    /// Waits until the state meets a condition; `false` after `timeout`.
    pub(super) fn wait(&self, timeout: Duration, is_met: impl Fn(&State) -> bool) -> bool {
        let waited = self.changed.wait_timeout_while(locked(&self.state), timeout, |state| !is_met(state));
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

impl State {
    fn proves(&self, server: u64, committed: u64) -> bool {
        self.proven.is_some_and(|proven| proven.server == server && proven.sent >= committed)
    }
}

impl Leases {
    /// Proves that what was committed until `committed` is durable; `server` is the generation of its server. Blocks the
    /// thread.
    pub(super) fn prove(&self, server: u64, committed: u64) -> Result<(), StoreError> {
        if self.has_feed() {
            self.shared.want_renewal();
            let is_decided = |state: &State| state.proves(server, committed) || self.server() != server;
            self.shared.proofs.wait(MAX_WAIT.max(self.shared.length), is_decided);
        } else {
            self.commit_mark(server, committed)?;
        }
        match locked(&self.shared.proofs.state).proves(server, committed) {
            true => Ok(()),
            false => Err(unknown("no later commit succeeded without a warning")),
        }
    }

    /// Commits a mark in the log on a connection for that, unless another thread has proven the commit meanwhile.
    fn commit_mark(&self, server: u64, committed: u64) -> Result<(), StoreError> {
        let mut connection = locked(&self.shared.proofs.connection);
        if locked(&self.shared.proofs.state).proves(server, committed) {
            return Ok(());
        }
        let usable = connection.take().filter(|direct| direct.session.is_current() && !direct.is_old());
        let mut direct = match usable {
            Some(direct) => direct,
            None => self.shared.manager.open().map_err(|error| unknown(&error.to_string()))?,
        };
        let sent = clock::steady_now();
        statements::mark(&mut direct).map_err(|unproven| {
            let error = StoreError::from(unproven);
            tracing::error!(%error, "a change was committed, and cannot be proven to be durable");
            unknown(&error.to_string())
        })?;
        if direct.session.is_current() {
            self.shared.proofs.prove(direct.session.generation(), sent);
        }
        *connection = Some(direct);
        Ok(())
    }
}

/// The change was committed, and its answer cannot be given.
fn unknown(why: &str) -> StoreError {
    StoreError::Unavailable(format!(
        "the outcome is unknown: the change was committed, and it is not known whether a standby has it ({why})"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_later_commit_of_the_same_server_is_a_proof() {
        let proofs = Proofs::default();
        let proves = |server, committed| locked(&proofs.state).proves(server, committed);
        assert!(!proves(1, 0));
        proofs.prove(1, 50);
        assert!(proves(1, 50) && !proves(1, 51) && !proves(2, 10));
        // One that took longer replaces no later one.
        proofs.prove(1, 40);
        assert!(proves(1, 50));
        proofs.prove(2, 10);
        assert!(proves(2, 10) && !proves(1, 50));
        proofs.prove(1, 60);
        assert!(proves(2, 10) && !proves(1, 60));
    }
}
