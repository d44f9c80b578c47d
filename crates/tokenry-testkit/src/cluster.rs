//! A private PostgreSQL server for one test, which can be stopped, promoted, and made the standby of another.

use std::{
    env, fs,
    net::TcpListener,
    os::unix::{
        fs::{MetadataExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::Command,
};

use diesel::{Connection, PgConnection, RunQueryDsl, connection::SimpleConnection, sql_query};
use tempfile::TempDir;

/// A server on a free port of 127.0.0.1, with the superuser `tokenry` and no password. Dropping it stops the server.
pub struct Cluster {
    programs: Programs,
    folder: TempDir,
    port: u16,
}

#[derive(Clone)]
struct Programs {
    folder: PathBuf,
    /// PostgreSQL does not run as root.
    account: Option<(u32, u32)>,
}

impl Cluster {
    /// Starts an empty server. `None` when PostgreSQL's programs are not installed.
    ///
    /// # Panics
    /// Without the programs under `CI`.
    #[must_use]
    pub fn start() -> Option<Self> {
        let cluster = Self::prepare(Programs::find()?);
        let data = cluster.data();
        let mut init = cluster.programs.command("initdb", cluster.folder.path());
        init.arg("-D").arg(&data).args([
            "--username=tokenry",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
        ]);
        run(init.arg("--no-sync"));
        let settings = "listen_addresses = '127.0.0.1'\nshared_buffers = 16MB\nfsync = off\nwal_keep_size = 64MB\n\
                        max_connections = 60\n";
        let socket = format!("unix_socket_directories = '{}'\n", cluster.folder.path().display());
        let file = data.join("postgresql.conf");
        fs::write(&file, fs::read_to_string(&file).unwrap() + settings + &socket).unwrap();
        cluster.launch();
        Some(cluster)
    }

    /// Starts a standby of this server and waits until it has caught up.
    #[must_use]
    pub fn standby(&self) -> Self {
        let mut standby = Self::prepare(self.programs.clone());
        standby.follow(self);
        standby
    }

    /// Discards all data and becomes a standby of `primary`, on the same port.
    pub fn follow(&mut self, primary: &Self) {
        let data = self.data();
        if data.join("postmaster.pid").exists() {
            self.stop();
        }
        if data.exists() {
            fs::remove_dir_all(&data).unwrap();
        }
        let mut copy = self.programs.command("pg_basebackup", self.folder.path());
        copy.arg("-D").arg(&data).args([
            "--write-recovery-conf",
            "--checkpoint=fast",
            "--no-sync",
            "-X",
            "stream",
        ]);
        run(copy.args(["-h", "127.0.0.1", "-U", "tokenry", "-p", &primary.port.to_string()]));
        self.launch();
    }

    /// Promotes this standby to a primary.
    pub fn promote(&self) {
        run(self.control().args(["promote", "-w", "-t", "30"]));
    }

    /// Stops the server, which ends all connections.
    pub fn stop(&self) {
        run(self.control().args(["stop", "-m", "fast", "-w", "-t", "30"]));
    }

    /// Starts the server again on the same port.
    pub fn launch(&self) {
        let options = format!("-p {}", self.port);
        let log = self.folder.path().join("log");
        let mut control = self.control();
        control.arg("-l").arg(&log).args(["-o", &options, "start", "-w", "-t", "60"]);
        run(&mut control);
    }

    /// Terminates every connection of Tokenry to this server.
    pub fn disconnect(&self) {
        self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tokenry'",
            "postgres",
        );
    }

    /// Runs a statement in one of its databases, as the superuser.
    ///
    /// # Panics
    /// When it fails.
    pub fn execute(&self, statement: &str, database: &str) {
        let mut connection = PgConnection::establish(&self.url(database)).unwrap();
        connection.batch_execute(statement).unwrap();
    }

    /// Waits until a query returns a row.
    ///
    /// # Panics
    /// When it still returns none after 30 seconds.
    pub fn wait_for(&self, query: &str, database: &str) {
        let pause = std::time::Duration::from_millis(50);
        assert!(
            (0..600).any(|_| self.has_row(query, database).is_some() || {
                std::thread::sleep(pause);
                false
            }),
            "no row within 30 seconds: {query}"
        );
    }

    /// The number of rows, unless there is none or the server does not respond.
    fn has_row(&self, query: &str, database: &str) -> Option<usize> {
        let mut connection = PgConnection::establish(&self.url(database)).ok()?;
        sql_query(query).execute(&mut connection).ok().filter(|rows| *rows > 0)
    }

    /// The port on which the server listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address of one of its databases.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://tokenry@127.0.0.1:{}/{database}", self.port)
    }

    fn prepare(programs: Programs) -> Self {
        // The path of a socket has at most 107 bytes.
        let folder = tempfile::Builder::new().prefix("tokenry-pg-").tempdir_in("/tmp").unwrap();
        if let Some((user, group)) = programs.account {
            chown(folder.path(), Some(user), Some(group)).unwrap();
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self { programs, folder, port }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn control(&self) -> Command {
        let mut command = self.programs.command("pg_ctl", self.folder.path());
        command.arg("-D").arg(self.data());
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // The result is ignored: the folder is removed next, and a server without its folder stops by itself.
        let _ = self.control().args(["stop", "-m", "immediate", "-w", "-t", "20"]).output();
    }
}

impl Programs {
    /// The folder that `pg_config` names, else the newest well-known folder.
    fn find() -> Option<Self> {
        let reported = Command::new("pg_config").arg("--bindir").output().ok();
        let reported = reported.map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
        let path = env::var_os("PATH").unwrap_or_default();
        let mut versions: Vec<PathBuf> = ["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt"]
            .iter()
            .filter_map(|parent| fs::read_dir(parent).ok())
            .flat_map(|entries| entries.flatten().map(|entry| entry.path().join("bin")))
            .chain([PathBuf::from("/usr/libexec/postgresql")])
            .collect();
        versions.sort();
        let candidates =
            reported.into_iter().chain(env::split_paths(&path)).chain(versions.into_iter().rev());
        let Some(folder) = candidates.into_iter().find(|folder| has_programs(folder)) else {
            let is_ci = env::var("CI").is_ok_and(|ci| !ci.is_empty() && ci != "false");
            assert!(!is_ci, "PostgreSQL's programs are missing: run `cargo xtask test`");
            eprintln!("NOT TESTED: PostgreSQL's programs are missing; `cargo xtask test` installs them");
            return None;
        };
        Some(Self { folder, account: account() })
    }

    /// A command for one of the programs, without the developer's PG* variables.
    fn command(&self, name: &str, directory: &Path) -> Command {
        let mut command = Command::new(self.folder.join(name));
        command.current_dir(directory).env("LC_ALL", "C");
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PG")) {
            command.env_remove(name);
        }
        if let Some((user, group)) = self.account {
            command.uid(user).gid(group);
        }
        command
    }
}

fn has_programs(folder: &Path) -> bool {
    ["initdb", "pg_ctl", "pg_basebackup", "postgres"].iter().all(|name| folder.join(name).is_file())
}

/// For root: `postgres` if there is such an account, else `nobody`.
pub(crate) fn account() -> Option<(u32, u32)> {
    if fs::metadata("/proc/self").map_or(1, |process| process.uid()) != 0 {
        return None;
    }
    let accounts = fs::read_to_string("/etc/passwd").unwrap();
    ids_of("postgres", &accounts).or_else(|| ids_of("nobody", &accounts))
}

/// The ids of a user and their group, in the text of `/etc/passwd`.
fn ids_of(name: &str, accounts: &str) -> Option<(u32, u32)> {
    let mut fields =
        accounts.lines().map(|line| line.split(':')).find(|line| line.clone().next() == Some(name))?;
    Some((fields.nth(2)?.parse().ok()?, fields.next()?.parse().ok()?))
}

fn run(command: &mut Command) {
    // `output` would wait for the server, which inherits the pipes.
    let status = command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).status();
    assert!(status.unwrap().success(), "{command:?}");
}
