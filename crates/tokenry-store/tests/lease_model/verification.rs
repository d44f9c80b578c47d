//! Verifications of the token by a node.

use super::{
    rules::Rules,
    state::{Request, Source, State},
};

/// A step of a verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VerificationStep {
    /// Begins and finds the lease valid. A request that finds none is answered with 503, which changes nothing.
    ///
    /// A check some time after the beginning adds no case: if the request had begun only then, the same steps would
    /// follow, and it would be late if it was late before.
    Begin,
    /// Is decided by the row in memory.
    DecideFromMemory,
    /// Finds no row in memory, notes the applied sequence and asks this server.
    AskServer { server: u8 },
    /// The server reads the row.
    ReadRow,
    /// Is decided by the row that was read, which enters the memory if it was not invalidated.
    DecideFromDatabase,
}

impl VerificationStep {
    /// Whether a server does it, so that a pause of the node does not prevent it.
    pub(crate) fn is_remote(self) -> bool {
        self == Self::ReadRow
    }
}

/// The steps that are possible.
pub(crate) fn steps(rules: &Rules, state: &State, node: u8, slot: usize, steps: &mut Vec<VerificationStep>) {
    let own = &state.nodes[usize::from(node)];
    match own.requests[slot] {
        Request::Idle | Request::Accepted { .. } => {
            if own.lease.is_some() || !rules.verification_checks_lease {
                steps.push(VerificationStep::Begin);
            }
        }
        Request::LeaseChecked { .. } if own.is_cached => steps.push(VerificationStep::DecideFromMemory),
        Request::LeaseChecked { .. } => {
            // The connection that reads rows may reach a new primary before the feed does.
            let oldest = if rules.reads_follow_feed { own.server } else { 0 };
            let servers = oldest..=state.primary();
            steps.extend(servers.map(|server| VerificationStep::AskServer { server }));
        }
        Request::Reading { .. } => steps.push(VerificationStep::ReadRow),
        Request::RowRead { .. } => steps.push(VerificationStep::DecideFromDatabase),
    }
}

/// Does a step.
pub(crate) fn take(rules: &Rules, state: &mut State, node: u8, slot: usize, step: VerificationStep) {
    let is_late = state.revocation_answered;
    let own = &mut state.nodes[usize::from(node)];
    own.requests[slot] = match (step, own.requests[slot]) {
        (VerificationStep::Begin, _) => Request::LeaseChecked { is_late },
        (VerificationStep::DecideFromMemory, Request::LeaseChecked { is_late }) => {
            Request::Accepted { is_late, from: Source::Memory }
        }
        (VerificationStep::AskServer { server }, Request::LeaseChecked { is_late }) => {
            Request::Reading { is_late, fill: Some(own.applied), server }
        }
        (VerificationStep::ReadRow, Request::Reading { is_late, fill, server }) => {
            match state.servers[usize::from(server)].revoked_at {
                // The request is rejected. A revoked row in memory rejects as well, so it is left out.
                Some(_) => Request::Idle,
                None => Request::RowRead { is_late, fill },
            }
        }
        (VerificationStep::DecideFromDatabase, Request::RowRead { is_late, fill }) => {
            own.is_cached |= own.is_current(fill) || !rules.outdated_fill_is_discarded;
            Request::Accepted { is_late, from: Source::Database }
        }
        (step, request) => unreachable!("{step:?} after {request:?}"),
    };
}
