//! A cluster of three PostgreSQL servers under Patroni, with etcd and HAProxy.

mod etcd;
mod haproxy;
mod member;
mod patroni;
mod status;

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde_json::json;

use self::etcd::Etcd;
use self::haproxy::HaProxy;
pub(crate) use self::member::Member;
use self::status::Status;
use super::client::Client;
use super::folder::Folder;
use super::programs::Programs;
use super::{processes, wait};

/// How long a leader's key in etcd lives without renewal: a failover takes about this long.
pub(crate) const LEADER_TTL: Duration = Duration::from_secs(6);
/// For a new cluster, and for a member that copies the whole database.
const START_LIMIT: Duration = Duration::from_secs(90);
/// For a failover and for the return of a former primary.
const CHANGE_LIMIT: Duration = Duration::from_secs(60);

const MEMBERS: usize = 3;
const SCOPE: &str = "chaos";

/// How the primary waits for standbys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Replication {
    /// A commit waits for one standby, and blocks without one.
    Synchronous,
    Asynchronous,
}

/// The API of etcd that Patroni uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EtcdApi {
    /// Patroni compares the leader's key before it renews it.
    V2,
    /// Patroni 3.0.2 overwrites the leader's key when it goes on after a pause, so that a cluster with synchronous
    /// replication loses answered changes too.
    V3,
}

/// A running cluster. Dropping it ends all of its processes.
pub(crate) struct Cluster {
    folder: Folder,
    programs: Programs,
    members: Vec<Member>,
    haproxy: HaProxy,
    replication: Replication,
    api: EtcdApi,
    _etcd: Etcd,
}

impl Cluster {
    /// Starts a cluster with synchronous replication and waits until every member has joined.
    pub(crate) fn start(programs: &Programs, folder: &Folder, api: EtcdApi) -> Result<Self> {
        let etcd = Etcd::start(&programs.etcd, folder)?;
        let member = |index| Member::start(index, programs, folder, (api, etcd.port()));
        let members = (0..MEMBERS).map(member).collect::<Result<Vec<_>>>()?;
        let haproxy = HaProxy::start(&programs.haproxy, folder, &members)?;
        let replication = Replication::Synchronous;
        let cluster = Self {
            folder: folder.clone(),
            programs: programs.clone(),
            members,
            haproxy,
            replication,
            api,
            _etcd: etcd,
        };
        cluster.wait_until_healthy_within(START_LIMIT)?;
        Ok(cluster)
    }

    /// Through which API Patroni uses etcd.
    pub(crate) fn api(&self) -> EtcdApi {
        self.api
    }

    pub(crate) fn members(&self) -> &[Member] {
        &self.members
    }

    pub(crate) fn member(&self, index: usize) -> Result<&Member> {
        self.members.get(index).with_context(|| format!("no member {index}"))
    }

    pub(crate) fn member_mut(&mut self, index: usize) -> Result<&mut Member> {
        self.members.get_mut(index).with_context(|| format!("no member {index}"))
    }

    /// The port that leads to the primary, whichever it is.
    pub(crate) fn haproxy_port(&self) -> u16 {
        self.haproxy.port()
    }

    /// The member that holds the leader's key.
    pub(crate) fn leader(&self) -> Result<usize> {
        self.status()?.leader().context("no member is the leader")
    }

    /// The standby for which commits wait, or another one without synchronous replication.
    pub(crate) fn standby(&self) -> Result<usize> {
        self.status()?.candidate().context("no standby runs")
    }

    /// Waits until a member other than `old` is the leader and accepts writes.
    pub(crate) fn wait_for_leader_other_than(&self, old: usize) -> Result<usize> {
        wait::until("another leader", CHANGE_LIMIT, || {
            let leader = self.leader()?;
            ensure!(leader != old, "{} still is the leader", self.member(old)?.name());
            let answer = self.member(leader)?.query("postgres", "SELECT NOT pg_is_in_recovery()")?;
            ensure!(answer == "t", "the new leader is in recovery");
            Ok(leader)
        })
    }

    /// Waits until every member has joined, both standbys stream, and replication is as configured.
    pub(crate) fn wait_until_healthy(&self) -> Result<()> {
        self.wait_until_healthy_within(CHANGE_LIMIT)
    }

