//! A planned switchover under load.

use std::time::Duration;

use anyhow::Result;

use super::{MIXED, Scenario};
use crate::chaos::cluster::{EtcdApi, Replication};
use crate::chaos::stage::Stage;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "switchover",
    about: "patronictl switchover under load",
    rounds: 2,
    replication: Replication::Synchronous,
    api: EtcdApi::V2,
    nodes: MIXED,
    play,
};

fn play(stage: &mut Stage<'_>, _round: u32) -> Result<()> {
    stage.revoke_through_all();
    stage.watch(Duration::from_secs(2));
    stage.phase("switchover");
    stage.cluster.switch_over()?;
    stage.phase("another member is the primary");
    stage.wait_until_accepting(&[0, 1, 2])?;
    stage.watch(Duration::from_secs(3));
    Ok(())
}
