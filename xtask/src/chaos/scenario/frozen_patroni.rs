//! A split brain: the Patroni of the primary hangs, so that another member is promoted beside it.

use std::time::Duration;

use anyhow::Result;

use super::{MIXED, Scenario};
use crate::chaos::cluster::{EtcdApi, Replication};
use crate::chaos::proxy::Mode;
use crate::chaos::stage::Stage;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "frozen-patroni",
    about: "split brain: the primary's Patroni is stopped, a standby is promoted, nodes stay at the old primary",
    rounds: 3,
    replication: Replication::Synchronous,
    api: EtcdApi::V2,
    nodes: MIXED,
    play,
};

/// The node that stays at the old primary; the others move to the new one.
const STAYING: usize = 0;
const MOVING: [usize; 2] = [1, 2];
/// Longer than Tokenry keeps a connection, at least in one round.
const LONG: Duration = Duration::from_secs(35);

fn play(stage: &mut Stage<'_>, round: u32) -> Result<()> {
    let is_isolated = round.is_multiple_of(2);
    let old = stage.cluster.leader()?;
    stage.revoke_through_all();
    stage.watch(Duration::from_secs(1));
    stage.observations().set_excused(STAYING, true);
    stage.phase(if is_isolated {
        "the old primary is cut off from the cluster, together with n1"
    } else {
        "the Patroni of the primary hangs"
    });
    let member = stage.cluster.member(old)?;
    member.freeze_patroni()?;
    // The third node is on the other side of the split.
    stage.node(2)?.set_link(old, Mode::Cut);
    if is_isolated {
        member.set_etcd_link(Mode::Freeze);
        member.set_replication_link(Mode::Freeze);
        stage.node(STAYING)?.set_links_except(old, Mode::Cut);
    }
    stage.revoke_through(&MOVING);
    stage.cluster.wait_for_leader_other_than(old)?;
    stage.phase("two primaries, n1 at the old one");
    stage.wait_until_accepting(&MOVING)?;
    stage.watch(if round.is_multiple_of(3) { LONG } else { Duration::from_secs(6) });
    stage.phase("the Patroni of the old primary goes on");
    let member = stage.cluster.member(old)?;
    if is_isolated {
        member.set_etcd_link(Mode::Pass);
        member.set_replication_link(Mode::Pass);
        stage.node(STAYING)?.set_links_except(old, Mode::Pass);
    }
    stage.node(2)?.set_link(old, Mode::Pass);
    stage.cluster.member(old)?.thaw_patroni()?;
    stage.watch(Duration::from_secs(2));
    stage.cluster.wait_until_healthy()?;
    stage.wait_until_accepting(&[STAYING])?;
    stage.observations().set_excused(STAYING, false);
    Ok(())
}
