//! All providers of an installation.

use tokenry_crypto::JwtSettingsError;

use super::{provider::Provider, settings::OidcSettings, web_url::PublicUrl};
use crate::{monotonic::Monotonic, semaphore::Semaphore};

/// How many answers of providers are processed at once; each occupies a thread until the provider responds.
const MAX_EXCHANGES: usize = 16;

/// The providers of an installation.
pub(crate) struct Oidc {
    pub(super) public_url: PublicUrl,
    pub(super) providers: Vec<Provider>,
    /// Limits concurrent requests to token endpoints: anyone can cause one.
    pub(super) exchanges: Semaphore,
}

impl Oidc {
    pub(crate) fn new(settings: OidcSettings, monotonic: Monotonic) -> Result<Self, JwtSettingsError> {
        let OidcSettings { public_url, providers, transport } = settings;
        let providers = providers
            .into_iter()
            .map(|provider| Provider::new(provider, transport.clone(), monotonic.clone()))
            .collect::<Result<_, _>>()?;
        Ok(Self { public_url, providers, exchanges: Semaphore::of(MAX_EXCHANGES) })
    }

    pub(crate) fn find(&self, id: &str) -> Option<&Provider> {
        self.providers.iter().find(|provider| provider.settings.id == id)
    }

    /// The exact redirect URI of a provider. Each has its own, so that the answer of one is never taken for another's.
    pub(super) fn redirect_uri(&self, id: &str) -> String {
        self.public_url.join(&format!("session/oidc/{id}/callback"))
    }
}
