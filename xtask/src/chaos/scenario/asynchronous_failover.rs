//! A failover that loses answered revocations, because the standbys were behind.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::{MIXED, Scenario};
use crate::chaos::cluster::{EtcdApi, Replication};
use crate::chaos::proxy::Mode;
use crate::chaos::stage::Stage;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "asynchronous-failover",
    about: "asynchronous standbys are held back and the primary is killed: lost revocations are in force within 5 s",
    rounds: 2,
    replication: Replication::Asynchronous,
    api: EtcdApi::V2,
    nodes: MIXED,
    play,
};

fn play(stage: &mut Stage<'_>, round: u32) -> Result<()> {
    // In every second round the nodes lose power too, so that only what is on their disks can help.
    let with_nodes = round.is_multiple_of(2);
    stage.revoke_through_all();
    stage.watch(Duration::from_secs(1));
    let old = stage.cluster.leader()?;
    stage.phase("the standbys receive nothing");
    let answered = stage.figures().revoked;
    stage.cluster.member(old)?.set_replication_link(Mode::Freeze);
    // Shorter than the time after which a standby gives up the connection.
    stage.watch(Duration::from_secs(3));
    stage.revoke_through(&[]);
    stage.wait_until_settled()?;
    let lost = stage.figures().revoked - answered;
    ensure!(lost > 0, "no revocation was answered while the standbys received nothing");
    ensure!(stage.cluster.is_ahead_of_standbys(old)?, "the standbys have everything");
    let also = if with_nodes { ", and every node" } else { "" };
    stage.phase(&format!("the primary is killed, and with it about {lost} answered revocations{also}"));
    stage.observations().set_loss_allowed(true);
    stage.cluster.member(old)?.set_replication_link(Mode::Cut);
    stage.crash(old)?;
    if with_nodes {
        stage.nodes.iter_mut().try_for_each(|node| node.kill())?;
    }
    stage.cluster.wait_for_leader_other_than(old)?;
    if with_nodes {
        stage.nodes.iter_mut().try_for_each(|node| node.launch())?;
        stage.nodes.iter_mut().try_for_each(|node| node.supervise_start())?;
    }
    stage.phase("a standby was promoted");
    stage.wait_until_reapplied()?;
    stage.wait_until_accepting(&[0, 1, 2])?;
    stage.watch(Duration::from_secs(3));
    stage.phase("the former primary returns");
    stage.cluster.member(old)?.set_replication_link(Mode::Pass);
    stage.restart(old)
}
