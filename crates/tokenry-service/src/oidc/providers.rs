//! All providers of an installation.

use std::net::IpAddr;

use tokenry_crypto::JwtSettingsError;

use super::{provider::Provider, settings::OidcSettings, web_url::PublicUrl};
use crate::{monotonic::Monotonic, semaphore::Semaphore};

/// How many answers of providers are processed at once; each occupies a thread until the provider responds.
const MAX_EXCHANGES: usize = 16;
/// How many of them one source can have at once.
const MAX_EXCHANGES_PER_SOURCE: usize = 4;

/// The providers of an installation.
pub(crate) struct Oidc {
    pub(super) public_url: PublicUrl,
    pub(super) providers: Vec<Provider>,
    /// Limits concurrent requests to token endpoints per source network, where `None` is an unknown one: anyone can cause a
    /// request.
    pub(super) exchanges: Semaphore<Option<IpAddr>>,
}

impl Oidc {
    pub(crate) fn new(settings: OidcSettings, monotonic: Monotonic) -> Result<Self, JwtSettingsError> {
        let OidcSettings { public_url, providers, transport } = settings;
        let providers = providers
            .into_iter()
            .map(|provider| Provider::new(provider, transport.clone(), monotonic.clone()))
            .collect::<Result<_, _>>()?;
        let exchanges = Semaphore::shared(MAX_EXCHANGES, MAX_EXCHANGES_PER_SOURCE);
        Ok(Self { public_url, providers, exchanges })
    }

    pub(crate) fn find(&self, id: &str) -> Option<&Provider> {
        self.providers.iter().find(|provider| provider.settings.id == id)
    }

    /// The exact redirect URI of a provider. Each has its own, so that the answer of one is never taken for another's.
    pub(super) fn redirect_uri(&self, id: &str) -> String {
        self.public_url.join(&format!("session/oidc/{id}/callback"))
    }
}
