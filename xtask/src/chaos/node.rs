//! A node: one `tokenry serve` with its own connections to the database.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;

use super::client::Client;
use super::cluster::Cluster;
use super::folder::Folder;
use super::ports;
use super::process::Process;
use super::proxy::{Mode, Proxy};
use super::wait;

const START_LIMIT: Duration = Duration::from_secs(60);

/// How a node finds the primary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    /// Through HAProxy.
    HaProxy,
    /// A URL with all members as hosts.
    Hosts,
}

/// How a node of a scenario is started.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NodePlan {
    pub(crate) route: Route,
    /// Seconds by which its wall clock differs, if it can be changed.
    pub(crate) clock: Option<i64>,
}

impl NodePlan {
    pub(crate) const fn through(route: Route) -> Self {
        Self { route, clock: None }
    }
}

/// What all nodes of a run have in common.
#[derive(Debug, Clone)]
pub(crate) struct NodeProgram {
    pub(crate) binary: PathBuf,
    pub(crate) faketime: PathBuf,
    /// `server.lease`, if the program has that setting.
    pub(crate) lease: Option<Duration>,
    /// Whether the program has `server.journal`.
    has_journal: bool,
}

impl NodeProgram {
    /// Copies a program to where every account may run it, and asks whether it has leases.
    pub(crate) fn copy(source: &Path, folder: &Folder, faketime: &Path, lease: Duration) -> Result<Self> {
        let binary = folder.path().join("tokenry");
        fs::copy(source, &binary).with_context(|| {
            format!("cannot copy {}; fix: cargo build, or --binary FILE", source.display())
        })?;
        let faketime = faketime.to_owned();
        let mut program = Self { binary, faketime, lease: Some(lease), has_journal: true };
        // It needs the settings and no database.
        let mut command = program.command(folder);
        folder.run_as_account(command.arg("patterns"));
        let output = command.output().context("cannot run the program")?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            let is_unknown = |name: &str| text.contains(&format!("TOKENRY_SERVER__{name}"));
            ensure!(is_unknown("LEASE") || is_unknown("JOURNAL"), "the program does not run: {text}");
            program.lease = program.lease.filter(|_| !is_unknown("LEASE"));
            program.has_journal = false;
        }
        Ok(program)
    }

    fn command(&self, folder: &Folder) -> Command {
        let mut command = Command::new(&self.binary);
        for limit in ["MAX_LIVE_TOKENS", "CREATIONS_PER_HOUR", "MANAGEMENT_PER_MINUTE", "FAILURES_PER_MINUTE"]
        {
            command.env(format!("TOKENRY_LIMITS__{limit}"), "0");
        }
        command.env("TOKENRY_TOKEN__HASH", "sha256").env("TOKENRY_LOG__FORMAT", "json");
        // Thousands of requests a second would hide the rest.
        command.env("TOKENRY_LOG", "info,tokenry::request=warn");
        if let Some(lease) = self.lease {
            command.env("TOKENRY_SERVER__LEASE", format!("{}ms", lease.as_millis()));
        }
        if self.has_journal {
            command.env("TOKENRY_SERVER__JOURNAL", "journal");
        }
        command.current_dir(folder.path());
        command
    }
}

/// A node. It keeps its port and its folder when it is killed.
pub(crate) struct Node {
    name: String,
    program: NodeProgram,
    plan: NodePlan,
    database_url: String,
    process: Option<Process>,
    port: u16,
    folder: Folder,
    /// One for HAProxy, or one for each member.
    links: Vec<Proxy>,
}

impl Node {
    /// Starts a node and waits until it answers that it is ready.
    pub(crate) fn start(
        name: &str,
        program: &NodeProgram,
        plan: NodePlan,
        cluster: &Cluster,
        database: &str,
        folder: &Folder,
    ) -> Result<Self> {
        let targets: Vec<_> = match plan.route {
            Route::HaProxy => vec![cluster.haproxy_port()],
            Route::Hosts => cluster.members().iter().map(|member| member.port()).collect(),
        };
        let links = targets.into_iter().map(Proxy::to_postgres).collect::<Result<Vec<_>>>()?;
        let hosts: Vec<_> = links.iter().map(|link| format!("127.0.0.1:{}", link.port())).collect();
        let mut node = Self {
            name: name.to_owned(),
            program: program.clone(),
            plan,
            database_url: format!("postgres://tokenry@{}/{database}?sslmode=disable", hosts.join(",")),
            process: None,
            port: ports::free()?,
            folder: folder.create(name)?,
            links,
        };
        node.launch()?;
        node.wait_until_ready()?;
        Ok(node)
    }

