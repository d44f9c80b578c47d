//! Random faults of nodes, networks and connections around a random fault of the cluster.

use std::time::Duration;

use anyhow::Result;

use super::{MIXED, Scenario};
use crate::chaos::cluster::{EtcdApi, Replication};
use crate::chaos::proxy::Mode;
use crate::chaos::random::Random;
use crate::chaos::stage::Stage;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "mixed",
    about: "random faults of nodes and networks around a random fault of the cluster; --seed repeats the choices",
    rounds: 3,
    replication: Replication::Synchronous,
    api: EtcdApi::V2,
    nodes: MIXED,
    play,
};

/// Faults of nodes before and after the fault of the cluster, and after its repair.
const STEPS: [usize; 3] = [4, 14, 6];

#[derive(Debug, Clone, Copy)]
enum ClusterFault {
    KillPrimary,
    KillStandby,
    FreezePatroni,
    PausePrimary,
    SuspendMachine,
    SwitchOver,
}

#[derive(Debug, Clone, Copy)]
enum NodeFault {
    Freeze,
    Kill,
    Links(Mode),
    Disconnect,
    Cancel,
    Terminate,
}

const CLUSTER_FAULTS: [ClusterFault; 6] = [
    ClusterFault::KillPrimary,
    ClusterFault::KillStandby,
    ClusterFault::FreezePatroni,
    ClusterFault::PausePrimary,
    ClusterFault::SuspendMachine,
    ClusterFault::SwitchOver,
];

const NODE_FAULTS: [NodeFault; 10] = [
    NodeFault::Freeze,
    NodeFault::Kill,
    NodeFault::Links(Mode::Freeze),
    NodeFault::Links(Mode::Cut),
    NodeFault::Links(Mode::HoldNotifications),
    NodeFault::Links(Mode::DropNotifications),
    NodeFault::Links(Mode::Delay(Duration::from_millis(700))),
    NodeFault::Disconnect,
    NodeFault::Cancel,
    NodeFault::Terminate,
];

fn play(stage: &mut Stage<'_>, round: u32) -> Result<()> {
    let seed = stage.seed.wrapping_add(u64::from(round) - 1);
    let mut random = Random::new(seed);
    let primary = stage.cluster.leader()?;
    let fault = random.one_of(&CLUSTER_FAULTS).unwrap_or(ClusterFault::KillPrimary);
    let affected = match fault {
        ClusterFault::KillStandby => stage.cluster.standby()?,
        _ => primary,
    };
    for node in 0..stage.nodes.len() {
        stage.observations().set_excused(node, true);
    }
    stage.revoke_through_all();
    let [before, during, after] = STEPS;
    break_nodes(stage, primary, &mut random, before)?;
    stage.phase(&format!("{fault:?} of m{}, seed {seed}", affected + 1));
    break_cluster(stage, fault, affected)?;
    break_nodes(stage, primary, &mut random, during)?;
    stage.phase(&format!("after {fault:?}, seed {seed}"));
    repair_cluster(stage, fault, affected)?;
    break_nodes(stage, primary, &mut random, after)?;
    for node in 0..stage.nodes.len() {
        repair_node(stage, node)?;
    }
    stage.cluster.wait_until_healthy()?;
    stage.nodes.iter_mut().try_for_each(|node| node.supervise_start())?;
    stage.wait_until_accepting(&[0, 1, 2])?;
    for node in 0..stage.nodes.len() {
        stage.observations().set_excused(node, false);
    }
    Ok(())
}

/// Repairs and breaks one node at a time, so that several are broken at once.
fn break_nodes(stage: &mut Stage<'_>, primary: usize, random: &mut Random, steps: usize) -> Result<()> {
    for _ in 0..steps {
        let repaired = random.below(stage.nodes.len());
        repair_node(stage, repaired)?;
        let node = random.below(stage.nodes.len());
        let fault = random.one_of(&NODE_FAULTS).unwrap_or(NodeFault::Freeze);
        stage.phase(&format!("n{} is repaired, n{}: {fault:?}", repaired + 1, node + 1));
        match fault {
            // A process that has just ended cannot be stopped.
            NodeFault::Freeze => stage.node(node)?.freeze().unwrap_or_default(),
            NodeFault::Kill => stage.node_mut(node)?.kill()?,
            NodeFault::Links(mode) => stage.node(node)?.set_links(mode),
            NodeFault::Disconnect => stage.node(node)?.disconnect(),
            NodeFault::Cancel => end_statements(stage, primary, "pg_cancel_backend"),
            NodeFault::Terminate => end_statements(stage, primary, "pg_terminate_backend"),
        }
        stage.watch(Duration::from_millis(u64::try_from(200 + random.below(1300))?));
        // A killed node cannot be broken in another way.
        if matches!(fault, NodeFault::Kill) {
            stage.node_mut(node)?.launch()?;
        }
    }
    Ok(())
}

/// Cancels what runs at the primary of the start, or ends its connections, if it answers.
fn end_statements(stage: &Stage<'_>, member: usize, function: &str) {
    let statement = format!("SELECT count({function}(pid)) FROM pg_stat_activity WHERE usename = 'tokenry'");
    let _ = stage.cluster.member(member).and_then(|member| member.query("postgres", &statement));
}

fn repair_node(stage: &mut Stage<'_>, node: usize) -> Result<()> {
    let node = stage.node_mut(node)?;
    node.set_links(Mode::Pass);
    if node.check_running().is_ok() { node.thaw() } else { node.launch() }
}

fn break_cluster(stage: &mut Stage<'_>, fault: ClusterFault, affected: usize) -> Result<()> {
    match fault {
        ClusterFault::KillPrimary | ClusterFault::KillStandby => stage.crash(affected),
        ClusterFault::FreezePatroni => stage.cluster.member(affected)?.freeze_patroni(),
        ClusterFault::PausePrimary => stage.cluster.member(affected)?.freeze_postgres(),
        ClusterFault::SuspendMachine => {
            stage.cluster.member(affected)?.freeze_patroni()?;
            stage.cluster.member(affected)?.freeze_postgres()
        }
        ClusterFault::SwitchOver => stage.cluster.switch_over().map(drop),
    }
}

fn repair_cluster(stage: &mut Stage<'_>, fault: ClusterFault, affected: usize) -> Result<()> {
    match fault {
        ClusterFault::KillPrimary | ClusterFault::KillStandby => stage.restart(affected),
        ClusterFault::FreezePatroni => stage.cluster.member(affected)?.thaw_patroni(),
        ClusterFault::PausePrimary => {
            stage.cluster.member(affected)?.thaw_postgres();
            Ok(())
        }
        ClusterFault::SuspendMachine => {
            stage.cluster.member(affected)?.thaw_postgres();
            stage.cluster.member(affected)?.thaw_patroni()
        }
        ClusterFault::SwitchOver => Ok(()),
    }
}
