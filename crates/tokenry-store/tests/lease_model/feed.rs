//! The feed of a node: it applies events to the memory, acknowledges them and renews the lease.

use super::{
    rules::{LeaseStart, MemoryDrop, Rules},
    scope::Scope,
    state::{Feed, LateStatement, Moment, Node, Row, Sequence, State},
};

/// A step of a feed.
///
/// A query is sent and sees its events in one step. If it were sent earlier, the lease that it proves would begin
/// earlier and so be shorter, with the same events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FeedStep {
    /// Reads the events after the applied ones, as after a notification.
    ReadEvents,
    /// Drops the affected rows from memory.
    ApplyEvents,
    /// Sends the statement that acknowledges, renews and returns newer events, which the server reads.
    SendStatement,
    /// The server commits the statement.
    CommitStatement,
    /// Sends the registration; the server reads the head.
    SendRegistration,
    /// The server commits the registration.
    CommitRegistration,
    /// Applies the result of the statement or of the registration and takes the lease.
    ReceiveResult,
    /// Loses its connection and opens another one to this server.
    Reconnect { server: u8 },
    /// The server commits a statement of a lost connection.
    CommitLateStatement,
}

impl FeedStep {
    /// Whether a server does it, so that a pause of the node does not prevent it.
    pub(crate) fn is_remote(self) -> bool {
        matches!(self, Self::CommitStatement | Self::CommitRegistration | Self::CommitLateStatement)
    }
}

/// The steps that are possible.
pub(crate) fn steps(rules: &Rules, scope: &Scope, state: &State, node: u8, steps: &mut Vec<FeedStep>) {
    let own = &state.nodes[usize::from(node)];
    let is_on_primary = own.server == state.primary();
    let commits = is_on_primary || scope.unreplicated_commits && !rules.canceled_statement_renews_nothing;
    match own.feed {
        Feed::Idle if own.is_registered => {
            steps.push(FeedStep::SendStatement);
            // A node that does not verify has no memory, so the events that the statement returns are enough.
            if !own.requests.is_empty() {
                steps.push(FeedStep::ReadEvents);
            }
        }
        Feed::Idle if own.registrations < scope.registrations => steps.push(FeedStep::SendRegistration),
        Feed::Idle => {}
        Feed::EventsRead { .. } => steps.push(FeedStep::ApplyEvents),
        Feed::StatementSent { .. } if commits => steps.push(FeedStep::CommitStatement),
        Feed::RegistrationSent { .. } if is_on_primary => steps.push(FeedStep::CommitRegistration),
        // An isolated server cannot commit, and what it answers to a canceled commit counts for nothing.
        Feed::StatementSent { .. } | Feed::RegistrationSent { .. } => {}
        Feed::StatementCommitted { .. } | Feed::RowMissing | Feed::RegistrationCommitted { .. } => {
            steps.push(FeedStep::ReceiveResult);
        }
    }
    if scope.lost_connections {
        steps.push(FeedStep::Reconnect { server: own.server });
    }
    if !is_on_primary {
        steps.push(FeedStep::Reconnect { server: state.primary() });
    }
    if own.late_statement.is_some() {
        steps.push(FeedStep::CommitLateStatement);
    }
}

