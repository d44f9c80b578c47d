//! A server with routes, an application, and a proxy in front of them.

use crate::{
    client::{self, Answer},
    folder::Folder,
    gateway::{Gateway, Kind},
    server::Server,
    upstream::{Received, Upstream},
};

pub(crate) const SETTINGS: &str = r#"
[server]
trusted_proxies = ["127.0.0.1"]

[limits]
max_live_tokens = 0
creations_per_hour = 0
failures_per_minute = 0

[[catalog.routes]]
path = "/hooks/**"
exclude = true

[[catalog.routes]]
path = "/admin/**"
resource = "secrets"

[[catalog.routes]]
path = "/public/**"
resource = "demo"

[[catalog.routes]]
path = "/demo/**"
resource = "demo"
"#;

/// A server with routes.
pub(crate) struct Backend {
    pub(crate) server: Server,
    pub(crate) folder: Folder,
}

impl Backend {
    pub(crate) fn new() -> Self {
        Self::with("")
    }

    /// The same with more settings.
    pub(crate) fn with(more: &str) -> Self {
        let folder = Folder::new();
        std::fs::write(folder.path("tokenry.toml"), format!("{SETTINGS}{more}")).expect("a file");
        Self::on(folder)
    }

    /// With at most so many failures per minute.
    pub(crate) fn with_limit_of_failures(limit: u32) -> Self {
        let folder = Folder::new();
        let settings = SETTINGS.replace("failures_per_minute = 0", &format!("failures_per_minute = {limit}"));
        std::fs::write(folder.path("tokenry.toml"), settings).expect("a file");
        Self::on(folder)
    }

    /// With the settings of `docs/deploy/repositories.toml`.
    pub(crate) fn for_repositories() -> Self {
        let folder = Folder::new();
        let settings = include_str!("../../../../docs/deploy/repositories.toml");
        let limits = "[limits]\nmax_live_tokens = 0\ncreations_per_hour = 0\nfailures_per_minute = 0\n";
        std::fs::write(folder.path("tokenry.toml"), format!("{settings}\n{limits}")).expect("a file");
        Self::on(folder)
    }

    fn on(folder: Folder) -> Self {
        let server = Server::start(&folder);
        folder.output("user add alice");
        Self { server, folder }
    }

    /// A token of alice.
    pub(crate) fn token(&self, name: &str, options: &str) -> String {
        let line = format!("token create --user alice --name {name} --quiet {options}");
        self.folder.output(&line).trim().to_owned()
    }
}

/// All processes of one test, which end on drop.
pub(crate) struct Setup {
    pub(crate) gateway: Gateway,
    pub(crate) upstream: Upstream,
    pub(crate) backend: Backend,
    /// A token of alice, who may read `demo`.
    pub(crate) token: String,
}

impl Setup {
    /// `None` if the proxy is not installed.
    pub(crate) fn new(kind: Kind) -> Option<Self> {
        Self::with(kind, Backend::new(), &[])
    }

    /// In front of this server, with texts of the recipe replaced by others.
    pub(crate) fn with(kind: Kind, backend: Backend, changes: &[(&str, &str)]) -> Option<Self> {
        let upstream = Upstream::start();
        let gateway = kind.start(&backend.server.address, &upstream.address, changes)?;
        let token = backend.token("reader", "--scope demo:read");
        Some(Self { gateway, upstream, backend, token })
    }

    /// Another token of alice.
    pub(crate) fn token(&self, name: &str, options: &str) -> String {
        self.backend.token(name, options)
    }

    /// Sends a request with this token through the proxy.
    pub(crate) fn ask(&self, line: &str, token: &str, headers: &[(&str, &str)]) -> Answer {
        let credential = format!("Bearer {token}");
        let mut all = vec![("Authorization", credential.as_str())];
        all.extend(headers);
        client::send(&self.gateway.address, line, &all, b"")
    }

    /// Asserts that the application was reached and returns the request it received.
    #[track_caller]
    pub(crate) fn reached(&self, answer: &Answer) -> Received {
        assert_eq!(answer.status, 200, "{}", answer.text);
        let mut received = self.upstream.take();
        assert_eq!(received.len(), 1);
        received.remove(0)
    }

    /// Asserts that the application was not reached and that the answer has one of these statuses.
    #[track_caller]
    pub(crate) fn stopped(&self, answer: &Answer, statuses: &[u16]) {
        assert!(statuses.contains(&answer.status), "{}", answer.text);
        assert!(self.upstream.take().is_empty(), "the application was reached");
    }
}

/// Defines one test per installed proxy.
macro_rules! each_proxy {
    ($name:ident, |$setup:ident| $body:block) => {
        mod $name {
            #[allow(unused_imports, reason = "not every test needs its module's names")]
            use super::*;

            fn text(kind: crate::gateway::Kind) {
                let Some($setup) = crate::setup::Setup::new(kind) else { return };
                $body
            }

            #[test]
            fn nginx() {
                text(crate::gateway::Kind::Nginx);
            }

            #[test]
            fn caddy() {
                text(crate::gateway::Kind::Caddy);
            }

            #[test]
            fn traefik() {
                text(crate::gateway::Kind::Traefik);
            }

            #[test]
            fn envoy() {
                text(crate::gateway::Kind::Envoy);
            }
        }
    };
}
pub(crate) use each_proxy;
