//! The scenarios: what each breaks, and how.

mod asynchronous_failover;
mod canceled_commits;
mod clocks;
mod cut_connections;
mod delayed_notifications;
mod frozen_node;
mod frozen_patroni;
mod kill_primary;
mod kill_standby;
mod killed_node;
mod mixed;
mod paused_primary;
mod stolen_leader_key;
mod switchover;

use anyhow::Result;

use super::cluster::{EtcdApi, Replication};
use super::node::{NodePlan, Route};
use super::stage::Stage;

/// One way to break the cluster or the nodes.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// How often it is played when nothing else is asked for.
    pub(crate) rounds: u32,
    pub(crate) replication: Replication,
    pub(crate) api: EtcdApi,
    pub(crate) nodes: &'static [NodePlan],
    /// Breaks something while clients verify and revoke, and repairs it. Rounds count from 1.
    pub(crate) play: fn(&mut Stage<'_>, u32) -> Result<()>,
}

/// Two nodes with all members as hosts, and one through HAProxy.
const MIXED: &[NodePlan] =
    &[NodePlan::through(Route::Hosts), NodePlan::through(Route::HaProxy), NodePlan::through(Route::Hosts)];

/// Every scenario, in the order in which they are played.
pub(crate) const SCENARIOS: &[Scenario] = &[
    frozen_patroni::SCENARIO,
    canceled_commits::SCENARIO,
    kill_primary::SCENARIO,
    kill_standby::SCENARIO,
    paused_primary::SCENARIO,
    switchover::SCENARIO,
    frozen_node::SCENARIO,
    killed_node::SCENARIO,
    cut_connections::SCENARIO,
    delayed_notifications::SCENARIO,
    clocks::SCENARIO,
    mixed::SCENARIO,
    asynchronous_failover::SCENARIO,
    stolen_leader_key::SCENARIO,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_has_a_name_of_its_own_rounds_and_nodes() {
        let mut names: Vec<_> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), SCENARIOS.len());
        assert!(SCENARIOS.iter().all(|scenario| scenario.rounds > 0 && scenario.nodes.len() > 1));
    }
}