/// Does a step.
pub(crate) fn take(rules: &Rules, scope: &Scope, state: &mut State, node: u8, step: FeedStep) {
    let (now, primary) = (state.now(), state.primary());
    let (own, server) = state.node_and_server(node);
    match (step, own.feed) {
        (FeedStep::ReadEvents, _) => own.feed = Feed::EventsRead { head: server.head, sent: now },
        (FeedStep::ApplyEvents, Feed::EventsRead { head, sent }) => {
            own.apply(server, head);
            own.applied_since = sent;
            own.feed = Feed::Idle;
        }
        (FeedStep::SendStatement, _) => own.feed = Feed::StatementSent { head: server.head, sent: now },
        (FeedStep::CommitStatement, Feed::StatementSent { head, sent }) => {
            let sequence = if rules.drop_precedes_acknowledgement { own.applied } else { head };
            own.feed = match server.row_mut(own.row_id(node)) {
                Some(row) => {
                    acknowledge(rules, row, sequence);
                    Feed::StatementCommitted { head, sent }
                }
                None => Feed::RowMissing,
            };
        }
        (FeedStep::SendRegistration, _) => {
            own.registrations += 1;
            own.feed = Feed::RegistrationSent { head: server.head, sent: now };
        }
        (FeedStep::CommitRegistration, Feed::RegistrationSent { head, sent }) => {
            server.rows.push(Row { id: own.row_id(node), acknowledged: head });
            server.rows.sort_unstable();
            own.feed = Feed::RegistrationCommitted { head, sent };
        }
        (FeedStep::ReceiveResult, Feed::StatementCommitted { head, sent }) => {
            let start = lease_start(rules, own, head, sent, now);
            own.apply(server, head);
            own.applied_since = sent;
            own.lease = own.lease.max(start);
            own.feed = Feed::Idle;
        }
        (FeedStep::ReceiveResult, Feed::RegistrationCommitted { head, sent }) => {
            if rules.memory_drop == MemoryDrop::WhenRegistered {
                own.empty_memory();
            }
            own.applied = head;
            own.applied_since = sent;
            own.is_registered = true;
            own.lease = if rules.lease_start == LeaseStart::Receipt { now } else { sent };
            own.feed = Feed::Idle;
        }
        (FeedStep::ReceiveResult, Feed::RowMissing) => {
            own.feed = Feed::Idle;
            end_registration(rules, own);
        }
        (FeedStep::Reconnect { server }, _) => {
            own.leave_statement(scope, node, primary);
            own.feed = Feed::Idle;
            if server != own.server {
                own.server = server;
                own.applied_since = None;
                own.forget_accepted();
                if rules.new_server_needs_registration {
                    end_registration(rules, own);
                }
            }
        }
        (FeedStep::CommitLateStatement, _) => {
            if let Some(late) = own.late_statement.take()
                && let Some(row) = state.server_mut(primary).row_mut(late.id)
            {
                acknowledge(rules, row, late.acknowledged);
            }
        }
        (step, feed) => unreachable!("{step:?} after {feed:?}"),
    }
}

fn acknowledge(rules: &Rules, row: &mut Row, sequence: Sequence) {
    row.acknowledged =
        if rules.acknowledgement_only_grows { row.acknowledged.max(sequence) } else { sequence };
}

/// When the lease begins that a statement has proved. It was sent at `sent` and returned the events up to `head`.
fn lease_start(rules: &Rules, node: &Node, head: Sequence, sent: Moment, now: Moment) -> Moment {
    match rules.lease_start {
        LeaseStart::ProvenRead if head > node.applied => node.applied_since,
        LeaseStart::ProvenRead | LeaseStart::Send => sent,
        LeaseStart::Receipt => now,
    }
}

fn end_registration(rules: &Rules, node: &mut Node) {
    node.lease = None;
    node.applied_since = None;
    node.is_registered = false;
    if rules.memory_drop == MemoryDrop::BeforeRegistration {
        node.empty_memory();
    }
}

impl Node {
    /// Loses the result of the statement in flight. A server that is not isolated may still execute it.
    ///
    /// If the standby is promoted in between, this is a statement that the standby received and that was never answered.
    pub(crate) fn leave_statement(&mut self, scope: &Scope, node: u8, primary: u8) {
        let is_sent = matches!(self.feed, Feed::StatementSent { .. }) && self.server == primary;
        if scope.late_statements && is_sent && self.late_statement.is_none() {
            self.late_statement = Some(LateStatement { id: self.row_id(node), acknowledged: self.applied });
        }
    }
}
