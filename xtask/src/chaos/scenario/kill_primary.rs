//! The machine of the primary loses power.

use std::time::Duration;

use anyhow::Result;

use super::{MIXED, Scenario};
use crate::chaos::cluster::{EtcdApi, Replication};
use crate::chaos::stage::Stage;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "kill-primary",
    about: "kill -9 of the primary's PostgreSQL and Patroni, with synchronous replication",
    rounds: 2,
    replication: Replication::Synchronous,
    api: EtcdApi::V2,
    nodes: MIXED,
    play,
};

fn play(stage: &mut Stage<'_>, _round: u32) -> Result<()> {
    stage.revoke_through_all();
    stage.watch(Duration::from_secs(2));
    let old = stage.cluster.leader()?;
    stage.phase("the primary is killed");
    stage.crash(old)?;
    stage.cluster.wait_for_leader_other_than(old)?;
    stage.phase("a standby was promoted");
    stage.wait_until_accepting(&[0, 1, 2])?;
    stage.watch(Duration::from_secs(3));
    stage.phase("the former primary returns");
    stage.restart(old)
}
