//! The clients that verify and revoke all the time while a scenario breaks something.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::client::{Client, Response};
use super::ledger::{Answered, Change, Expectation, Ledger, Pick};
use super::observations::Observations;
use super::random::Random;

/// Clients that verify on each node, and their pause between requests.
const VERIFIERS: usize = 3;
const VERIFIER_PAUSE: Duration = Duration::from_millis(6);
/// Clients that revoke, and their pause between requests.
const REVOKERS: usize = 4;
const REVOKER_PAUSE: Duration = Duration::from_millis(240);
/// How long a client waits for a response: longer than anything is frozen, so that late responses are seen.
const RESPONSE_LIMIT: Duration = Duration::from_secs(30);
/// The same for a revocation: after this time another node is asked.
const REVOCATION_LIMIT: Duration = Duration::from_secs(8);

/// What the clients share with the scenario.
pub(crate) struct Traffic {
    pub(crate) ledger: Ledger,
    pub(crate) observations: Observations,
    addresses: Vec<SocketAddr>,
    administrator: String,
    /// The nodes through which tokens are revoked; none while there is nothing to revoke.
    revoking_nodes: Mutex<Vec<usize>>,
    is_over: AtomicBool,
}

/// Running clients. Dropping it ends them.
pub(crate) struct Load {
    traffic: Arc<Traffic>,
    threads: Vec<JoinHandle<()>>,
}

impl Traffic {
    /// `administrator` is a token that may revoke all others.
    pub(crate) fn new(observations: Observations, addresses: Vec<SocketAddr>, administrator: String) -> Self {
        Self {
            ledger: Ledger::default(),
            observations,
            addresses,
            administrator,
            revoking_nodes: Mutex::default(),
            is_over: AtomicBool::new(false),
        }
    }

    /// Revokes through these nodes in turn from now on; through none to stop.
    pub(crate) fn revoke_through(&self, nodes: &[usize]) {
        nodes.clone_into(&mut self.revoking_nodes.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// A client of a node for verifications.
    pub(crate) fn verifier(&self, node: usize) -> Result<Client> {
        self.client(node, RESPONSE_LIMIT)
    }

    /// A client of a node for changes, and the token that it uses.
    pub(crate) fn administrator(&self, node: usize) -> Result<(Client, &str)> {
        Ok((self.client(node, REVOCATION_LIMIT)?, &self.administrator))
    }

    /// Verifies a token once, adds what was seen, and returns the response.
    pub(crate) fn verify(&self, client: &mut Client, node: usize, pick: &Pick) -> Option<Response> {
        let sent = Instant::now();
        match client.send("GET", "/api/v1/token", Some(&pick.token.secret), "") {
            Ok(response) => {
                let is_live =
                    matches!(pick.expectation, Expectation::Accepted) && self.ledger.is_live(pick.index);
                self.observations.verified(node, &pick.expectation, &response, is_live);
                Some(response)
            }
            Err(_) if self.is_over.load(Ordering::SeqCst) => None,
            Err(_) => {
                self.observations.unanswered(node, sent);
                None
            }
        }
    }

    /// Revokes one token through a node. `false` if there is none to revoke.
    pub(crate) fn revoke(&self, node: usize, only_unknown: bool) -> Result<bool> {
        let taken = if only_unknown { self.ledger.take_unknown() } else { self.ledger.take(Instant::now()) };
        let Some((index, token)) = taken else { return Ok(false) };
        let (mut client, administrator) = self.administrator(node)?;
        let change = Change::of(index);
        match change.send(&mut client, administrator, &token) {
            Ok(response) if response.is_success() => {
                self.observations.revoked(&response, change.is_timed());
                self.ledger.answered(index, Answered { at: response.received, through: node, change });
            }
            result => {
                self.observations
                    .unknown(node, result.ok().filter(|response| response.status != 503).as_ref());
                self.ledger.failed(index, Instant::now());
            }
        }
        Ok(true)
    }

    fn client(&self, node: usize, limit: Duration) -> Result<Client> {
        let address = self.addresses.get(node).with_context(|| format!("no node {node}"))?;
        Ok(Client::new(*address, limit))
    }

    /// The node through which the next token is revoked.
    fn revoking_node(&self, turn: usize) -> Option<usize> {
        let nodes = self.revoking_nodes.lock().unwrap_or_else(PoisonError::into_inner);
        nodes.get(turn.checked_rem(nodes.len())?).copied()
    }
}

impl Load {
    pub(crate) fn start(traffic: Arc<Traffic>) -> Self {
        let mut threads = Vec::new();
        for node in 0..traffic.addresses.len() {
            for number in 0..VERIFIERS {
                let traffic = traffic.clone();
                threads.push(thread::spawn(move || verify(&traffic, node, number)));
            }
        }
        for number in 0..REVOKERS {
            let traffic = traffic.clone();
            threads.push(thread::spawn(move || revoke(&traffic, number)));
        }
        Self { traffic, threads }
    }

    pub(crate) fn traffic(&self) -> &Arc<Traffic> {
        &self.traffic
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.traffic.is_over.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            // A thread that panicked has printed it.
            let _ = thread.join();
        }
    }
}

fn verify(traffic: &Traffic, node: usize, number: usize) {
    let Ok(mut client) = traffic.verifier(node) else { return };
    let mut random = Random::new((node * VERIFIERS + number) as u64);
    while !traffic.is_over.load(Ordering::SeqCst) {
        if let Some(pick) = traffic.ledger.pick(random.next()) {
            traffic.verify(&mut client, node, &pick);
        }
        sleep(VERIFIER_PAUSE);
    }
}

fn revoke(traffic: &Traffic, number: usize) {
    let mut turn = number;
    while !traffic.is_over.load(Ordering::SeqCst) {
        if let Some(node) = traffic.revoking_node(turn) {
            // Only an unknown node is an error, and the list has none.
            let _ = traffic.revoke(node, false);
            turn += 1;
        }
        sleep(REVOKER_PAUSE);
    }
}
