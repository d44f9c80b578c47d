//! The network between nodes and the database delays, freezes and drops.

use std::time::Duration;

use anyhow::Result;

use super::{MIXED, Scenario};
use crate::chaos::cluster::{EtcdApi, Replication};
use crate::chaos::proxy::Mode;
use crate::chaos::stage::Stage;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "delayed-notifications",
    about: "between nodes and PostgreSQL, notifications are held and dropped, and all bytes delayed, frozen and cut",
    rounds: 2,
    replication: Replication::Synchronous,
    api: EtcdApi::V2,
    nodes: MIXED,
    play,
};

/// The node whose network is bad; in every second round all have it.
const AFFECTED: usize = 2;

fn play(stage: &mut Stage<'_>, round: u32) -> Result<()> {
    let nodes: Vec<_> =
        if round.is_multiple_of(2) { (0..stage.nodes.len()).collect() } else { vec![AFFECTED] };
    stage.revoke_through_all();
    for node in &nodes {
        stage.observations().set_excused(*node, true);
    }
    let steps = [
        ("notifications are held", Mode::HoldNotifications, 3000),
        ("held notifications arrive", Mode::Pass, 500),
        ("notifications are lost", Mode::DropNotifications, 3000),
        ("everything is delayed by 100 ms", Mode::Delay(Duration::from_millis(100)), 3000),
        ("everything is delayed by 800 ms", Mode::Delay(Duration::from_millis(800)), 4000),
        ("the network is frozen", Mode::Freeze, 5000),
        ("the network thaws", Mode::Pass, 1500),
        ("the network is cut", Mode::Cut, 3000),
        ("the network is repaired", Mode::Pass, 0),
    ];
    for (phase, mode, millis) in steps {
        stage.phase(phase);
        for node in &nodes {
            stage.node(*node)?.set_links(mode);
        }
        stage.watch(Duration::from_millis(millis));
    }
    stage.wait_until_accepting(&nodes)?;
    for node in &nodes {
        stage.observations().set_excused(*node, false);
    }
    stage.watch(Duration::from_secs(2));
    Ok(())
}
