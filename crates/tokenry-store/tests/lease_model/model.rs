//! The model: its steps and its properties.

mod change;
mod failure;
mod feed;
mod memory;
pub(crate) mod rules;
pub(crate) mod scope;
mod state;
mod verification;

use std::fmt;

use stateright::{Model, Property};

use self::{
    change::ChangeStep,
    failure::Failure,
    feed::FeedStep,
    rules::Rules,
    scope::Scope,
    state::{Node, Request, State},
    verification::VerificationStep,
};

/// No token is accepted by a verification that began after the answer of its revocation.
const SAFE: &str = "a revoked token is never accepted";

/// The reason for [`SAFE`]: who has no row is not waited for.
const REGISTERED: &str = "a node with a lease is registered";

/// One run: the rules that everyone follows, and what can happen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LeaseModel {
    pub(crate) rules: Rules,
    pub(crate) scope: Scope,
    /// Which properties are checked. One alone ends the search at its first, shortest counterexample.
    pub(crate) properties: Properties,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Properties {
    Safe,
    All,
}

/// One step of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Feed { node: u8, step: FeedStep },
    Verification { node: u8, slot: usize, step: VerificationStep },
    Change { writer: usize, step: ChangeStep },
    Failure(Failure),
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Feed { node, step } => write!(f, "node {node}, feed: {step:?}"),
            Self::Verification { node, slot, step } => {
                write!(f, "node {node}, verification {slot}: {step:?}")
            }
            Self::Change { writer, step } => write!(f, "writer {writer}: {step:?}"),
            Self::Failure(step) => write!(f, "failure: {step:?}"),
        }
    }
}

impl Model for LeaseModel {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(self.scope.nodes, self.scope.requests, self.scope.changes.len())]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let (mut feed, mut verification) = (Vec::new(), Vec::new());
        for (node, own) in (0..).zip(&state.nodes) {
            feed::steps(&self.rules, &self.scope, state, node, &mut feed);
            let can_take = |step: &FeedStep| step.is_remote() || !own.is_paused;
            actions.extend(feed.drain(..).filter(can_take).map(|step| Action::Feed { node, step }));
            for slot in 0..own.requests.len() {
                verification::steps(&self.rules, state, node, slot, &mut verification);
                let can_take = |step: &VerificationStep| step.is_remote() || !own.is_paused;
                let steps = verification.drain(..).filter(can_take);
                actions.extend(steps.map(|step| Action::Verification { node, slot, step }));
            }
        }
        let mut change = Vec::new();
        for writer in 0..state.writers.len() {
            change::steps(&self.rules, &self.scope, state, writer, &mut change);
            actions.extend(change.drain(..).map(|step| Action::Change { writer, step }));
        }
        let mut failures = Vec::new();
        failure::steps(&self.scope, state, &mut failures);
        actions.extend(failures.into_iter().map(Action::Failure));
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let (rules, scope, mut state) = (&self.rules, &self.scope, last.clone());
        match action {
            Action::Feed { node, step } => feed::take(rules, scope, &mut state, node, step),
            Action::Verification { node, slot, step } => {
                verification::take(rules, &mut state, node, slot, step);
            }
            Action::Change { writer, step } => change::take(rules, scope, &mut state, writer, step),
            Action::Failure(step) => failure::take(scope, &mut state, step),
        }
        change::answer(scope, &mut state);
        state.normalize();
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![Property::always(SAFE, is_safe)];
        if self.properties == Properties::Safe {
            return properties;
        }
        properties.push(Property::always(REGISTERED, has_row_with_lease));
        properties.push(Property::sometimes("a row in memory decides", accepts_from_memory));
        if self.scope.registrations > 1 {
            properties
                .push(Property::sometimes("a node registers again and accepts", accepts_registered_again));
        }
        if self.scope.failover {
            properties.push(Property::sometimes("a node accepts after a failover", accepts_after_failover));
        }
        if self.scope.pauses {
            let name = "a revocation is answered while a node is paused";
            properties.push(Property::sometimes(name, answers_while_paused));
        }
        properties
    }
}

fn is_safe(_: &LeaseModel, state: &State) -> bool {
    let mut requests = state.nodes.iter().flat_map(|node| &node.requests);
    !requests.any(|request| matches!(request, Request::Accepted { is_late: true, .. }))
}

fn has_row_with_lease(_: &LeaseModel, state: &State) -> bool {
    let primary = state.server(state.primary());
    (0..).zip(&state.nodes).all(|(index, node)| {
        node.lease.is_none() || (node.is_registered && primary.row(node.row_id(index)).is_some())
    })
}

fn accepts_from_memory(_: &LeaseModel, state: &State) -> bool {
    state.nodes.iter().any(Node::accepts_from_memory)
}

fn accepts_registered_again(_: &LeaseModel, state: &State) -> bool {
    state
        .nodes
        .iter()
        .any(|node| node.accepts_from_memory() && node.registrations > 1 && node.lease.is_some())
}

fn accepts_after_failover(_: &LeaseModel, state: &State) -> bool {
    state.nodes.iter().any(|node| node.accepts_from_memory() && node.server > 0 && node.lease.is_some())
}

/// Its row of the revoked token is still in memory.
fn answers_while_paused(_: &LeaseModel, state: &State) -> bool {
    state.revocation_answered && state.nodes.iter().any(|node| node.is_paused && node.is_cached)
}
