//! The only source of randomness.

use thiserror::Error;

/// A generator of random bytes: the operating system's, except in tests.
pub struct SecretRng(Source);

enum Source {
    OperatingSystem,
    #[cfg(test)]
    Seeded {
        seed: u64,
        count: u64,
    },
    #[cfg(test)]
    Stuck(u8),
}

/// The operating system returned no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("operating system randomness unavailable")]
pub struct RngError;

impl SecretRng {
    /// The operating system's generator.
    #[must_use]
    pub fn os() -> Self {
        Self(Source::OperatingSystem)
    }

    #[cfg(test)]
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(Source::Seeded { seed, count: 0 })
    }

    /// A broken generator that always returns the same byte.
    #[cfg(test)]
    pub(crate) fn stuck(byte: u8) -> Self {
        Self(Source::Stuck(byte))
    }

    /// Fills `bytes` with random bytes.
    ///
    /// # Errors
    /// [`RngError`]; `bytes` must not be used then.
    #[allow(clippy::disallowed_methods, reason = "the only call of the operating system's generator")]
    pub fn fill(&mut self, bytes: &mut [u8]) -> Result<(), RngError> {
        match &mut self.0 {
            Source::OperatingSystem => getrandom::fill(bytes).map_err(|_| RngError),
            #[cfg(test)]
            Source::Seeded { seed, count } => {
                use sha2::{Digest as _, Sha256};
                for chunk in bytes.chunks_mut(32) {
                    let block = Sha256::digest([seed.to_be_bytes(), count.to_be_bytes()].concat());
                    *count += 1;
                    chunk.copy_from_slice(&block[..chunk.len()]);
                }
                Ok(())
            }
            #[cfg(test)]
            Source::Stuck(byte) => {
                bytes.fill(*byte);
                Ok(())
            }
        }
    }

    /// An array of random bytes.
    ///
    /// # Errors
    /// [`RngError`].
    pub fn bytes<const N: usize>(&mut self) -> Result<[u8; N], RngError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }
}
