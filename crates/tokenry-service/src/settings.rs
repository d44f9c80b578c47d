//! What an installation decides for all its tokens.

use std::{str::FromStr, time::Duration};

use thiserror::Error;
use tokenry_crypto::{HashSettings, Prefix, Scheme};
use tokenry_domain::{Bucket, Catalog, Lifetime, Policy};

use crate::monotonic::Monotonic;

/// The settings of a [`crate::Tokenry`]. The default is that of the binary: prefix `pat_`, bcrypt at cost 6, at most
/// 10 live tokens and 5 creations an hour for each user, 90 days of life, an open vocabulary of scopes; dead tokens are
/// kept for 90 days, and so are the counts of what tokens were used for, minute by minute.
pub struct Settings {
    /// What every token begins with.
    pub prefix: Prefix,
    /// What tokens began with before, which are still accepted; a rotation gives them the present prefix.
    pub former_prefixes: Vec<Prefix>,
    /// How secrets are stored.
    pub hash: HashSettings,
    /// When a slow hash is done, if the scheme has one. Default [`SlowHash::Once`].
    pub slow_hash: SlowHash,
    /// What tokens may be made.
    pub policy: Policy,
    /// What the scopes and roles mean.
    pub catalog: Catalog,
    /// How long dead tokens stay listed before a cleanup removes them; `None` is for ever.
    pub retention: Option<Lifetime>,
    /// How old the row may be that lets a token in. Default 0: the database is read for each verification, and a
    /// change is seen by the next one everywhere. With more, changes by other processes on the database, their
    /// revocations among them, may take so long to be seen here; those of this process are seen at once. A refusal is
    /// never decided on an old row.
    pub max_staleness: Duration,
    /// What measures that age, and by what a wall clock that steps is noticed. Default: the system's.
    pub monotonic: Monotonic,
    /// What the usage log keeps.
    pub usage: UsageSettings,
    /// How long sign-ins of browsers last.
    pub session: SessionSettings,
    /// Whose JWTs are accepted beside tokens; `None` is nobody's.
    #[cfg(feature = "jwt")]
    pub sign_in: Option<crate::issuer::SignIn>,
}

/// When the slow hash of a stored secret is done. A wrong secret is refused before it in either case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlowHash {
    /// When a secret is made, or once for one of before there were stored proofs. From then on its stored proof decides.
    Once,
    /// Also once in each process that verifies the token, for installations whose rules demand it.
    Always,
}

/// The text is neither.
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
            hash: HashSettings { scheme: Scheme::Bcrypt, bcrypt_cost: 6, peppers: Vec::new() },
            slow_hash: SlowHash::Once,
            policy: Policy::default(),
            catalog: Catalog::open(),
            retention: Some(Lifetime::days(90)),
            max_staleness: Duration::ZERO,
            monotonic: Monotonic::system(),
            usage: UsageSettings::default(),
            session: SessionSettings::default(),
            #[cfg(feature = "jwt")]
            sign_in: None,
        }
    }
}

/// How long sessions last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionSettings {
    /// The longest that a session lasts, however much it is used; one that was begun with a token never outlives it.
    /// Default 12 hours.
    pub lifetime: Lifetime,
    /// After how long without a request a session is over, give or take the minute in which uses are noted; `None` is
    /// never. Default 1 hour.
    pub idle: Option<Lifetime>,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self { lifetime: Lifetime::seconds(12 * 3600), idle: Some(Lifetime::seconds(3600)) }
    }
}

/// What the usage log keeps. Default: counts for each minute, for 90 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageSettings {
    /// Whether uses are counted. Without it only the last use of each token, and of each of its scopes, is known. Default:
    /// yes.
    pub is_enabled: bool,
    /// The span of time whose uses are counted in one row. A short one costs rows. Default: a minute.
    pub bucket: Bucket,
    /// How long the counts are kept before a cleanup removes them; `None` is for ever. Default: 90 days.
    pub retention: Option<Lifetime>,
}

impl Default for UsageSettings {
    fn default() -> Self {
        Self { is_enabled: true, bucket: Bucket::default(), retention: Some(Lifetime::days(90)) }
    }
}
