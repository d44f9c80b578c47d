//! Failures of servers and nodes. Lost connections are steps of the feed; a writer that crashes takes no further step.

use super::{
    scope::Scope,
    state::{Node, State},
};

/// A failure, or its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Promotes the standby, which has everything that was committed. The old primary is isolated and answers reads.
    FailOver,
    /// Ends the process of a node and starts it again; its row stays.
    Restart {
        node: u8,
    },
    /// Stops a node; what servers do for it continues.
    Pause {
        node: u8,
    },
    Resume {
        node: u8,
    },
}

/// The failures that are possible.
pub(crate) fn steps(scope: &Scope, state: &State, steps: &mut Vec<Failure>) {
    if scope.failover && state.servers.len() == 1 {
        steps.push(Failure::FailOver);
    }
    for (node, own) in (0..).zip(&state.nodes) {
        if scope.restarts && own.registrations > 0 && own.registrations < scope.registrations {
            steps.push(Failure::Restart { node });
        }
        if own.is_paused {
            steps.push(Failure::Resume { node });
        } else if scope.pauses && !state.revocation_answered {
            // Any process may be slow, so a pause adds no run. It shows that a change is answered during one.
            steps.push(Failure::Pause { node });
        }
    }
}

/// Does a step.
pub(crate) fn take(scope: &Scope, state: &mut State, step: Failure) {
    match step {
        Failure::FailOver => {
            state.servers.extend(state.servers.last().cloned());
            state.nodes.iter_mut().for_each(Node::forget_accepted);
        }
        Failure::Restart { node } => restart(scope, state, node),
        Failure::Pause { node } => state.nodes[usize::from(node)].is_paused = true,
        Failure::Resume { node } => state.nodes[usize::from(node)].is_paused = false,
    }
}

fn restart(scope: &Scope, state: &mut State, index: u8) {
    let primary = state.primary();
    let node = &mut state.nodes[usize::from(index)];
    node.leave_statement(scope, index, primary);
    *node = Node {
        server: node.server,
        registrations: node.registrations,
        late_statement: node.late_statement,
        ..Node::new(node.requests.len())
    };
}
