//! Generates and hashes a secret before the transaction begins.

use thiserror::Error;
use tokenry_crypto::{PlainToken, RngError, SecretRng};
use tokenry_store::StoredSecret;

use crate::{tokenry::Tokenry, worker_pool::Busy};

/// Why no secret was generated.
#[derive(Debug, Error)]
pub(crate) enum GenerateError {
    /// Too many secrets wait to be hashed.
    #[error("too many creations are waiting")]
    Busy,
    /// The operating system gave no randomness.
    #[error(transparent)]
    Randomness(#[from] RngError),
}

/// A secret and everything derived from it before the transaction begins.
pub(crate) struct GeneratedSecret {
    pub(crate) secret: PlainToken,
    pub(crate) stored: StoredSecret,
    pub(crate) id_bytes: [u8; 10],
}

impl GeneratedSecret {
    pub(crate) fn generate(tokenry: &Tokenry) -> Result<Self, GenerateError> {
        let mut rng = SecretRng::os();
        let secret = PlainToken::generate(tokenry.0.prefixes.current(), &mut rng)?;
        let id_bytes = rng.bytes()?;
        let hasher = tokenry.0.hasher.clone();
        // Creations queue behind each other and never take a thread that verifications need.
        let hashed = tokenry.0.rewrites.wait(move || {
            let hash = hasher.hash(&secret, &mut rng)?;
            let stored = StoredSecret { proof: hasher.storable_proof(&secret, &hash), ..hash.into() };
            Ok::<_, RngError>((secret, stored))
        });
        let (secret, stored) = hashed.map_err(|Busy| GenerateError::Busy)??;
        Ok(Self { secret, stored, id_bytes })
    }
}
