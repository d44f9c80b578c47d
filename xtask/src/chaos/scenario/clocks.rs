//! The wall clocks of nodes are wrong, and jump.

use std::time::Duration;

use anyhow::Result;

use super::Scenario;
use crate::chaos::cluster::{EtcdApi, Replication};
use crate::chaos::node::{NodePlan, Route};
use crate::chaos::stage::Stage;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "clocks",
    about: "the wall clocks of two nodes are ten minutes ahead and behind, and jump",
    rounds: 2,
    replication: Replication::Synchronous,
    api: EtcdApi::V2,
    nodes: &[
        NodePlan::through(Route::HaProxy),
        NodePlan { route: Route::HaProxy, clock: Some(WRONG) },
        NodePlan { route: Route::Hosts, clock: Some(-WRONG) },
    ],
    play,
};

/// Ten minutes, in seconds.
const WRONG: i64 = 600;

fn play(stage: &mut Stage<'_>, _round: u32) -> Result<()> {
    stage.revoke_through_all();
    stage.phase("n2 is ten minutes ahead, n3 ten minutes behind");
    stage.watch(Duration::from_secs(4));
    stage.phase("both clocks jump to the other side");
    stage.node(1)?.set_clock(-WRONG)?;
    stage.node(2)?.set_clock(WRONG)?;
    stage.watch(Duration::from_secs(3));
    stage.phase("a stopped node's clock jumps back");
    stage.observations().set_excused(2, true);
    stage.node(2)?.freeze()?;
    stage.node(2)?.set_clock(-WRONG)?;
    stage.watch(Duration::from_secs(4));
    stage.node(2)?.thaw()?;
    stage.wait_until_accepting(&[2])?;
    stage.observations().set_excused(2, false);
    stage.phase("both clocks are wrong as at the start");
    stage.node(1)?.set_clock(WRONG)?;
    stage.watch(Duration::from_secs(2));
    Ok(())
}
