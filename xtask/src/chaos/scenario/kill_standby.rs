//! The standby for which commits wait loses power.

use std::time::Duration;

use anyhow::Result;

use super::{MIXED, Scenario};
use crate::chaos::cluster::{EtcdApi, Replication};
use crate::chaos::stage::Stage;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "kill-standby",
    about: "kill -9 of the synchronous standby: commits block until another one takes its place",
    rounds: 1,
    replication: Replication::Synchronous,
    api: EtcdApi::V2,
    nodes: MIXED,
    play,
};

fn play(stage: &mut Stage<'_>, _round: u32) -> Result<()> {
    stage.revoke_through_all();
    stage.watch(Duration::from_secs(2));
    let standby = stage.cluster.standby()?;
    stage.phase("the synchronous standby is killed");
    stage.crash(standby)?;
    stage.watch(Duration::from_secs(10));
    stage.wait_until_accepting(&[0, 1, 2])?;
    stage.phase("the standby returns");
    stage.restart(standby)
}
