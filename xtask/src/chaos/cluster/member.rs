//! One member of the cluster: a Patroni, its PostgreSQL, and the connections of both to the others.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Signal, kill_process};

use super::patroni::{Layout, configuration};
use super::{EtcdApi, rest_client};
use crate::chaos::client::Client;
use crate::chaos::folder::Folder;
use crate::chaos::ports;
use crate::chaos::process::{self, Process};
use crate::chaos::processes;
use crate::chaos::programs::Programs;
use crate::chaos::proxy::{Mode, Proxy};

/// A member. It keeps its ports and its data when it is killed.
pub(crate) struct Member {
    name: String,
    folder: Folder,
    programs: Programs,
    configuration: PathBuf,
    data: PathBuf,
    port: u16,
    rest_port: u16,
    patroni: Option<Process>,
    to_etcd: Proxy,
    /// Through which the other members reach its PostgreSQL.
    from_members: Proxy,
}

impl Member {
    /// Starts a member that uses the API of the etcd on this port.
    pub(super) fn start(
        index: usize,
        programs: &Programs,
        folder: &Folder,
        (api, etcd_port): (EtcdApi, u16),
    ) -> Result<Self> {
        let name = format!("m{}", index + 1);
        let (port, rest_port) = (ports::free()?, ports::free()?);
        let (to_etcd, from_members) = (Proxy::to(etcd_port)?, Proxy::to(port)?);
        // Patroni creates it: it must not exist before.
        let data = folder.path().join(format!("{name}-data"));
        let layout = Layout {
            name: &name,
            port,
            advertised_port: from_members.port(),
            rest_port,
            api,
            etcd_port: to_etcd.port(),
            folder: folder.path(),
            data: &data,
            programs: &programs.postgres,
        };
        let configuration = folder.write(&format!("{name}.yml"), &configuration(&layout))?;
        let mut member = Self {
            name,
            folder: folder.clone(),
            programs: programs.clone(),
            configuration,
            data,
            port,
            rest_port,
            patroni: None,
            to_etcd,
            from_members,
        };
        member.restart()?;
        Ok(member)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Where PostgreSQL listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn rest_port(&self) -> u16 {
        self.rest_port
    }

    pub(super) fn configuration(&self) -> &Path {
        &self.configuration
    }

    /// A client of its Patroni.
    pub(super) fn rest(&self) -> Client {
        rest_client(self.rest_port)
    }

    /// Starts Patroni, which starts PostgreSQL.
    pub(crate) fn restart(&mut self) -> Result<()> {
        let mut command = Command::new(&self.programs.patroni);
        command.arg(&self.configuration);
        self.patroni = Some(Process::spawn(command, &self.name, &self.folder)?);
        Ok(())
    }

    /// Kills Patroni and every process of PostgreSQL, like a machine that loses power.
    pub(crate) fn crash(&mut self) -> Result<()> {
        if let Some(patroni) = self.patroni.take() {
            patroni.kill()?;
        }
        processes::kill_all(&self.data)
    }

    /// Stops Patroni with SIGSTOP, so that it neither renews its key nor demotes PostgreSQL.
    pub(crate) fn freeze_patroni(&self) -> Result<()> {
        self.running_patroni()?.signal(Signal::STOP)
    }

    pub(crate) fn thaw_patroni(&self) -> Result<()> {
        self.running_patroni()?.signal(Signal::CONT)
    }

    /// Stops every process of PostgreSQL with SIGSTOP.
    pub(crate) fn freeze_postgres(&self) -> Result<()> {
        // The main process first, so that it starts no new one.
        kill_process(processes::postmaster(&self.data)?, Signal::STOP).context("cannot stop PostgreSQL")?;
        processes::signal_all(&self.data, Signal::STOP);
        Ok(())
    }

    pub(crate) fn thaw_postgres(&self) {
        processes::signal_all(&self.data, Signal::CONT);
    }

    /// Changes how the other members reach its PostgreSQL: their replication.
    pub(crate) fn set_replication_link(&self, mode: Mode) {
        self.from_members.set(mode);
    }

    /// Changes how its Patroni reaches etcd.
    pub(crate) fn set_etcd_link(&self, mode: Mode) {
        self.to_etcd.set(mode);
    }

    /// Runs one statement as the superuser and returns its rows, columns separated by `|`.
    pub(crate) fn query(&self, database: &str, statement: &str) -> Result<String> {
        let mut command = Command::new(self.programs.postgres.join("psql"));
        command.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U", "postgres"]);
        command.args(["-p", &self.port.to_string(), "-d", database, "-c", statement]);
        command.env("PGCONNECT_TIMEOUT", "3");
        self.folder.run_as_account(&mut command);
        Ok(process::output(command, Duration::from_secs(10))?.trim().to_owned())
    }

    fn running_patroni(&self) -> Result<&Process> {
        self.patroni.as_ref().with_context(|| format!("the Patroni of {} does not run", self.name))
    }
}

/// The index of the member with this name.
pub(super) fn index_of(name: &str) -> Option<usize> {
    name.strip_prefix('m')?.parse::<usize>().ok()?.checked_sub(1)
}
