//! Generates, parses, hashes and compares tokens: the only crate that handles secret bytes. With the
//! feature `jwt` it also verifies the JWTs of configured issuers, with `github` reports of GitHub's secret scanning.
//!
//! ```
//! use tokenry_crypto::{HashSettings, Hasher, Match, PlainToken, Prefix, Scheme, SecretRng};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut rng = SecretRng::os();
//! let prefix = Prefix::parse("mcp_pat_")?;
//! let hasher = Hasher::new(HashSettings::new(Scheme::Bcrypt))?;
//!
//! let token = PlainToken::generate(&prefix, &mut rng)?;
//! let stored = hasher.hash(&token, &mut rng)?;
//! let text = token.reveal_once();
//!
//! let presented = PlainToken::parse(&prefix, text.as_bytes())?;
//! assert!(matches!(hasher.matches(&presented, &stored), Match::Yes));
//! # Ok(())
//! # }
//! ```

mod chain;
mod client_secret;
mod comparison;
mod fingerprint;
mod format;
#[cfg(feature = "github")]
mod github;
mod hash;
#[cfg(feature = "jwt")]
mod jwt;
mod mac;
mod pattern;
mod pepper;
mod plain;
mod prefixes;
mod proof;
mod rng;
mod session;
mod shape;
mod sign_in;

#[cfg(feature = "github")]
pub use crate::github::{ReportKeys, ReportKeysError};
#[cfg(feature = "jwt")]
pub use crate::jwt::{
    JwtAlgorithm, JwtClaims, JwtError, JwtIssuer, JwtKeys, JwtKeysError, JwtSettingsError, JwtVerifier,
    UnknownJwtAlgorithm,
};
pub use crate::{
    chain::{GENESIS, chain_digest},
    client_secret::ClientSecret,
    comparison::Comparison,
    fingerprint::fingerprint,
    format::{
        CHECKSUM_LEN, MAX_LEN, PUBLIC_ID_LEN, ParseError, Prefix, PrefixError, SECRET_LEN, check_format,
        presented_line, public_parts,
    },
    hash::{
        HashSettings, Hasher, HasherError, Match, Scheme, SourceHash, SourceHashError, UnknownScheme,
        UnreadableHash,
    },
    mac::MacKey,
    pattern::TokenPattern,
    pepper::{Pepper, PepperError},
    plain::PlainToken,
    prefixes::Prefixes,
    proof::Proof,
    rng::{RngError, SecretRng},
    session::SessionSecret,
    shape::{LookupError, Shape, ShapeError},
    sign_in::SignInSecret,
};
