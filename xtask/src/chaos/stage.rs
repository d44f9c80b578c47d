//! What a scenario works with: the cluster, the nodes, and the clients.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};

use super::cluster::Cluster;
use super::folder::Folder;
use super::ledger::Issued;
use super::load::{Load, Traffic};
use super::node::{Node, NodePlan, NodeProgram};
use super::observations::{Figures, Observations};
use super::proxy::Mode;
use super::wait;

/// Tokens of each round.
const TOKENS: usize = 160;
/// How often each node verifies each token before something breaks, so that it has it in memory.
const WARM_ROUNDS: usize = 2;
/// Within this time after a repair a healthy node accepts a live token again.
const RECOVERY_LIMIT: Duration = Duration::from_secs(60);
const WARM_LIMIT: Duration = Duration::from_secs(60);

/// After this time from the first decision of a node, every lost revocation is in force again.
const REAPPLIED_WITHIN: Duration = Duration::from_secs(5);
const DECISION_LIMIT: Duration = Duration::from_secs(90);
/// The time of a revocation without leases or waits, on a machine that does other things as well.
const OVERHEAD: Duration = Duration::from_secs(1);

/// The stage of one scenario.
pub(crate) struct Stage<'c> {
    pub(crate) cluster: &'c mut Cluster,
    pub(crate) nodes: Vec<Node>,
    // After the nodes: a client does not wait for a response of a node that was killed.
    load: Load,
    /// `server.lease`, if the program has leases.
    pub(crate) lease: Option<Duration>,
    /// What the choices of the scenario begin with.
    pub(crate) seed: u64,
}

impl<'c> Stage<'c> {
    /// Creates an empty database, and starts nodes and clients.
    pub(crate) fn open(
        scenario: &'static str,
        plans: &[NodePlan],
        program: &NodeProgram,
        cluster: &'c mut Cluster,
        folder: &Folder,
        seed: u64,
    ) -> Result<Self> {
        let folder = folder.create(scenario)?;
        let database = format!("tokens_{}", scenario.replace('-', "_"));
        cluster.create_database(&database)?;
        let mut nodes = Vec::new();
        for (index, plan) in plans.iter().enumerate() {
            let name = format!("n{}", index + 1);
            // The first one creates the tables, so that they start one after another.
            nodes.push(Node::start(&name, program, *plan, cluster, &database, &folder)?);
        }
        let administrator = nodes.first().context("a scenario without nodes")?.bootstrap_token()?;
        let names = nodes.iter().map(|node| node.name().to_owned()).collect();
        let addresses = nodes.iter().map(Node::address).collect();
        let traffic = Traffic::new(Observations::new(scenario, names), addresses, administrator);
        Ok(Self { cluster, nodes, load: Load::start(Arc::new(traffic)), lease: program.lease, seed })
    }

    pub(crate) fn traffic(&self) -> &Arc<Traffic> {
        self.load.traffic()
    }

    pub(crate) fn observations(&self) -> &Observations {
        &self.traffic().observations
    }

    pub(crate) fn figures(&self) -> Figures {
        self.observations().figures()
    }

    pub(crate) fn node(&self, index: usize) -> Result<&Node> {
        self.nodes.get(index).with_context(|| format!("no node {index}"))
    }

    pub(crate) fn node_mut(&mut self, index: usize) -> Result<&mut Node> {
        self.nodes.get_mut(index).with_context(|| format!("no node {index}"))
    }

    /// Names what happens now.
    pub(crate) fn phase(&self, text: &str) {
        self.observations().set_phase(text);
    }

    /// Revokes through these nodes from now on.
    pub(crate) fn revoke_through(&self, nodes: &[usize]) {
        self.traffic().revoke_through(nodes);
    }

    /// Revokes through every node from now on.
    pub(crate) fn revoke_through_all(&self) {
        self.revoke_through(&(0..self.nodes.len()).collect::<Vec<_>>());
    }

