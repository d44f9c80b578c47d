//! One process of a cluster: started with a log of its own, signalled, and killed when its value is dropped.

use std::fs::OpenOptions;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process_group};

use super::folder::Folder;
use super::wait;

/// A running process and its process group.
pub(crate) struct Process {
    child: Child,
    name: String,
}

impl Process {
    /// Starts a command as the folder's account, with its output appended to `NAME.log`.
    pub(crate) fn spawn(mut command: Command, name: &str, folder: &Folder) -> Result<Self> {
        let path = folder.log(name);
        let log = OpenOptions::new().create(true).append(true).open(&path);
        let log = log.with_context(|| format!("cannot open {}", path.display()))?;
        folder.run_as_account(&mut command);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        // A process group of its own: Ctrl-C ends this program only, and the guard then ends the others in order.
        command.process_group(0);
        let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        Ok(Self { child, name: name.to_owned() })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to the process and to those that it started in its group.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        kill_process_group(self.pid()?, signal).with_context(|| format!("cannot signal {}", self.name))
    }

    /// # Errors
    /// When the process has ended.
    pub(crate) fn check_running(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} ended: {status}", self.name),
        }
    }

    /// Kills the process group and waits for the end of the process.
    pub(crate) fn kill(mut self) -> Result<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        self.signal(Signal::KILL)?;
        wait::until(&format!("the end of {}", self.name), Duration::from_secs(10), || {
            self.child.try_wait()?.ok_or_else(|| anyhow!("it still runs"))
        })?;
        Ok(())
    }

    fn pid(&self) -> Result<Pid> {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        id.with_context(|| format!("{} has no process id", self.name))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Ended already: nothing is left to kill, and the group may belong to others.
        if self.child.try_wait().is_ok_and(|status| status.is_some()) {
            return;
        }
        let _ = self.signal(Signal::KILL);
        let _ = self.child.wait();
    }
}

/// Runs a command to its end and returns what it printed.
///
/// # Errors
/// When it fails or takes longer than `limit`.
pub(crate) fn output(mut command: Command, limit: Duration) -> Result<String> {
    let name = command.get_program().display().to_string();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot run {name}"))?;
    let ended = wait::until(&format!("the end of {name}"), limit, || {
        child.try_wait()?.ok_or_else(|| anyhow!("it still runs"))
    });
    if ended.is_err() {
        let _ = child.kill();
    }
    let output = child.wait_with_output()?;
    ended?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!("{name}: {}\n{stdout}{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(stdout)
}
