//! A failover that loses answered revocations, because the standbys were behind.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::{MIXED, Scenario};
use crate::chaos::cluster::Replication;
use crate::chaos::proxy::Mode;
use crate::chaos::stage::Stage;
use crate::chaos::wait;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "asynchronous-failover",
    about: "asynchronous standbys are held back and the primary is killed: lost revocations are in force within 5 s",
    rounds: 2,
    replication: Replication::Asynchronous,
    nodes: MIXED,
    play,
};

/// After this time from the first decision of a node, every lost revocation is in force again.
const REAPPLIED_WITHIN: Duration = Duration::from_secs(5);

fn play(stage: &mut Stage<'_>, _round: u32) -> Result<()> {
    stage.revoke_through_all();
    stage.watch(Duration::from_secs(1));
    let old = stage.cluster.leader()?;
    stage.phase("the standbys receive nothing");
    let answered = stage.figures().revocations.len();
    stage.cluster.member(old)?.set_replication_link(Mode::Freeze);
    // Shorter than the time after which a standby gives up the connection.
    stage.watch(Duration::from_secs(3));
    stage.revoke_through(&[]);
    let lost = stage.figures().revocations.len() - answered;
    ensure!(lost > 0, "no revocation was answered while the standbys received nothing");
    stage.phase(&format!("the primary is killed, and with it about {lost} answered revocations"));
    stage.observations().set_loss_allowed(true);
    stage.crash(old)?;
    stage.cluster.member(old)?.set_replication_link(Mode::Cut);
    let first = first_decision(stage)?;
    stage.phase("a node decides again");
    stage.watch((first + REAPPLIED_WITHIN).saturating_duration_since(Instant::now()));
    stage.observations().set_loss_allowed(false);
    stage.phase("five seconds after the first decision");
    stage.wait_until_accepting(&[0, 1, 2])?;
    stage.watch(Duration::from_secs(3));
    stage.phase("the former primary returns");
    stage.cluster.member(old)?.set_replication_link(Mode::Pass);
    stage.restart(old)
}

/// Waits until a node answers a verification otherwise than with 503.
fn first_decision(stage: &Stage<'_>) -> Result<Instant> {
    let traffic = stage.traffic();
    let mut clients =
        (0..stage.nodes.len()).map(|node| traffic.verifier(node)).collect::<Result<Vec<_>>>()?;
    wait::until("a node decides again", Duration::from_secs(90), || {
        let pick = traffic.ledger.control().context("there is no token")?;
        for (node, client) in clients.iter_mut().enumerate() {
            let response = traffic.verify(client, node, &pick);
            if let Some(response) = response.filter(|response| response.status != 503) {
                return Ok(response.received);
            }
        }
        anyhow::bail!("every node answers 503")
    })
}
