//! Why a sign-in at a provider fails.

use thiserror::Error;
use tokenry_store::StoreError;

use super::provider_error::ProviderError;
use crate::session::start::SessionError;

/// Why a sign-in at a provider failed. The texts are for the log: they may quote the provider, never a credential.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OidcError {
    /// No provider has this id.
    #[error("unknown provider")]
    UnknownProvider,
    /// The answer does not belong to a sign-in of this browser: it began elsewhere or long ago, or was used before.
    #[error("the sign-in did not begin in this browser, or was already used")]
    NotBegun,
    /// Too many sign-ins are processed at this moment, in total or for this source. It can be sent again.
    #[error("too many sign-ins at once")]
    Busy,
    /// The user or the provider declined (`access_denied`).
    #[error("the provider denied the sign-in")]
    Denied,
    /// The provider does not respond, or its answer cannot be accepted.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// The provider authenticated somebody who has no account here.
    #[error("the user has no account")]
    NoAccount,
    /// The user is disabled.
    #[error("the user is disabled")]
    UserDisabled,
    /// The session was not started.
    #[error(transparent)]
    Session(SessionError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl OidcError {
    /// The stable code for the page.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownProvider | Self::NotBegun => "not_begun",
            Self::Denied => "denied",
            Self::Busy | Self::Provider(ProviderError::Unavailable(_)) => "unavailable",
            Self::Provider(ProviderError::BadAnswer(_)) => "bad_answer",
            Self::NoAccount => "no_account",
            Self::UserDisabled => "user_disabled",
            Self::Session(_) | Self::Store(_) => "server",
        }
    }

    /// Whether a client may cause it by guessing or replaying, so that it counts as a failed credential.
    #[must_use]
    pub fn is_about_credential(&self) -> bool {
        matches!(
            self,
            Self::NotBegun
                | Self::Provider(ProviderError::BadAnswer(_))
                | Self::NoAccount
                | Self::UserDisabled
        )
    }
}