    /// Creates the tokens of a round, and verifies each on every node until it succeeded.
    pub(crate) fn begin_round(&mut self, round: u32) -> Result<()> {
        self.observations().begin_round(round);
        self.phase("creating and verifying tokens");
        let traffic = self.traffic();
        let (mut client, administrator) = traffic.administrator(0)?;
        let mut issued = Vec::new();
        for number in 0..TOKENS {
            let body = format!(r#"{{"name":"r{round}-{number}","scopes":["tokens:read"]}}"#);
            let token = wait::until("a token is created", RECOVERY_LIMIT, || {
                let response = client.send("POST", "/api/v1/tokens", Some(administrator), &body)?;
                ensure!(response.status == 201, "{}: {}", response.status, response.text());
                parse_token(&response.text())
            })?;
            issued.push(token);
        }
        traffic.ledger.begin_round(issued);
        self.warm()
    }

    fn warm(&self) -> Result<()> {
        let traffic = self.traffic();
        let warm_one = |node: usize| -> Result<()> {
            let mut client = traffic.verifier(node)?;
            for pick in (0..WARM_ROUNDS).flat_map(|_| traffic.ledger.round()) {
                wait::until("a new token is accepted", WARM_LIMIT, || {
                    let response = traffic.verify(&mut client, node, &pick).context("no response")?;
                    ensure!(response.is_success(), "{}: {}", response.status, response.text());
                    Ok(())
                })?;
            }
            Ok(())
        };
        thread::scope(|scope| {
            let threads: Vec<_> =
                (0..self.nodes.len()).map(|node| scope.spawn(move || warm_one(node))).collect();
            let mut ended = threads.into_iter().map(|thread| thread.join());
            ended.try_for_each(|end| end.unwrap_or_else(|_| Err(anyhow!("a client panicked"))))
        })
    }

    /// Waits until each of these nodes accepts a live token.
    pub(crate) fn wait_until_accepting(&self, nodes: &[usize]) -> Result<()> {
        for node in nodes {
            let what = format!("{} accepts a live token", self.node(*node)?.name());
            let mut client = self.traffic().verifier(*node)?;
            wait::until(&what, RECOVERY_LIMIT, || {
                let pick = self.traffic().ledger.control().context("there is no token")?;
                let response = self.traffic().verify(&mut client, *node, &pick).context("no response")?;
                ensure!(response.is_success(), "{}: {}", response.status, response.text());
                Ok(())
            })?;
        }
        Ok(())
    }

    /// After a repair: waits for the cluster and every node, settles open revocations, and verifies every revoked token
    /// on every node once more.
    pub(crate) fn end_round(&mut self) -> Result<()> {
        self.phase("repaired");
        self.cluster.wait_until_healthy()?;
        let all: Vec<_> = (0..self.nodes.len()).collect();
        self.wait_until_accepting(&all)?;
        self.revoke_through(&[]);
        self.wait_until_settled()?;
        let traffic = self.traffic();
        for node in all {
            let mut client = traffic.verifier(node)?;
            for pick in traffic.ledger.revoked() {
                self.sweep_one(&mut client, node, &pick)?;
            }
        }
        for node in &mut self.nodes {
            node.check_running()?;
        }
        self.observations().end_round();
        Ok(())
    }

    /// Verifies a revoked token until the node decides.
    fn sweep_one(
        &self,
        client: &mut super::client::Client,
        node: usize,
        pick: &super::ledger::Pick,
    ) -> Result<()> {
        wait::until("a decision about a revoked token", RECOVERY_LIMIT, || {
            let response = self.traffic().verify(client, node, pick).context("no response")?;
            ensure!(response.status != 503, "{}", response.text());
            Ok(())
        })
    }

    /// Fails the scenario if a revocation after the first `earlier` took longer than a node that is gone may delay it.
    pub(crate) fn check_revocation_times(&self, earlier: usize) {
        let limit = self.lease.unwrap_or_default().mul_f64(1.1) + Duration::from_millis(100) + OVERHEAD;
        let slowest = self.figures().revocation_times.iter().skip(earlier).max().copied().unwrap_or_default();
        if slowest > limit {
            self.observations().fail(format!("a revocation took {slowest:.3?}, the limit is {limit:.3?}"));
        }
    }

    /// Waits until no revocation is in flight; those with an unknown outcome are sent again.
    pub(crate) fn wait_until_settled(&self) -> Result<()> {
        let traffic = self.traffic();
        wait::until("every revocation is answered", RECOVERY_LIMIT, || {
            for node in 0..self.nodes.len() {
                traffic.revoke(node, true)?;
            }
            ensure!(!traffic.ledger.has_open(), "some are not");
            Ok(())
        })
    }

    /// After the database lost answered revocations: waits until a node decides, and then until they are in force again.
    /// Later acceptances are late.
    pub(crate) fn wait_until_reapplied(&self) -> Result<()> {
        let first = self.wait_for_decision()?;
        self.phase("a node decides again");
        self.watch((first + REAPPLIED_WITHIN).saturating_duration_since(Instant::now()));
        self.observations().set_loss_allowed(false);
        self.phase("five seconds after the first decision");
        Ok(())
    }

    /// Waits until a node answers a verification otherwise than with 503.
    fn wait_for_decision(&self) -> Result<Instant> {
        let traffic = self.traffic();
        let nodes = 0..self.nodes.len();
        let mut clients = nodes.map(|node| traffic.verifier(node)).collect::<Result<Vec<_>>>()?;
        wait::until("a node decides again", DECISION_LIMIT, || {
            let pick = traffic.ledger.control().context("there is no token")?;
            for (node, client) in clients.iter_mut().enumerate() {
                let response = traffic.verify(client, node, &pick);
                if let Some(response) = response.filter(|response| response.status != 503) {
                    return Ok(response.received);
                }
            }
            bail!("every node answers 503")
        })
    }

    /// Kills Patroni and every process of PostgreSQL of a member, like a machine that loses power.
    pub(crate) fn crash(&mut self, member: usize) -> Result<()> {
        self.cluster.member_mut(member)?.crash()?;
        // A proxy whose target is gone would accept and close connections, where a dead machine accepts none.
        self.nodes.iter().for_each(|node| node.set_link(member, Mode::Cut));
        Ok(())
    }

    /// Starts a member that crashed.
    pub(crate) fn restart(&mut self, member: usize) -> Result<()> {
        self.nodes.iter().for_each(|node| node.set_link(member, Mode::Pass));
        self.cluster.member_mut(member)?.restart()
    }

    /// Waits while the clients go on.
    pub(crate) fn watch(&self, time: Duration) {
        let end = Instant::now() + time;
        while let Some(rest) = end.checked_duration_since(Instant::now()).filter(|rest| !rest.is_zero()) {
            thread::sleep(rest.min(Duration::from_millis(100)));
        }
    }
}

fn parse_token(text: &str) -> Result<Issued> {
    let body: serde_json::Value = serde_json::from_str(text)?;
    let field = |name: &str| body.get(name).and_then(|value| value.as_str()).map(Into::into);
    let issued = field("id").zip(field("token")).map(|(id, secret)| Issued { id, secret });
    issued.with_context(|| format!("no token: {text}"))
}