    fn wait_until_healthy_within(&self, limit: Duration) -> Result<()> {
        wait::until("a leader with two standbys that stream", limit, || self.check_health())
    }

    fn check_health(&self) -> Result<()> {
        let leader = self.status()?.healthy_leader()?;
        let query = "SELECT count(*) FILTER (WHERE state = 'streaming'), \
                     count(*) FILTER (WHERE sync_state = 'sync'), current_setting('synchronous_standby_names') <> '' \
                     FROM pg_stat_replication WHERE application_name LIKE 'm_'";
        let found = self.member(leader)?.query("postgres", query)?;
        let expected = match self.replication {
            Replication::Synchronous => "2|1|t",
            Replication::Asynchronous => "2|0|f",
        };
        ensure!(
            found == expected,
            "standbys (streaming|synchronous|configured): {found} instead of {expected}"
        );
        Ok(())
    }

    /// Changes the replication of the running cluster.
    pub(crate) fn set_replication(&mut self, replication: Replication) -> Result<()> {
        if self.replication == replication {
            return Ok(());
        }
        let is_synchronous = replication == Replication::Synchronous;
        let body = json!({"synchronous_mode": is_synchronous, "synchronous_mode_strict": is_synchronous});
        let leader = self.member(self.leader()?)?;
        let response = leader.rest().send("PATCH", "/config", None, &body.to_string())?;
        ensure!(response.status == 200, "Patroni answered {}: {}", response.status, response.text());
        self.replication = replication;
        self.wait_until_healthy()
    }

    /// Makes a standby the primary as an operator does; returns it. The former primary becomes a standby.
    pub(crate) fn switch_over(&self) -> Result<usize> {
        let leader = self.leader()?;
        let mut command = std::process::Command::new(&self.programs.patronictl);
        command.arg("-c").arg(self.member(leader)?.configuration());
        command.args(["switchover", "--leader", self.member(leader)?.name()]);
        let candidate = self.standby()?;
        command.args(["--candidate", self.member(candidate)?.name(), "--force", SCOPE]);
        self.folder.run_as_account(&mut command);
        super::process::output(command, CHANGE_LIMIT)?;
        self.wait_for_leader_other_than(leader)
    }

    /// Whether a primary has written what no standby has received.
    pub(crate) fn is_ahead_of_standbys(&self, primary: usize) -> Result<bool> {
        let position = self.member(primary)?.query("postgres", "SELECT pg_current_wal_lsn()")?;
        let query = format!("SELECT pg_last_wal_receive_lsn() < '{position}'");
        let standbys = self.members.iter().enumerate().filter(|(index, _)| *index != primary);
        let mut behind = standbys.map(|(_, standby)| Ok(standby.query("postgres", &query)? == "t"));
        behind.try_fold(true, |all, one: Result<bool>| Ok(all && one?))
    }

    /// Creates a role without special rights and an empty database of its own.
    pub(crate) fn create_database(&self, name: &str) -> Result<()> {
        let leader = self.member(self.leader()?)?;
        let exists = leader.query("postgres", "SELECT count(*) FROM pg_roles WHERE rolname = 'tokenry'")?;
        if exists == "0" {
            leader.query("postgres", "CREATE ROLE tokenry LOGIN")?;
        }
        leader.query("postgres", &format!("CREATE DATABASE {name} OWNER tokenry"))?;
        // A node whose first host does not know the database does not ask the next one.
        wait::until("the database is on every member", CHANGE_LIMIT, || {
            self.members.iter().try_for_each(|member| member.query(name, "SELECT 1").map(drop))
        })
    }

    /// The state of all members, from the first Patroni that answers.
    fn status(&self) -> Result<Status> {
        let mut reason = anyhow!("no Patroni runs");
        for member in &self.members {
            let answer = member.rest().send("GET", "/cluster", None, "");
            match answer.and_then(|response| Status::parse(&response.text())) {
                Ok(status) => return Ok(status),
                Err(error) => reason = error.context(format!("the Patroni of {}", member.name())),
            }
        }
        bail!("{reason:#}")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // The guard ends what is left.
        let _ = processes::end_all(self.folder.path());
    }
}

/// A client with a limit that suits the API of Patroni.
fn rest_client(port: u16) -> Client {
    Client::new(([127, 0, 0, 1], port).into(), Duration::from_secs(2))
}
