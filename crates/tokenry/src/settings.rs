//! Settings: flags over the environment over the file over the defaults, all checked before anything starts.
//!
//! [`key`] is the table of keys. Each source is read into [`source::Sources`] with the place of every value, so that
//! a fault is told in one line that names the key, the place and what to change. What is too rich for that table, the
//! catalog and the issuers, is in the file alone and read as [`section::Section`]s.

mod catalog;
mod check;
mod convert;
mod environment;
mod file;
mod issuer_keys;
mod issuers;
mod key;
mod pepper;
mod problem;
mod section;
mod source;
#[cfg(test)]
mod tests;
mod value;

use std::{
    net::SocketAddr,
    num::NonZero,
    path::{Path, PathBuf},
};

use tokenry_actix::ProxySignIn;
use tokenry_service::{DatabaseUrl, IpList, StoreSettings};

use self::source::{BLANK, Raw, Sources, has_clean_ends};
pub(crate) use self::{environment::Environment, problem::Problem, value::LogFormat};
use crate::jwks_refresher::KeySource;

/// Everything that can be set. It holds secrets, so it has no `Debug`.
pub(crate) struct Settings {
    /// Address and port of the HTTP server.
    pub(crate) listen: SocketAddr,
    /// Where tokens are kept; it shows itself without its password.
    pub(crate) database_url: DatabaseUrl,
    /// How the database is used.
    pub(crate) store: StoreSettings,
    /// What tokens look like, what may be made, how they are kept.
    pub(crate) service: tokenry_service::Settings,
    /// The issuers whose keys are fetched while the server runs.
    pub(crate) key_sources: Vec<KeySource>,
    /// How a trusted proxy names the user who signs in.
    pub(crate) proxy_sign_in: Option<ProxySignIn>,
    pub(crate) rates: RateSettings,
    pub(crate) server: Server,
    pub(crate) log: Log,
    /// Variables of the environment that another program made and that say nothing here.
    pub(crate) foreign_variables: Vec<String>,
    /// Former names of settings that are used, each with what to change.
    pub(crate) warnings: Vec<Problem>,
}

/// Limits that are counted in this process; `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RateSettings {
    /// Failed verifications per source address.
    pub(crate) failures_per_minute: Option<NonZero<u32>>,
    /// Management requests per user.
    pub(crate) management_per_minute: Option<NonZero<u32>>,
}

/// How requests are answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Server {
    /// Proxies whose forwarded headers count. Unlike elsewhere the empty list is nobody, not everybody.
    pub(crate) trusted_proxies: IpList,
    /// Threads that answer; `None` is one for each core.
    pub(crate) workers: Option<NonZero<usize>>,
    /// Whether the page is served, where it is built in.
    pub(crate) ui: bool,
}

/// What is logged and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Log {
    /// A checked `EnvFilter` text.
    pub(crate) filter: String,
    /// Whether `TOKENRY_LOG` asked for it, which even the commands obey that log only warnings otherwise.
    pub(crate) requested: bool,
    pub(crate) format: LogFormat,
}

/// What the command line sets.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flags {
    pub(crate) config: Option<PathBuf>,
    pub(crate) database_url: Option<String>,
    pub(crate) listen: Option<String>,
    /// No page, whatever else is said.
    pub(crate) no_ui: bool,
}

impl Settings {
    /// Reads and checks all settings; names of files are relative to `directory`.
    ///
    /// # Errors
    /// Every fault there is, so that one attempt finds them all.
    pub(crate) fn load(
        flags: Flags,
        environment: &Environment,
        directory: &Path,
    ) -> Result<Self, Vec<Problem>> {
        let mut sources = Sources::default();
        for (key, name, value) in [
            (&key::LISTEN, "--listen", flags.listen),
            (&key::DATABASE_URL, "--database-url", flags.database_url),
        ] {
            if let Some(text) = value {
                sources.add(key, problem::SettingSource::Flag(name), Some(Raw::Text(text)));
            }
        }
        if flags.no_ui {
            sources.add(&key::UI, problem::SettingSource::Flag("--no-ui"), Some(Raw::Switch(false)));
        }
        environment.read(directory, &mut sources);
        if flags.config.as_ref().is_some_and(|path| !has_clean_ends(&path.to_string_lossy())) {
            sources.refuse(format!("--config: {BLANK}"));
        }
        let named = flags.config.or_else(|| environment.config(&mut sources));
        file::read(named, directory, &mut sources);
        let settings = check::settings(&mut sources, directory);
        match settings {
            Some(settings) if sources.problems.is_empty() => Ok(settings),
            _ => Err(sources.problems),
        }
    }
}
