//! Processes of proxies with the shipped recipes; only addresses are replaced.

mod apache;
mod command;

use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    process::{Child, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use tempfile::TempDir;

use self::command::Layout;

/// A proxy or a resource server with a recipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Nginx,
    Caddy,
    Traefik,
    Envoy,
    /// Apache with `mod_auth_openidc`, which introspects.
    AuthOpenidc,
    /// Apache with `mod_oauth2`, which introspects.
    OAuth2,
}

/// A running proxy, which is killed on drop.
pub(crate) struct Gateway {
    pub(crate) kind: Kind,
    process: Child,
    pub(crate) address: String,
    folder: TempDir,
}

impl Kind {
    /// Those that use forward-auth.
    pub(crate) const ALL: [Self; 4] = [Self::Nginx, Self::Caddy, Self::Traefik, Self::Envoy];

    /// Starts the proxy in front of `tokenry` and `app`, both `host:port`, with each first text replaced by the second in
    /// the recipe; `None` if it is not installed.
    pub(crate) fn start(self, tokenry: &str, app: &str, changes: &[(&str, &str)]) -> Option<Gateway> {
        let program = self.program()?;
        let folder = TempDir::new().expect("a temporary folder");
        let address = free_address();
        let layout = Layout { folder: folder.path(), listen: &address, tokenry, app };
        let mut command = self.command(&program, &layout, changes);
        let log = fs::File::create(folder.path().join("stderr")).expect("a file");
        let output = log.try_clone().expect("a file");
        let process =
            command.stdin(Stdio::null()).stdout(output).stderr(log).spawn().expect("the proxy starts");
        let mut gateway = Gateway { kind: self, process, address, folder };
        gateway.wait();
        Some(gateway)
    }
}

impl Gateway {
    /// Waits until the proxy listens and has its routes.
    fn wait(&mut self) {
        for _ in 0..1000 {
            if self.is_ready() {
                return;
            }
            let ended = self.process.try_wait().expect("a process");
            assert!(ended.is_none(), "the proxy ended: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the proxy does not listen: {}", self.log());
    }

    /// Traefik listens before it reads its routes, and answers 404 until then.
    fn is_ready(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(&self.address) else { return false };
        if self.kind != Kind::Traefik {
            return true;
        }
        let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: app.example.org\r\nConnection: close\r\n\r\n");
        let _ = stream.set_read_timeout(Some(Duration::from_millis(500)));
        let mut head = [0; 12];
        // Without an answer it waits for Tokenry, so it has its routes.
        stream.read_exact(&mut head).is_err() || !head.ends_with(b"404")
    }

    /// Everything that the proxy printed.
    pub(crate) fn log(&self) -> String {
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
