//! Checks the settings of providers against what the providers publish.

use super::{
    metadata::{Metadata, url_of},
    provider::Provider,
    providers::Oidc,
};
use crate::tokenry::Tokenry;

/// What a check of one provider found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProviderCheck {
    /// The id of the provider.
    pub id: String,
    /// The redirect URI that must be registered at the provider.
    pub redirect_uri: String,
    /// Whether the provider responded; otherwise `faults` says why not.
    pub is_reachable: bool,
    /// What does not match, each with what to change. Empty if the provider can be used.
    pub faults: Vec<String>,
}

impl Tokenry {
    /// Fetches the metadata and the keys of each provider and compares them with the settings. Blocks the thread for some
    /// seconds per provider that does not respond.
    #[must_use]
    pub fn check_providers(&self) -> Vec<ProviderCheck> {
        self.0
            .oidc
            .iter()
            .flat_map(|oidc| oidc.providers.iter().map(|provider| check(oidc, provider)))
            .collect()
    }
}

fn check(oidc: &Oidc, provider: &Provider) -> ProviderCheck {
    let (settings, transport) = (&provider.settings, &provider.transport);
    let issuer = &settings.mapping.issuer;
    let mut found = ProviderCheck {
        id: settings.id.clone(),
        redirect_uri: oidc.redirect_uri(&settings.id),
        is_reachable: false,
        faults: Vec::new(),
    };
    let text = match transport.get(&url_of(issuer)) {
        Ok(text) => text,
        Err(why) => {
            found.faults.push(format!("{} cannot be fetched: {why}", url_of(issuer)));
            return found;
        }
    };
    found.is_reachable = true;
    match Metadata::parse(&text, issuer) {
        Ok(metadata) => {
            found.faults.extend(unsupported(&metadata, provider));
            match provider.fetch_keys(&metadata) {
                Ok(()) => {}
                Err(why) => found.faults.push(format!("its keys cannot be used: {why}")),
            }
        }
        Err(why) => found.faults.push(why),
    }
    found
}

/// What the provider says that it does not support. RFC 8414 gives the defaults of lists that are left out.
fn unsupported(metadata: &Metadata, provider: &Provider) -> Vec<String> {
    let settings = &provider.settings;
    let algorithm = settings.algorithm.to_string();
    let mut faults = Vec::new();
    let mut require = |listed: &Option<Vec<String>>, wanted: &str, what: &str| {
        if listed.as_ref().is_some_and(|listed| !listed.iter().any(|known| known == wanted)) {
            let listed = listed.as_deref().unwrap_or_default().join(", ");
            faults.push(format!("{what} {wanted} is not among those that it supports: {listed}"));
        }
    };
    require(&metadata.response_types, "code", "the response type");
    require(&metadata.challenge_methods, "S256", "the PKCE method");
    require(&metadata.algorithms, &algorithm, "algorithm");
    if settings.client_secret.is_some() {
        require(&metadata.client_auths, settings.client_auth.as_str(), "client_auth");
    }
    faults
}
