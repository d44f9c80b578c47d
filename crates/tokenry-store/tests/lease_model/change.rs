//! Changes: what a writer does from its transaction to its answer.

use super::{
    rules::{AnswerAfter, Rules},
    scope::{Change, Scope},
    state::{Committed, Row, RowId, Server, State, Writer},
};

/// A step of a writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChangeStep {
    /// Reads the registered nodes.
    ReadNodes,
    /// Commits the change on this server, or finds it made already.
    Commit { server: u8 },
    /// 1.1 L have passed since the commit, so every lease that began before it has expired.
    Wait,
    /// Sees that a node has acknowledged the change or is no longer registered.
    Observe { id: RowId },
    /// Deletes the row of a node that has not acknowledged the change.
    DeclareGone { id: RowId },
}

/// The steps that are possible. A writer that takes none of them any more has crashed.
pub(crate) fn steps(rules: &Rules, scope: &Scope, state: &State, writer: usize, steps: &mut Vec<ChangeStep>) {
    match &state.writers[writer] {
        // Writers commit in their order.
        Writer::Ready { .. } if state.now() != Some(writer as u8) => {}
        Writer::Ready { nodes: None } if !rules.nodes_are_read_after_commit => {
            steps.push(ChangeStep::ReadNodes)
        }
        Writer::Ready { .. } => {
            let servers = 0..=state.primary();
            let servers = servers.filter(|server| can_commit(rules, scope, state, writer, *server));
            steps.extend(servers.map(|server| ChangeStep::Commit { server }));
        }
        Writer::Committed(change) => {
            if !change.has_waited {
                steps.push(ChangeStep::Wait);
            }
            let Some(nodes) = &change.nodes else { return steps.push(ChangeStep::ReadNodes) };
            let can_delete = change.has_waited || !rules.silent_node_is_waited_for;
            for id in nodes.iter().copied() {
                if !change.awaits(state.server(change.server), id) {
                    steps.push(ChangeStep::Observe { id });
                } else if can_delete && change.server == state.primary() {
                    steps.push(ChangeStep::DeclareGone { id });
                }
            }
        }
        Writer::Finished => {}
    }
}

/// Does a step.
pub(crate) fn take(rules: &Rules, scope: &Scope, state: &mut State, writer: usize, step: ChangeStep) {
    match (step, &mut state.writers[writer]) {
        (ChangeStep::ReadNodes, Writer::Ready { nodes }) => {
            let rows = state.servers.last().into_iter().flat_map(|server| &server.rows);
            *nodes = Some(rows.map(|row| row.id).collect());
        }
        (ChangeStep::ReadNodes, Writer::Committed(change)) => {
            let rows = state.servers[usize::from(change.server)].rows.iter();
            let behind = rows.filter(|row| row.acknowledged < change.sequence);
            change.nodes = Some(behind.map(|row| row.id).collect());
        }
        (ChangeStep::Commit { server }, _) => commit(rules, scope, state, writer, server),
        (ChangeStep::Wait, _) => {
            // The writers that committed earlier have waited for as long.
            for earlier in &mut state.writers[..=writer] {
                if let Writer::Committed(change) = earlier {
                    change.has_waited = true;
                }
            }
            state.expire_leases(writer);
        }
        (ChangeStep::Observe { id }, Writer::Committed(change)) => change.stop_waiting_for(rules, id),
        (ChangeStep::DeclareGone { id }, Writer::Committed(change)) => {
            change.stop_waiting_for(rules, id);
            let server = change.server;
            state.server_mut(server).rows.retain(|row| row.id != id);
        }
        (step, writer) => unreachable!("{step:?} of {writer:?}"),
    }
}

/// Whether the change finds that the token is revoked.
fn is_repeated(scope: &Scope, server: &Server, writer: usize) -> bool {
    scope.changes[writer] == Change::Revoke && server.revoked_at.is_some()
}

fn can_commit(rules: &Rules, scope: &Scope, state: &State, writer: usize, server: u8) -> bool {
    if server == state.primary() {
        true
    } else if is_repeated(scope, state.server(server), writer) {
        !rules.repeated_revocation_commits
    } else {
        scope.unreplicated_commits
    }
}

fn commit(rules: &Rules, scope: &Scope, state: &mut State, writer: usize, index: u8) {
    let is_isolated = index != state.primary();
    let server = state.server_mut(index);
    let is_repeated = is_repeated(scope, server, writer);
    if !is_repeated {
        server.head += 1;
        if scope.changes[writer] == Change::Revoke {
            server.revoked_at = Some(server.head);
        }
    }
    let sequence = server.head;
    let waits =
        rules.answer_after != AnswerAfter::Commit && (rules.repeated_revocation_waits || !is_repeated);
    let Writer::Ready { nodes } = &mut state.writers[writer] else { unreachable!("it has committed") };
    let nodes = if waits { nodes.take() } else { Some(Vec::new()) };
    state.writers[writer] = if is_isolated && !is_repeated && rules.change_is_proven {
        // The standby never confirms this commit or a later one, so the change is not answered with success.
        Writer::Finished
    } else {
        Writer::Committed(Committed { server: index, sequence, has_waited: false, nodes })
    };
}

/// Answers every change that waits for no node any more.
///
/// An answer at the first possible moment covers later ones: it makes more verifications late.
pub(crate) fn answer(scope: &Scope, state: &mut State) {
    for index in 0..state.writers.len() {
        let Writer::Committed(change) = &state.writers[index] else { continue };
        let Some(nodes) = &change.nodes else { continue };
        let is_answered = nodes.is_empty();
        // On an isolated server no row changes any more: the answer is that the outcome is unknown.
        let server = state.server(change.server);
        let is_lost = change.server != state.primary() && nodes.iter().any(|id| change.awaits(server, *id));
        if is_answered || is_lost {
            state.writers[index] = Writer::Finished;
        }
        state.revocation_answered |= is_answered && scope.changes[index] == Change::Revoke;
    }
}

impl Committed {
    /// Whether the node is registered and has not acknowledged the change.
    fn awaits(&self, server: &Server, id: RowId) -> bool {
        let is_behind = |row: &Row| row.acknowledged < self.sequence;
        server.row(id).is_some_and(is_behind)
    }

    fn stop_waiting_for(&mut self, rules: &Rules, id: RowId) {
        let nodes = self.nodes.iter_mut();
        match rules.answer_after {
            AnswerAfter::OneNode => nodes.for_each(Vec::clear),
            AnswerAfter::AllNodes | AnswerAfter::Commit => {
                nodes.for_each(|nodes| nodes.retain(|other| *other != id))
            }
        }
    }
}
