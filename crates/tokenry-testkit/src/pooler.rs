//! PgBouncer in front of a PostgreSQL server.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    os::unix::{fs::chown, process::CommandExt},
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use crate::{cluster::account, programs};

/// A pooler on a free port of 127.0.0.1, which accepts every client as `tokenry`. Dropping it stops the pooler.
pub struct Pooler {
    process: Child,
    folder: TempDir,
    server: String,
    port: u16,
}

impl Pooler {
    /// Starts a pooler in `mode` (`session`, `transaction` or `statement`) in front of the server of `url`. `None` when
    /// PgBouncer is not installed.
    ///
    /// # Panics
    /// Without PgBouncer under `CI`.
    #[must_use]
    pub fn start(url: &str, mode: &str) -> Option<Self> {
        let program = programs::installed(&["pgbouncer"])?;
        let folder = tempfile::Builder::new().prefix("tokenry-pgbouncer-").tempdir_in("/tmp").unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = url.split_once('@').unwrap().1.split_once('/').unwrap().0.to_owned();
        fs::write(folder.path().join("users"), "\"tokenry\" \"\"\n").unwrap();
        let mut command = Command::new(program);
        if let Some((user, group)) = account() {
            chown(folder.path(), Some(user), Some(group)).unwrap();
            command.uid(user).gid(group);
        }
        let settings = folder.path().join("settings");
        fs::write(&settings, text(&folder, &server, port, mode)).unwrap();
        command.arg(&settings).current_dir(folder.path()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().unwrap();
        let pooler = Self { process, folder, server, port };
        assert!((0..400).any(|_| TcpStream::connect(("127.0.0.1", port)).is_ok() || {
            std::thread::sleep(Duration::from_millis(25));
            false
        }));
        Some(pooler)
    }

    /// Changes the mode of the running pooler.
    pub fn set_mode(&self, mode: &str) {
        let settings = text(&self.folder, &self.server, self.port, mode);
        fs::write(self.folder.path().join("settings"), settings).unwrap();
        let status = Command::new("kill").args(["-HUP", &self.process.id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    /// The address of a database of the server, through the pooler.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://tokenry@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn text(folder: &TempDir, server: &str, port: u16, mode: &str) -> String {
    let (host, server) = server.rsplit_once(':').unwrap();
    format!(
        "[databases]\n* = host={host} port={server}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
         unix_socket_dir =\nauth_type = trust\nauth_file = {}\npool_mode = {mode}\ndefault_pool_size = 40\n",
        folder.path().join("users").display()
    )
}
