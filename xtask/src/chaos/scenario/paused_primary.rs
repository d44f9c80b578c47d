//! The primary is suspended for longer than a failover takes, like a virtual machine that is moved.

use std::time::Duration;

use anyhow::Result;

use super::{MIXED, Scenario};
use crate::chaos::cluster::{EtcdApi, Replication};
use crate::chaos::stage::Stage;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "paused-primary",
    about: "SIGSTOP of every process of the primary until another is promoted, then SIGCONT",
    rounds: 2,
    replication: Replication::Synchronous,
    api: EtcdApi::V2,
    nodes: MIXED,
    play,
};

fn play(stage: &mut Stage<'_>, round: u32) -> Result<()> {
    // In every second round the whole machine is suspended, so that Patroni cannot demote PostgreSQL at once either.
    let with_patroni = round.is_multiple_of(2);
    let old = stage.cluster.leader()?;
    stage.revoke_through_all();
    stage.watch(Duration::from_secs(1));
    stage.phase(if with_patroni { "the primary's machine is suspended" } else { "the primary is suspended" });
    let member = stage.cluster.member(old)?;
    if with_patroni {
        member.freeze_patroni()?;
    }
    member.freeze_postgres()?;
    stage.cluster.wait_for_leader_other_than(old)?;
    stage.phase("a standby was promoted, the old primary is suspended");
    stage.watch(Duration::from_secs(5));
    stage.phase("the old primary goes on");
    let member = stage.cluster.member(old)?;
    member.thaw_postgres();
    stage.watch(Duration::from_secs(3));
    if with_patroni {
        stage.phase("the Patroni of the old primary goes on");
        stage.cluster.member(old)?.thaw_patroni()?;
        stage.watch(Duration::from_secs(2));
    }
    Ok(())
}