    /// Starts the process; it may take a while until it listens.
    pub(crate) fn launch(&mut self) -> Result<()> {
        let mut command = self.program.command(&self.folder);
        command.args(["serve", "--listen", &self.address().to_string()]);
        command.env("TOKENRY_DATABASE_URL", &self.database_url);
        if let Some(seconds) = self.plan.clock {
            let file = self.folder.write("clock", &offset(seconds))?;
            command.env("LD_PRELOAD", &self.program.faketime).env("FAKETIME_TIMESTAMP_FILE", file);
            // The file is read again every second. The monotonic clock is not faked.
            command.env("FAKETIME_CACHE_DURATION", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
        self.process = Some(Process::spawn(command, &self.name, &self.folder)?);
        Ok(())
    }

    /// Waits until the process answers, and starts it again when it ends, as a supervisor of services does.
    pub(crate) fn supervise_start(&mut self) -> Result<()> {
        let what = format!("{} answers 200 to /healthz", self.name);
        let mut client = Client::new(self.address(), Duration::from_secs(5));
        wait::until(&what, START_LIMIT, || {
            if self.check_running().is_err() {
                self.launch()?;
            }
            ensure!(client.send("GET", "/healthz", None, "")?.status == 200, "it is not healthy");
            Ok(())
        })
    }

    /// Kills the process, if it runs.
    pub(crate) fn kill(&mut self) -> Result<()> {
        let Some(process) = self.process.take() else { return Ok(()) };
        let id = process.id();
        process.kill()?;
        // libfaketime leaves these of a process that is killed; without a faked clock there are none.
        for name in [format!("faketime_shm_{id}"), format!("sem.faketime_sem_{id}")] {
            let _ = fs::remove_file(Path::new("/dev/shm").join(name));
        }
        Ok(())
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// The token that the first start on a database leaves in its folder.
    pub(crate) fn bootstrap_token(&self) -> Result<String> {
        let path = self.folder.path().join("tokenry-bootstrap-token");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(text.trim().to_owned())
    }

    /// Stops the process with SIGSTOP.
    pub(crate) fn freeze(&self) -> Result<()> {
        self.running()?.signal(Signal::STOP)
    }

    pub(crate) fn thaw(&self) -> Result<()> {
        self.running()?.signal(Signal::CONT)
    }

    /// # Errors
    /// When it has ended.
    pub(crate) fn check_running(&mut self) -> Result<()> {
        match &mut self.process {
            Some(process) => process.check_running(),
            None => bail!("{} does not run", self.name),
        }
    }

    /// Sets its wall clock to this many seconds after the machine's, within a second.
    pub(crate) fn set_clock(&self, seconds: i64) -> Result<()> {
        self.folder.write("clock", &offset(seconds)).map(drop)
    }

    /// Changes every connection to the database.
    pub(crate) fn set_links(&self, mode: Mode) {
        self.links.iter().for_each(|link| link.set(mode));
    }

    /// Changes the connections of its own to the members other than `member`.
    pub(crate) fn set_links_except(&self, member: usize, mode: Mode) {
        let links = self.links.iter().enumerate().filter(|_| self.plan.route == Route::Hosts);
        links.filter(|(index, _)| *index != member).for_each(|(_, link)| link.set(mode));
    }

    /// Changes the connections of its own to one member.
    pub(crate) fn set_link(&self, member: usize, mode: Mode) {
        let link = self.links.get(member).filter(|_| self.plan.route == Route::Hosts);
        link.into_iter().for_each(|link| link.set(mode));
    }

    /// Closes every connection to the database once.
    pub(crate) fn disconnect(&self) {
        self.links.iter().for_each(Proxy::disconnect);
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        // With another clock, readiness fails by design, so that being alive is enough.
        let path = if self.plan.clock.is_some() { "/healthz" } else { "/readyz" };
        let what = format!("{} answers 200 to {path}", self.name);
        let mut client = Client::new(self.address(), Duration::from_secs(5));
        wait::until(&what, START_LIMIT, || {
            // A process that ended does not come back.
            if let Err(error) = self.check_running() {
                return Ok(Err(error));
            }
            let response = client.send("GET", path, None, "")?;
            ensure!(response.status == 200, "{}: {}", response.status, response.text());
            Ok(Ok(()))
        })?
    }

    fn running(&self) -> Result<&Process> {
        self.process.as_ref().with_context(|| format!("{} does not run", self.name))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // The guard ends what is left.
        let _ = self.kill();
    }
}

/// The format of libfaketime for a clock that runs on.
fn offset(seconds: i64) -> String {
    format!("{seconds:+}\n")
}

#[cfg(test)]
mod tests {
    use super::offset;

    #[test]
    fn an_offset_has_a_sign() {
        assert_eq!((offset(600), offset(-600), offset(0)), ("+600\n".into(), "-600\n".into(), "+0\n".into()));
    }
}
