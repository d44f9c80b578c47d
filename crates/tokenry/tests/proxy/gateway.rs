//! nginx and Caddy processes with the shipped recipes; only addresses are replaced.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use tempfile::TempDir;

/// A proxy with a recipe that tests can run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Nginx,
    Caddy,
}

/// A running proxy, which is killed on drop.
pub(crate) struct Gateway {
    process: Child,
    pub(crate) address: String,
    folder: TempDir,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Caddy => "caddy",
        }
    }

    /// The path of the program; distributions keep servers out of the user's PATH. On a build server it must exist.
    fn program(self) -> Option<PathBuf> {
        let variable =
            |name: &str| std::env::vars_os().find(|(known, _)| known == name).map(|(_, value)| value);
        let path = variable("PATH").unwrap_or_default();
        let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
        let found = folders.map(|folder| folder.join(self.name())).find(|program| program.is_file());
        if found.is_none() {
            let is_ci =
                variable("CI").is_some_and(|value| !["", "0", "false"].map(Into::into).contains(&value));
            assert!(!is_ci, "{} is missing, and on a build server that is a failure", self.name());
            eprintln!(
                "SKIPPED: {} is not installed (cargo xtask test installs it where it may)",
                self.name()
            );
        }
        found
    }

    /// Starts the proxy in front of `tokenry` and `app`, both `host:port`, with each first text replaced by the second in
    /// the recipe; `None` if it is not installed.
    pub(crate) fn start(self, tokenry: &str, app: &str, changes: &[(&str, &str)]) -> Option<Gateway> {
        let program = self.program()?;
        let folder = TempDir::new().expect("a temporary folder");
        let address = free_address();
        let recipe = |name: &str| {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/deploy").join(name);
            let text = fs::read_to_string(path).expect("a recipe");
            assert!(text.contains("127.0.0.1:8080") && text.contains("127.0.0.1:9000"), "{name}");
            let text = changes.iter().fold(text, |text, (from, to)| {
                assert!(text.contains(from), "{name} has no {from}");
                text.replace(from, to)
            });
            text.replace("127.0.0.1:8080", tokenry).replace("127.0.0.1:9000", app)
        };
        let mut command = Command::new(program);
        match self {
            Self::Nginx => {
                write(&folder, "app.conf", &recipe("nginx.conf").replace("127.0.0.1:8000", &address));
                let root = folder.path().display();
                let main = format!(
                    "daemon off;\nmaster_process off;\npid {root}/pid;\nerror_log {root}/log;\nevents {{}}\n\
                     http {{\n access_log off;\n client_body_temp_path {root}/1;\n proxy_temp_path {root}/2;\n\
                     fastcgi_temp_path {root}/3;\n uwsgi_temp_path {root}/4;\n scgi_temp_path {root}/5;\n\
                     include {root}/app.conf;\n}}\n"
                );
                let main = write(&folder, "nginx.conf", &main);
                command.arg("-p").arg(folder.path()).arg("-c").arg(main);
                command.arg("-e").arg(folder.path().join("log"));
            }
            Self::Caddy => {
                // Tests connect by address and may send any host name.
                let (host, port) = address.split_once(':').expect("a port");
                let listen = format!("http://:{port} {{\n\tbind {host}");
                let site = recipe("Caddyfile").replace("app.example.org {", &listen);
                let file = write(&folder, "Caddyfile", &format!("{{\n\tadmin off\n}}\n{site}"));
                command.args(["run", "--adapter", "caddyfile", "--config"]).arg(file);
                for variable in ["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"] {
                    command.env(variable, folder.path());
                }
            }
        }
        let log = fs::File::create(folder.path().join("stderr")).expect("a file");
        let process =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().expect("the proxy starts");
        let mut gateway = Gateway { process, address, folder };
        gateway.wait();
        Some(gateway)
    }
}

impl Gateway {
    /// Waits until the proxy listens.
    fn wait(&mut self) {
        for _ in 0..500 {
            if TcpStream::connect(&self.address).is_ok() {
                return;
            }
            let ended = self.process.try_wait().expect("a process");
            assert!(ended.is_none(), "the proxy ended: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the proxy does not listen: {}", self.log());
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("stderr")).unwrap_or_default()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A free address that no other test takes before the proxy does: on Linux each test has its own loopback address.
fn free_address() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = std::process::id().wrapping_mul(32).wrapping_add(COUNT.fetch_add(1, Ordering::Relaxed));
    let [_, a, b, c] = number.to_be_bytes();
    let host = if cfg!(target_os = "linux") { [127, a, b, c] } else { [127, 0, 0, 1] };
    let listener = TcpListener::bind((Ipv4Addr::from(host), 0)).expect("a free port");
    listener.local_addr().expect("an address").to_string()
}

fn write(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, text).expect("a file");
    path
}
