//! A former primary takes the leader's key back, so that the cluster loses what its successor committed.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::{MIXED, Scenario};
use crate::chaos::cluster::{EtcdApi, Replication};
use crate::chaos::stage::Stage;
use crate::chaos::wait;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "stolen-leader-key",
    about: "a Patroni that hung overwrites the leader's key, so that a cluster with synchronous replication loses \
            revocations: they are in force within 5 s",
    rounds: 1,
    replication: Replication::Synchronous,
    api: EtcdApi::V3,
    nodes: MIXED,
    play,
};

fn play(stage: &mut Stage<'_>, _round: u32) -> Result<()> {
    let old = stage.cluster.leader()?;
    stage.revoke_through_all();
    stage.watch(Duration::from_secs(1));
    stage.phase("the primary is suspended, so that its Patroni hangs");
    stage.cluster.member(old)?.freeze_postgres()?;
    stage.cluster.wait_for_leader_other_than(old)?;
    stage.phase("a standby was promoted");
    stage.wait_until_accepting(&[1])?;
    let answered = stage.figures().revoked;
    stage.watch(Duration::from_secs(6));
    stage.revoke_through(&[]);
    ensure!(stage.figures().revoked > answered, "no revocation was answered by the new primary");
    stage.phase("the old primary goes on");
    stage.observations().set_loss_allowed(true);
    stage.cluster.member(old)?.thaw_postgres();
    let is_stolen = wait::until("the old primary takes the key back", Duration::from_secs(20), || {
        ensure!(stage.cluster.leader()? == old, "another one is the leader");
        Ok(())
    });
    if is_stolen.is_err() {
        stage.observations().set_loss_allowed(false);
        stage.phase("the key was not taken back, so that nothing is lost");
        return Ok(());
    }
    stage.phase("the old primary took the key back");
    stage.wait_until_reapplied()?;
    stage.wait_until_accepting(&[0, 1, 2])?;
    stage.watch(Duration::from_secs(3));
    Ok(())
}
