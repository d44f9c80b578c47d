//! A server process and its resource usage.

use std::{
    fs::{self, File},
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// The deadline for the first response of a server.
const START: Duration = Duration::from_secs(30);

/// A running server. Dropping it stops the process.
pub(crate) struct Server {
    process: Child,
    pub(crate) address: SocketAddr,
    /// From the start of the process to its first response.
    pub(crate) started_in: Duration,
}

impl Server {
    /// The example that guards a route, on the database at `url`. Its log is `folder/guard.log`.
    ///
    /// # Errors
    /// Also when it rejects one of the `flags`; the error is then its last line of output.
    pub(crate) fn guard(program: &Path, url: &str, flags: &[&str], folder: &Path) -> Result<Self> {
        let mut command = Command::new(program);
        command.args(["--database-url", url]).args(flags);
        Self::start(command, "/public", &folder.join("guard.log"))
    }

    /// `tokenry serve` without limits, for tokens that are stored as SHA-256.
    pub(crate) fn tokenry(program: &Path, url: &str, folder: &Path) -> Result<Self> {
        let mut command = tokenry(program, url, folder);
        command.arg("serve");
        Self::start(command, "/healthz", &folder.join("tokenry.log"))
    }

    fn start(mut command: Command, path: &str, log: &Path) -> Result<Self> {
        // The port is free now; another process is unlikely to take it within milliseconds.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        command.args(["--listen", &address.to_string()]);
        let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        let begun = Instant::now();
        let mut process = command.spawn().context("cannot start a server")?;
        loop {
            if is_ok(address, path) {
                return Ok(Self { process, address, started_in: begun.elapsed() });
            }
            if let Some(status) = process.try_wait()? {
                let text = fs::read_to_string(log).unwrap_or_default();
                bail!("{}", text.lines().last().map_or(format!("ended with {status}"), str::to_owned));
            }
            if begun.elapsed() > START {
                let _ = process.kill();
                bail!("a server did not respond within {START:?}");
            }
            std::thread::sleep(Duration::from_micros(500));
        }
    }

    /// CPU time so far, user and system; `None` where the system does not report it.
    pub(crate) fn cpu(&self) -> Option<Duration> {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.process.id())).ok()?;
        // The name in parentheses may contain spaces.
        let fields: Vec<_> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = |field: usize| fields.get(field)?.parse::<u64>().ok();
        // Linux reports hundredths of a second.
        Some(Duration::from_millis((ticks(11)? + ticks(12)?) * 10))
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// When the process is gone.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(Pid::from_child(&self.process), signal).context("cannot signal a server")
    }

    /// Resident memory in bytes.
    ///
    /// # Errors
    /// Where the system does not report it.
    pub(crate) fn resident(&self) -> Result<u64> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.process.id()))
            .context("only Linux reports the memory of a process in /proc")?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kib * 1024)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The command line of `tokenry` on this database, run in `folder`.
pub(crate) fn tokenry(program: &Path, url: &str, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).env("TOKENRY_DATABASE_URL", url).env("TOKENRY_LOG", "warn");
    for (key, value) in [
        ("TOKEN__HASH", "sha256"),
        ("LIMITS__MAX_LIVE_TOKENS", "0"),
        ("LIMITS__CREATIONS_PER_HOUR", "0"),
        ("LIMITS__FAILURES_PER_MINUTE", "0"),
        ("LIMITS__MANAGEMENT_PER_MINUTE", "0"),
    ] {
        command.env(format!("TOKENRY_{key}"), value);
    }
    command
}

/// Sends one request on a new connection and returns the whole response.
pub(crate) fn exchange(address: SocketAddr, request: &str) -> std::io::Result<String> {
    let mut socket = TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    socket.write_all(request.replacen("\r\n", "\r\nConnection: close\r\n", 1).as_bytes())?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    Ok(answer)
}

fn is_ok(address: SocketAddr, path: &str) -> bool {
    exchange(address, &crate::traffic::get(path)).is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}
