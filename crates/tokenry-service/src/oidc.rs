//! Sign-in of people at OpenID providers: the authorization code flow with PKCE (OpenID Connect Core 1.0).
//!
//! [`Tokenry::begin_provider_sign_in`] sends the browser to the provider, [`Tokenry::finish_provider_sign_in`] takes its
//! answer. The claims of the ID token map to users as those of a JWT do. Nothing is stored until a sign-in succeeds: the
//! browser keeps the one secret from which `state`, `nonce` and the PKCE verifier are derived.
//!
//! SECURITY: only the ID token that the provider's token endpoint returns decides who signs in. The userinfo endpoint is
//! not asked, and the access token is dropped.

mod begin;
pub mod check;
mod error;
mod exchange;
mod finish;
mod id_token;
mod metadata;
mod provider;
mod provider_error;
pub(crate) mod providers;
pub(crate) mod settings;
mod web_url;

pub use self::{
    begin::{BeginError, SignInStart},
    error::OidcError,
    finish::AuthorizationResponse,
    provider_error::ProviderError,
    settings::{ClientAuth, OidcProvider, OidcSettings, OidcTransport},
    web_url::{PublicUrl, PublicUrlError},
};
use crate::tokenry::Tokenry;

impl Tokenry {
    /// Id and display name of each provider, in the order of the settings.
    pub fn providers(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.0.oidc.iter().flat_map(|oidc| &oidc.providers);
        all.map(|provider| (provider.settings.id.as_str(), provider.settings.name.as_str()))
    }

    /// The URL at which browsers reach this installation; `None` without providers.
    #[must_use]
    pub fn public_url(&self) -> Option<&PublicUrl> {
        self.0.oidc.as_ref().map(|oidc| &oidc.public_url)
    }

    /// Fetches metadata and keys of the providers that lack recent ones. Blocks the thread for some seconds per provider
    /// that does not respond. Returns whether all have them.
    pub fn refresh_providers(&self) -> bool {
        let all = self.0.oidc.iter().flat_map(|oidc| &oidc.providers);
        // Each of them, also after one that failed.
        let refreshed: Vec<bool> = all.map(provider::Provider::refresh).collect();
        refreshed.into_iter().all(|is_fresh| is_fresh)
    }
}
