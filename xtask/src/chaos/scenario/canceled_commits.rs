//! At an isolated primary, commits that wait for a standby are canceled: PostgreSQL then answers success and a warning.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{MIXED, Scenario};
use crate::chaos::cluster::{EtcdApi, Replication};
use crate::chaos::proxy::Mode;
use crate::chaos::stage::Stage;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "canceled-commits",
    about: "split brain, and commits that wait at the old primary are canceled, or their connections end",
    rounds: 2,
    replication: Replication::Synchronous,
    api: EtcdApi::V2,
    nodes: MIXED,
    play,
};

/// The node that stays at the old primary; the others move to the new one.
const STAYING: usize = 0;
const MOVING: [usize; 2] = [1, 2];
/// Between two cancellations.
const PAUSE: Duration = Duration::from_millis(150);

fn play(stage: &mut Stage<'_>, round: u32) -> Result<()> {
    let old = stage.cluster.leader()?;
    // Also through the node that stays: none of its changes may be answered and then be lost.
    stage.revoke_through_all();
    stage.watch(Duration::from_secs(1));
    stage.observations().set_excused(STAYING, true);
    stage
        .phase("the old primary is cut off from the cluster, together with n1, and its commits are canceled");
    let member = stage.cluster.member(old)?;
    member.freeze_patroni()?;
    member.set_replication_link(Mode::Freeze);
    stage.node(STAYING)?.set_links_except(old, Mode::Cut);
    stage.node(2)?.set_link(old, Mode::Cut);
    let function = if round % 2 == 1 { "pg_cancel_backend" } else { "pg_terminate_backend" };
    cancel_for(stage, old, function, Duration::from_secs(5))?;
    stage.cluster.wait_for_leader_other_than(old)?;
    stage.phase("two primaries, n1 at the old one, whose commits are canceled");
    stage.wait_until_accepting(&MOVING)?;
    cancel_for(stage, old, function, Duration::from_secs(8))?;
    stage.phase("the old primary is demoted");
    let member = stage.cluster.member(old)?;
    member.set_replication_link(Mode::Pass);
    member.thaw_patroni()?;
    stage.node(STAYING)?.set_links_except(old, Mode::Pass);
    stage.node(2)?.set_link(old, Mode::Pass);
    stage.watch(Duration::from_secs(2));
    stage.cluster.wait_until_healthy()?;
    stage.wait_until_accepting(&[STAYING])?;
    stage.observations().set_excused(STAYING, false);
    Ok(())
}

fn cancel_for(stage: &Stage<'_>, member: usize, function: &str, time: Duration) -> Result<()> {
    let statement = format!(
        "SELECT count({function}(pid)) FROM pg_stat_activity WHERE usename = 'tokenry' AND wait_event = 'SyncRep'"
    );
    let end = Instant::now() + time;
    while Instant::now() < end {
        stage.cluster.member(member)?.query("postgres", &statement)?;
        stage.watch(PAUSE);
    }
    Ok(())
}
