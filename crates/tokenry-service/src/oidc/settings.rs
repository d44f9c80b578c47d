//! Settings of OpenID providers.

use std::{sync::Arc, time::Duration};

use tokenry_crypto::{ClientSecret, JwtAlgorithm, JwtIssuer, JwtSettingsError};
use zeroize::Zeroizing;

use super::web_url::PublicUrl;
use crate::issuer::IssuerMapping;

/// The maximum age of an ID token, which is issued when it is fetched.
const MAX_AGE: Duration = Duration::from_secs(600);

/// The OpenID providers at which people sign in.
#[non_exhaustive]
pub struct OidcSettings {
    /// The URL at which browsers reach this installation. The redirect URIs are below it.
    pub public_url: PublicUrl,
    /// The providers, in the order of the page.
    pub providers: Vec<OidcProvider>,
    /// Sends requests to the providers.
    pub transport: Arc<dyn OidcTransport>,
}

impl OidcSettings {
    /// Sign-in at these providers.
    #[must_use]
    pub fn new(
        public_url: PublicUrl,
        providers: Vec<OidcProvider>,
        transport: Arc<dyn OidcTransport>,
    ) -> Self {
        Self { public_url, providers, transport }
    }
}

/// One provider.
#[non_exhaustive]
pub struct OidcProvider {
    /// Its id in URLs, sessions and the audit log: lower-case letters, digits and `-`.
    pub id: String,
    /// Its name on the page.
    pub name: String,
    /// The id of this installation as a client of the provider.
    pub client_id: String,
    /// The secret of that client; `None` for a public client, which PKCE alone protects.
    pub client_secret: Option<ClientSecret>,
    /// How the secret is sent.
    pub client_auth: ClientAuth,
    /// Requested scopes besides `openid`.
    pub scopes: Vec<String>,
    /// The signature algorithm of its ID tokens.
    pub algorithm: JwtAlgorithm,
    /// The tolerated clock difference, at most 5 minutes.
    pub leeway: Duration,
    /// Whether a sign-out also leads to the provider, if it has an endpoint for that.
    pub signs_out: bool,
    /// Its issuer identifier, and how the claims of its ID tokens map to users.
    pub mapping: IssuerMapping,
}

impl OidcProvider {
    /// A provider with RS256, the scope `openid` alone, `client_secret_basic`, a leeway of 30 seconds, and sign-out.
    #[must_use]
    pub fn new(id: String, name: String, client_id: String, mapping: IssuerMapping) -> Self {
        Self {
            id,
            name,
            client_id,
            client_secret: None,
            client_auth: ClientAuth::Basic,
            scopes: Vec::new(),
            algorithm: JwtAlgorithm::Rs256,
            leeway: Duration::from_secs(30),
            signs_out: true,
            mapping,
        }
    }

    /// The rules for its ID tokens.
    ///
    /// # Errors
    /// A shared secret cannot verify ID tokens here: whoever reads it could sign in as anybody.
    pub(super) fn rules(&self) -> Result<JwtIssuer, JwtSettingsError> {
        if self.algorithm.is_symmetric() {
            return Err(JwtSettingsError::Secret(self.mapping.issuer.clone()));
        }
        let issuer = self.mapping.issuer.clone();
        // `typ` is optional in ID tokens. `at+jwt` is an access token and never accepted.
        let types = vec!["JWT".to_owned(), String::new()];
        Ok(JwtIssuer::new(issuer, vec![self.client_id.clone()], self.algorithm)
            .with_types(types)
            .with_leeway(self.leeway)
            .with_max_age(Some(MAX_AGE)))
    }
}

/// How a client sends its secret to the token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// `client_secret_basic`: in `Authorization: Basic`.
    Basic,
    /// `client_secret_post`: in the form.
    Post,
}

impl ClientAuth {
    /// Its name in the metadata of a provider.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Basic => "client_secret_basic",
            Self::Post => "client_secret_post",
        }
    }
}

/// Sends requests to providers, over TLS except to this machine. Each ends within a few seconds, whatever the server
/// does, and reads a response of bounded size. No redirect of a POST is followed. Errors never quote a body.
pub trait OidcTransport: Send + Sync {
    /// The body of a successful GET.
    ///
    /// # Errors
    /// Why there is none, for the log.
    fn get(&self, url: &str) -> Result<String, String>;

    /// Status and body of the response to a form, with this `Authorization` header if there is one.
    ///
    /// # Errors
    /// Why there is none, for the log.
    fn post(
        &self,
        url: &str,
        form: Zeroizing<String>,
        authorization: Option<Zeroizing<String>>,
    ) -> Result<(u16, Zeroizing<String>), String>;
}
