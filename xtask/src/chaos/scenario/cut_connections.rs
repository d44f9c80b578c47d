//! Connections to the database end at random.

use std::time::Duration;

use anyhow::Result;

use super::{MIXED, Scenario};
use crate::chaos::cluster::{EtcdApi, Replication};
use crate::chaos::stage::Stage;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "cut-connections",
    about: "pg_terminate_backend of connections of the nodes, at random",
    rounds: 2,
    replication: Replication::Synchronous,
    api: EtcdApi::V2,
    nodes: MIXED,
    play,
};

const REPEATS: u32 = 16;

fn play(stage: &mut Stage<'_>, _round: u32) -> Result<()> {
    stage.revoke_through_all();
    let leader = stage.cluster.leader()?;
    stage.phase("a third of the connections ends again and again");
    for repeat in 0..REPEATS {
        // At the end all at once.
        let share = if repeat + 2 < REPEATS { 0.33 } else { 1.0 };
        let statement = format!(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
             WHERE usename = 'tokenry' AND random() < {share}"
        );
        stage.cluster.member(leader)?.query("postgres", &statement)?;
        // Some connections end without a message of the server.
        if repeat % 4 == 0 {
            stage.node(usize::try_from(repeat / 4)? % stage.nodes.len())?.disconnect();
        }
        stage.watch(Duration::from_millis(500));
    }
    stage.phase("connections are left alone");
    stage.wait_until_accepting(&[0, 1, 2])?;
    stage.watch(Duration::from_secs(2));
    Ok(())
}
