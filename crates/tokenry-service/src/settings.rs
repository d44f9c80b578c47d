//! What an installation decides for all its tokens.

use tokenry_crypto::{HashSettings, Prefix, Scheme};
use tokenry_domain::{Catalog, Policy};

/// The settings of a [`crate::Tokenry`]. The default is that of the binary: prefix `pat_`, bcrypt at cost 6, at most
/// 10 live tokens and 5 creations an hour for each user, 90 days of life, an open vocabulary of scopes.
pub struct Settings {
    /// What every token begins with.
    pub prefix: Prefix,
    /// How secrets are stored.
    pub hash: HashSettings,
    /// What tokens may be made.
    pub policy: Policy,
    /// What the scopes and roles mean.
    pub catalog: Catalog,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            prefix: Prefix::default(),
            hash: HashSettings { scheme: Scheme::Bcrypt, bcrypt_cost: 6, peppers: Vec::new() },
            policy: Policy::default(),
            catalog: Catalog::open(),
        }
    }
}
