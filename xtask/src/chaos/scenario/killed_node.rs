//! A node is killed and started again while the others revoke.

use std::time::Duration;

use anyhow::Result;

use super::{MIXED, Scenario};
use crate::chaos::cluster::{EtcdApi, Replication};
use crate::chaos::stage::Stage;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "killed-node",
    about: "kill -9 of a node, and its start: revocations are answered once its lease is over",
    rounds: 2,
    replication: Replication::Synchronous,
    api: EtcdApi::V2,
    nodes: MIXED,
    play,
};

const KILLED: usize = 2;

fn play(stage: &mut Stage<'_>, round: u32) -> Result<()> {
    stage.revoke_through(&[0, 1]);
    stage.watch(Duration::from_secs(1));
    let earlier = stage.figures().revocation_times.len();
    stage.observations().set_excused(KILLED, true);
    stage.phase("n3 is killed");
    stage.node_mut(KILLED)?.kill()?;
    // In every second round it is back before its lease is over.
    stage.watch(Duration::from_millis(if round.is_multiple_of(2) { 0 } else { 4000 }));
    stage.phase("n3 starts");
    stage.node_mut(KILLED)?.launch()?;
    stage.wait_until_accepting(&[KILLED])?;
    stage.observations().set_excused(KILLED, false);
    stage.revoke_through_all();
    stage.watch(Duration::from_secs(3));
    stage.check_revocation_times(earlier);
    Ok(())
}
