//! A private PostgreSQL server that runs exactly as long as the command that needs it.
//!
//! std cannot handle signals, so a second process cleans up: the guard, which is this program in its own process group.
//! It reads a pipe that only the first process holds open. However that process ends (return, Ctrl-C or `kill -9`), the
//! pipe closes, and the guard stops the server and removes its folder.

mod cluster;
mod find;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};

use crate::flags::PostgresFlags;
use crate::install::Software;
use crate::step;
use cluster::Cluster;
pub(crate) use cluster::Durability;

/// The variable with the URL of a PostgreSQL server on which the tests may create databases.
const URL_VARIABLE: &str = "TOKENRY_TEST_POSTGRES_URL";

const POSTGRES: Software = Software {
    name: "PostgreSQL",
    packages: ["postgresql", "postgresql-server", "postgresql", "postgresql@18"],
};

/// The PostgreSQL server of a test run.
pub(crate) enum Postgres {
    /// The developer's own server, from the environment.
    Given,
    /// A server that this program started; it stops when this value is dropped.
    Private(Server),
    /// There is none; `why` also says how to get one.
    Missing { why: String },
}

/// Finds or starts a PostgreSQL; may install one first if `may_install`.
pub(crate) fn obtain(may_install: bool) -> Result<Postgres> {
    if std::env::var_os(URL_VARIABLE).is_some_and(|url| !url.is_empty()) {
        eprintln!("using the server of {URL_VARIABLE}");
        return Ok(Postgres::Given);
    }
    let Some(bin_dir) = find_or_install(may_install)? else {
        return Ok(Postgres::Missing { why: advice() });
    };
    match Server::start(&bin_dir, Durability::None) {
        Ok(server) => {
            eprintln!("started {} from {}, in {}", server.version, bin_dir.display(), server.folder);
            Ok(Postgres::Private(server))
        }
        Err(err) => Ok(Postgres::Missing { why: format!("{err:#}; the reason is above") }),
    }
}

fn find_or_install(may_install: bool) -> Result<Option<PathBuf>> {
    let found = find::bin_dir();
    if found.is_none() && may_install && POSTGRES.install()? {
        return Ok(find::bin_dir());
    }
    Ok(found)
}

/// The folder of PostgreSQL's programs; may install them first if `may_install`.
///
/// # Errors
/// When they are still missing.
pub(crate) fn bin_dir(may_install: bool) -> Result<PathBuf> {
    let Some(bin_dir) = find_or_install(may_install)? else {
        bail!("PostgreSQL is missing: {}", advice());
    };
    Ok(bin_dir)
}

/// How to install PostgreSQL or use another server.
fn advice() -> String {
    format!("{}; or point {URL_VARIABLE} at a server of yours", POSTGRES.advice())
}

impl Postgres {
    /// The variables that the tests need.
    pub(crate) fn env(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::Private(server) => Some((URL_VARIABLE, &server.url)),
            Self::Given | Self::Missing { .. } => None,
        }
    }

    /// The databases of the run, for the summary.
    pub(crate) fn databases(&self) -> String {
        match self {
            Self::Given => format!("SQLite and the PostgreSQL of {URL_VARIABLE}"),
            Self::Private(server) => format!("SQLite and {}", server.version),
            Self::Missing { .. } => "SQLite ONLY".to_owned(),
        }
    }
}

/// A running server and the guard that owns it.
pub(crate) struct Server {
    guard: Child,
    url: String,
    version: String,
    folder: String,
}

impl Server {
    fn start(bin_dir: &Path, durability: Durability) -> Result<Self> {
        let program = std::env::current_exe().context("cannot find this program")?;
        let mut command = Command::new(program);
        command.arg("postgres-guard").arg(bin_dir);
        if durability == Durability::Full {
            command.arg("--durable");
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        // A separate process group: Ctrl-C ends this process, and the guard must survive to clean up.
        command.process_group(0);
        let mut guard = command.spawn().context("cannot start the guard of PostgreSQL")?;
        let stdout = guard.stdout.take().context("the guard has no stdout")?;
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        let (Some(url), Some(version), Some(folder)) = (lines.next(), lines.next(), lines.next()) else {
            let _ = guard.wait();
            bail!("PostgreSQL did not start");
        };
        Ok(Self { guard, url, version, folder })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.guard.stdin.take()); // the guard's signal to end
        let _ = self.guard.wait();
    }
}

/// The guard: starts a server, prints three lines about it, and keeps it until stdin ends.
pub(crate) fn guard(bin_dir: &Path, durability: Durability) -> Result<ExitCode> {
    let cluster = Cluster::start(bin_dir, durability)?;
    let mut stdout = io::stdout();
    writeln!(stdout, "{}\n{}\n{}", cluster.url(), cluster.version(), cluster.folder().display())?;
    stdout.flush()?;
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(ExitCode::SUCCESS)
}

/// Starts a durable server for a measurement, regardless of the environment, and returns its address.
pub(crate) fn durable(may_install: bool) -> Result<(Server, String)> {
    let server = Server::start(&bin_dir(may_install)?, Durability::Full)?;
    eprintln!("started {}, durable, in {}", server.version, server.folder);
    let url = server.url.clone();
    Ok((server, url))
}

/// `cargo xtask postgres`: the server during a command, or until Ctrl-C.
pub(crate) fn run(flags: &PostgresFlags) -> Result<ExitCode> {
    let server = Server::start(&bin_dir(!flags.no_install)?, Durability::None)?;
    eprintln!("started {} in {}", server.version, server.folder);
    if let Some((program, args)) = flags.command.split_first() {
        let status = step::run(Command::new(program).args(args).env(URL_VARIABLE, &server.url))?;
        return Ok(step::exit_code(status));
    }
    eprintln!("Ctrl-C stops it.");
    println!("{URL_VARIABLE}={}", server.url);
    loop {
        std::thread::park();
    }
}
