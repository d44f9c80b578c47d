//! Settings of an installation.

use std::{path::PathBuf, str::FromStr, time::Duration};

use thiserror::Error;
use tokenry_crypto::{HashSettings, Prefix, Scheme};
use tokenry_domain::{Bucket, Catalog, Lifetime, Policy, optional_setters, setters};

use crate::monotonic::Monotonic;

/// The settings of a [`crate::Tokenry`]. The default is that of the binary: prefix `pat_`, bcrypt at cost 6, at most 10
/// live tokens and 5 creations an hour for each user, a lifetime of 90 days, an open vocabulary of scopes. Dead tokens
/// and usage counts per minute are kept for 90 days.
#[non_exhaustive]
pub struct Settings {
    /// The prefix of every token.
    pub prefix: Prefix,
    /// Earlier prefixes, which are still accepted; a rotation replaces them with the current prefix.
    pub former_prefixes: Vec<Prefix>,
    /// How secrets are hashed.
    pub hash: HashSettings,
    /// When a slow hash is computed, if the scheme has one. Default [`SlowHash::Once`].
    pub slow_hash: SlowHash,
    /// Whether the hash of an imported token is replaced at its first use by one of the configured scheme, unless that
    /// is fast and the imported one slow. Default: no, since every process then computes a configured slow hash once per
    /// token: no proof of an imported secret is stored.
    pub rehash_imported: bool,
    /// The rules for creating tokens.
    pub policy: Policy,
    /// The catalog of scopes and roles.
    pub catalog: Catalog,
    /// How long dead tokens stay listed before a cleanup removes them; `None` means forever.
    pub retention: Option<Lifetime>,
    /// How many bytes of memory the rows by which tokens are verified may occupy. Default 64 MiB.
    pub cache: u64,
    /// How old a row may be by which a token is accepted while the database is away. Default 0: without the database, or
    /// a proof that this process knows every change, there is no answer. With a larger value, changes by other processes,
    /// including revocations, may take that long to be seen here in such a case. A rejection is never based on an old row.
    pub max_staleness: Duration,
    /// Measures that age, and detects a wall clock that steps. Default: the system's monotonic clock.
    pub monotonic: Monotonic,
    /// The file in which a node on PostgreSQL keeps what was taken away within the last hour, so that it can be taken away
    /// again after the database has lost it and the process was restarted. Each process needs one of its own. Default:
    /// none; what a process remembers then ends with it.
    pub journal: Option<PathBuf>,
    /// Settings of the usage log.
    pub usage: UsageSettings,
    /// Settings of browser sessions.
    pub session: SessionSettings,
    /// Which JWTs are accepted besides tokens; `None` means none.
    #[cfg(feature = "jwt")]
    pub sign_in: Option<crate::issuer::SignIn>,
    /// The OpenID providers at which people sign in with a browser; `None` means none.
    #[cfg(feature = "jwt")]
    pub oidc: Option<crate::oidc::settings::OidcSettings>,
}

impl Settings {
    setters! {
        with_prefix(prefix: Prefix),
        with_former_prefixes(former_prefixes: Vec<Prefix>),
        with_hash(hash: HashSettings),
        with_slow_hash(slow_hash: SlowHash),
        with_rehash_imported(rehash_imported: bool),
        with_policy(policy: Policy),
        with_catalog(catalog: Catalog),
        with_cache(cache: u64),
        with_max_staleness(max_staleness: Duration),
        with_monotonic(monotonic: Monotonic),
        with_usage(usage: UsageSettings),
        with_session(session: SessionSettings),
    }

    optional_setters! { with_retention(retention: Lifetime), with_journal(journal: PathBuf) }

    #[cfg(feature = "jwt")]
    optional_setters! { with_sign_in(sign_in: crate::issuer::SignIn), with_oidc(oidc: crate::oidc::settings::OidcSettings) }
}

/// When the slow hash of a secret is computed. A wrong secret is rejected without it in either case.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlowHash {
    /// When a secret is created, or once for a row without a stored proof. From then on the stored proof decides.
    Once,
    /// Also once in each process that verifies the token, for installations that require it.
    Always,
}

/// The text is neither `once` nor `always`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be once or always")]
pub struct UnknownSlowHash;

impl FromStr for SlowHash {
    type Err = UnknownSlowHash;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "once" => Ok(Self::Once),
            "always" => Ok(Self::Always),
            _ => Err(UnknownSlowHash),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            prefix: Prefix::default(),
            former_prefixes: Vec::new(),
            hash: HashSettings::new(Scheme::Bcrypt),
            slow_hash: SlowHash::Once,
            rehash_imported: false,
            policy: Policy::default(),
            catalog: Catalog::open(),
            retention: Some(Lifetime::days(90)),
            cache: 64 << 20,
            max_staleness: Duration::ZERO,
            monotonic: Monotonic::system(),
            journal: None,
            usage: UsageSettings::default(),
            session: SessionSettings::default(),
            #[cfg(feature = "jwt")]
            sign_in: None,
            #[cfg(feature = "jwt")]
            oidc: None,
        }
    }
}

/// How long sessions last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionSettings {
    /// The maximum lifetime of a session; one that was started with a token never outlives it. Default 12 hours.
    pub lifetime: Lifetime,
    /// After how long without a request a session ends, accurate to one minute; `None` means never. Default 1 hour.
    pub idle: Option<Lifetime>,
}

impl SessionSettings {
    setters! { with_lifetime(lifetime: Lifetime) }

    optional_setters! { with_idle(idle: Lifetime) }
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self { lifetime: Lifetime::seconds(12 * 3600), idle: Some(Lifetime::seconds(3600)) }
    }
}

/// What the usage log stores. Default: counts per minute, for 90 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct UsageSettings {
    /// Whether uses are counted. If not, only the last use of each token and of each of its scopes is stored. Default:
    /// yes.
    pub is_enabled: bool,
    /// The span of time that one row counts. A shorter one needs more rows. Default: one minute.
    pub bucket: Bucket,
    /// How long the counts are kept before a cleanup removes them; `None` means forever. Default: 90 days.
    pub retention: Option<Lifetime>,
}

impl UsageSettings {
    setters! { with_is_enabled(is_enabled: bool), with_bucket(bucket: Bucket) }

    optional_setters! { with_retention(retention: Lifetime) }
}

impl Default for UsageSettings {
    fn default() -> Self {
        Self { is_enabled: true, bucket: Bucket::default(), retention: Some(Lifetime::days(90)) }
    }
}
