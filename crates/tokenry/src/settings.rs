//! Settings: flags over the environment over the file over a profile over the defaults, all checked before anything
//! starts.
//!
//! [`key`] is the table of keys. Each source is read into [`source::Sources`] with the position of every value, so that
//! each fault is one line with the key, the position and what to change. Structured settings, the catalog and the
//! issuers, are available only in the file and are read as [`section::Section`]s.

mod api;
mod catalog;
mod check;
mod claim_mapping;
mod convert;
mod environment;
mod file;
mod github_keys;
mod issuer_keys;
mod issuers;
mod key;
mod pepper;
mod problem;
mod profile;
mod providers;
mod section;
mod source;
mod structured;
#[cfg(test)]
mod tests;
mod value;

use std::{
    net::SocketAddr,
    num::NonZero,
    path::{Path, PathBuf},
};

use tokenry_actix::{Credentials, IdentityHeaders, ProxySignIn, TokensApi};
use tokenry_service::{DatabaseUrl, IpList, ProtectedResource, StoreSettings};

use self::source::{BLANK, Raw, Sources, has_clean_ends};
pub(crate) use self::{
    environment::Environment,
    github_keys::GithubKeys,
    problem::Problem,
    profile::Profile,
    value::{JournalSetting, Language, LogFormat},
};
use crate::jwks_refresher::KeySource;

/// All settings. They hold secrets, so there is no `Debug`.
pub(crate) struct Settings {
    /// Address and port of the HTTP server.
    pub(crate) listen: SocketAddr,
    /// Address and port of the listener for metrics, if there is one.
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// The database; its `Display` omits the password.
    pub(crate) database_url: DatabaseUrl,
    /// Size and timeout of the connection pool.
    pub(crate) store: StoreSettings,
    /// Token format, policy, catalog, hashing and retention.
    pub(crate) service: tokenry_service::Settings,
    /// The issuers whose keys are fetched from a URL while the server runs.
    pub(crate) key_sources: Vec<KeySource>,
    /// The keys by which GitHub signs reports of leaked tokens.
    pub(crate) github_keys: Option<GithubKeys>,
    /// How a trusted proxy names the user who signs in.
    pub(crate) proxy_sign_in: Option<ProxySignIn>,
    /// The form of the API of a user's own tokens.
    pub(crate) tokens_api: TokensApi,
    /// The headers of forward-auth.
    pub(crate) identity_headers: IdentityHeaders,
    /// The ways to present a token besides `Authorization: Bearer`.
    pub(crate) credentials: Credentials,
    /// The resource whose metadata challenges name.
    pub(crate) protected_resource: Option<ProtectedResource>,
    /// Whether a bearer credential takes precedence over a session cookie.
    pub(crate) bearer_over_session: bool,
    /// The language of the page for a user who chose none.
    pub(crate) language: Language,
    /// Whether the first start creates a first token.
    pub(crate) bootstrap: bool,
    pub(crate) rates: RateSettings,
    pub(crate) server: Server,
    pub(crate) log: Log,
    /// Environment variables that another program set and that are ignored.
    pub(crate) foreign_variables: Vec<String>,
    /// Former names of settings that are used, each with what to change.
    pub(crate) warnings: Vec<Problem>,
}

/// Rate limits counted in this process; `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RateSettings {
    /// Failed verifications per source address.
    pub(crate) failures_per_minute: Option<NonZero<u32>>,
    /// Management requests per user.
    pub(crate) management_per_minute: Option<NonZero<u32>>,
}

/// Settings of the HTTP server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Server {
    /// Proxies whose forwarded headers are trusted. An empty list trusts no proxy.
    pub(crate) trusted_proxies: IpList,
    /// Worker threads; `None` is one per core.
    pub(crate) workers: Option<NonZero<usize>>,
    /// Whether the web page is served, in a build that contains it.
    pub(crate) ui: bool,
    /// Where this node keeps what was taken away.
    pub(crate) journal: JournalSetting,
}

/// Settings of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Log {
    /// A valid `EnvFilter` text.
    pub(crate) filter: String,
    /// Whether the filter comes from `TOKENRY_LOG`, which also applies to commands that otherwise log only warnings.
    pub(crate) requested: bool,
    pub(crate) format: LogFormat,
}

/// Settings given on the command line.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flags {
    pub(crate) config: Option<PathBuf>,
    /// The name or the path of a profile.
    pub(crate) profile: Option<String>,
    pub(crate) database_url: Option<String>,
    pub(crate) listen: Option<String>,
    /// Disables the web page, overriding every other source.
    pub(crate) no_ui: bool,
}

impl Settings {
    /// Reads and checks all settings; file names are relative to `directory`.
    ///
    /// # Errors
    /// All faults at once.
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
            sources.reject(format!("--config: {BLANK}"));
        }
        let named = flags.config.or_else(|| environment.config(&mut sources));
        let profile = flags.profile.or_else(|| environment.profile(&mut sources));
        file::read(named, directory, &mut sources);
        match profile.map(|name| Profile::find(&name, directory)).transpose() {
            Ok(profile) => profile.iter().for_each(|profile| profile.read(&mut sources)),
            Err(line) => sources.reject(line),
        }
        Self::check(sources, directory)
    }

    /// Checks the settings of a profile alone.
    ///
    /// # Errors
    /// All faults at once.
    pub(crate) fn of_profile(profile: &Profile, directory: &Path) -> Result<Self, Vec<Problem>> {
        let mut sources = Sources::default();
        profile.read(&mut sources);
        Self::check(sources, directory)
    }

    fn check(mut sources: Sources, directory: &Path) -> Result<Self, Vec<Problem>> {
        let settings = check::settings(&mut sources, directory);
        match settings {
            Some(settings) if sources.problems.is_empty() => Ok(settings),
            _ => Err(sources.problems),
        }
    }
}
