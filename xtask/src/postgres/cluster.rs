//! One throw-away PostgreSQL cluster: created, started, stopped and removed.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::account::{self, Account};

/// A running cluster. Dropping it stops the server, then removes the folder.
pub(crate) struct Cluster {
    bin_dir: PathBuf,
    folder: TempDir,
    account: Option<Account>,
    port: u16,
    version: String,
    durability: Durability,
}

/// Whether committed data survives a crash of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// It may be lost: test data is disposable, and durability takes most of the time of a test run.
    None,
    /// It survives, as in production: for measurements.
    Full,
}

impl Durability {
    fn settings(self) -> &'static str {
        match self {
            Self::None => {
                "shared_buffers = 64MB\nfsync = off\nfull_page_writes = off\nsynchronous_commit = off\n"
            }
            // The memory and the log of a small dedicated server.
            Self::Full => "shared_buffers = 512MB\nmax_wal_size = 4GB\n",
        }
    }
}

const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
max_connections = 300
";

impl Cluster {
    /// Creates and starts a cluster on a free port of 127.0.0.1, with the superuser `tokenry` and no password.
    pub(crate) fn start(bin_dir: &Path, durability: Durability) -> Result<Self> {
        // `/tmp` and not TMPDIR: a socket's path may have 107 bytes (103 on macOS), and root's TMPDIR may be closed
        // to the account that must enter it.
        let parent =
            Some(PathBuf::from("/tmp")).filter(|tmp| tmp.is_dir()).unwrap_or_else(std::env::temp_dir);
        let folder = tempfile::Builder::new().prefix("tokenry-pg-").tempdir_in(parent)?;
        let is_root = fs::metadata(folder.path())?.uid() == 0;
        let account = if is_root { Some(account::unprivileged()?) } else { None };
        if let Some(Account { uid, gid }) = account {
            chown(folder.path(), Some(uid), Some(gid)).context("cannot change the owner of the folder")?;
        }
        let mut cluster = Self {
            bin_dir: bin_dir.to_owned(),
            folder,
            account,
            port: 0,
            version: String::new(),
            durability,
        };
        cluster.version = cluster.ask_version()?;
        cluster.init()?;
        cluster.launch()?;
        Ok(cluster)
    }

    /// The URL for the tests.
    pub(crate) fn url(&self) -> String {
        format!("postgres://tokenry@127.0.0.1:{}/postgres?sslmode=disable", self.port)
    }

    /// The server's name and version: `PostgreSQL 15.14`.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// The folder with all files of the cluster.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn data(&self) -> PathBuf {
        self.folder().join("data")
    }

    fn log(&self) -> PathBuf {
        self.folder().join("log")
    }

    fn ask_version(&self) -> Result<String> {
        let text = self.run(self.program("postgres").arg("--version"))?;
        // `postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)`
        let version = text.split_whitespace().nth(2).context("postgres --version prints no version")?;
        Ok(format!("PostgreSQL {version}"))
    }

    fn init(&self) -> Result<()> {
        let mut command = self.program("initdb");
        command.arg("-D").arg(self.data());
        command.args(["--username=tokenry", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]);
        self.run(&mut command).map(drop)
    }

    /// Starts the server; tries another port if the free one was taken meanwhile.
    fn launch(&mut self) -> Result<()> {
        let file = self.data().join("postgresql.conf");
        let initial = fs::read_to_string(&file).context("initdb wrote no postgresql.conf")?;
        let mut result = Ok(());
        for _attempt in 0..3 {
            self.port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
            let socket =
                format!("port = {}\nunix_socket_directories = '{}'\n", self.port, self.folder().display());
            fs::write(&file, format!("{initial}{SETTINGS}{}{socket}", self.durability.settings()))?;
            let mut command = self.program("pg_ctl");
            command.arg("-D").arg(self.data()).arg("-l").arg(self.log()).args(["-w", "-t", "60", "start"]);
            result = self.run(&mut command).map(drop);
            if result.is_ok() {
                return result;
            }
        }
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        result.with_context(|| format!("PostgreSQL does not start; its log:\n{}", log.trim_end()))
    }

    /// One of PostgreSQL's programs, with the right user and without the PG* variables of the developer.
    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.bin_dir.join(name));
        command.current_dir(self.folder()).env("LC_ALL", "C");
        for variable in ["PGDATA", "PGPORT", "PGHOST", "PGUSER", "PGDATABASE", "PGOPTIONS", "PGPASSFILE"] {
            command.env_remove(variable);
        }
        if let Some(Account { uid, gid }) = self.account {
            command.uid(uid).gid(gid); // std drops the supplementary groups with them
        }
        command
    }

    /// Runs `command` and returns what it printed.
    fn run(&self, command: &mut Command) -> Result<String> {
        let name = command.get_program().display().to_string();
        let output = command.output().with_context(|| format!("cannot run {name}"))?;
        let stdout = String::from_utf8_lossy(&output.stdout);
        ensure!(
            output.status.success(),
            "{name} failed: {}\n{}",
            stdout.trim(),
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(stdout.into_owned())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // `immediate` drops every connection at once. A failure is ignored: the server also ends by itself
        // within a minute after its folder is removed.
        let mut command = self.program("pg_ctl");
        command.arg("-D").arg(self.data()).args(["-m", "immediate", "-w", "-t", "20", "stop"]);
        let _ = self.run(&mut command);
    }
}
