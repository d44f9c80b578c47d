//! What goes wrong at a provider.

use thiserror::Error;

/// Why a provider authenticates nobody. The texts are for the log: they may quote the provider, never a credential.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProviderError {
    /// The provider does not respond.
    #[error("the provider is unavailable: {0}")]
    Unavailable(String),
    /// The provider reported an error, or its answer cannot be accepted.
    #[error("the provider's answer cannot be accepted: {0}")]
    BadAnswer(String),
}
