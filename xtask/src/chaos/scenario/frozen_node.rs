//! A node is stopped while the others revoke.

use std::thread;
use std::time::Duration;

use anyhow::Result;

use super::{MIXED, Scenario};
use crate::chaos::cluster::{EtcdApi, Replication};
use crate::chaos::stage::Stage;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "frozen-node",
    about: "SIGSTOP of a node; revocations are answered once its lease is over, and it accepts nothing after SIGCONT",
    rounds: 3,
    replication: Replication::Synchronous,
    api: EtcdApi::V2,
    nodes: MIXED,
    play,
};

const FROZEN: usize = 2;

fn play(stage: &mut Stage<'_>, round: u32) -> Result<()> {
    stage.revoke_through(&[0, 1]);
    stage.watch(Duration::from_secs(1));
    stage.observations().set_excused(FROZEN, true);
    stage.phase("n3 is stopped");
    let earlier = stage.figures().revocation_times.len();
    stage.node(FROZEN)?.freeze()?;
    // Shorter than a lease, longer, and much longer.
    let lease = stage.lease.unwrap_or(Duration::from_secs(2));
    stage.watch(lease.mul_f64(match round % 3 {
        0 => 0.6,
        1 => 2.0,
        _ => 5.0,
    }));
    // Requests that wait in the sockets of the stopped process, each sent after the answer to its revocation.
    let traffic = stage.traffic().clone();
    let waiting = traffic.ledger.revoked().into_iter().rev().take(20);
    let waiting: Vec<_> = waiting
        .map(|pick| {
            let traffic = traffic.clone();
            thread::spawn(move || {
                let mut client = traffic.verifier(FROZEN)?;
                Ok::<_, anyhow::Error>(traffic.verify(&mut client, FROZEN, &pick).is_some())
            })
        })
        .collect();
    stage.watch(Duration::from_millis(300));
    stage.phase("n3 goes on");
    stage.node(FROZEN)?.thaw()?;
    for thread in waiting {
        if !matches!(thread.join(), Ok(Ok(true))) {
            stage.observations().fail("n3 did not answer a request that waited".to_owned());
        }
    }
    stage.wait_until_accepting(&[FROZEN])?;
    stage.observations().set_excused(FROZEN, false);
    stage.watch(Duration::from_secs(3));
    stage.check_revocation_times(earlier);
    Ok(())
}
