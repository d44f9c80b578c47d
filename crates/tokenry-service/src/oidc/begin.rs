//! Sends a browser to a provider, and away from it.

use thiserror::Error;
use tokenry_crypto::{RngError, SecretRng, SignInSecret};
use tokenry_domain::{Session, SessionProof};

use super::{provider_error::ProviderError, web_url::with_parameters};
use crate::tokenry::Tokenry;

/// A sign-in that has begun.
#[non_exhaustive]
pub struct SignInStart {
    /// Where the browser goes.
    pub authorization_url: String,
    /// The value of the cookie that binds the sign-in to this browser, to be sent once.
    pub secret: SignInSecret,
}

/// Why a sign-in did not begin.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BeginError {
    /// The provider is unavailable.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// No provider has this id.
    #[error("unknown provider")]
    UnknownProvider,
    /// The operating system gave no randomness.
    #[error(transparent)]
    Randomness(#[from] RngError),
}

impl Tokenry {
    /// Begins a sign-in at this provider. Blocks the thread, for some seconds at most if the provider's metadata has to be
    /// fetched.
    ///
    /// # Errors
    /// [`BeginError`].
    pub fn begin_provider_sign_in(&self, id: &str) -> Result<SignInStart, BeginError> {
        let oidc = self.0.oidc.as_ref().ok_or(BeginError::UnknownProvider)?;
        let provider = oidc.find(id).ok_or(BeginError::UnknownProvider)?;
        let metadata = provider.metadata()?;
        let secret = SignInSecret::generate(&mut SecretRng::os())?;
        let scopes = [&["openid".to_owned()], provider.settings.scopes.as_slice()].concat().join(" ");
        let authorization_url = with_parameters(
            &metadata.authorization_endpoint,
            &[
                ("response_type", "code"),
                ("client_id", &provider.settings.client_id),
                ("redirect_uri", &oidc.redirect_uri(id)),
                ("scope", &scopes),
                ("state", &secret.state(id)),
                ("nonce", &secret.nonce(id)),
                ("code_challenge", &secret.code_challenge(id)),
                ("code_challenge_method", "S256"),
            ],
        );
        Ok(SignInStart { authorization_url, secret })
    }

    /// Where the browser goes after this session was signed out, so that the provider signs the user out too (OpenID Connect
    /// RP-Initiated Logout 1.0). `None` if the session did not begin at a provider, or the provider has no such endpoint.
    ///
    /// SECURITY: it has no `id_token_hint`: no ID token is stored, and none is part of an URL. The provider may ask the user
    /// to confirm.
    #[must_use]
    pub fn provider_sign_out_url(&self, session: &Session) -> Option<String> {
        let SessionProof::Provider { id } = &session.proof else { return None };
        let oidc = self.0.oidc.as_ref()?;
        let provider = oidc.find(id).filter(|provider| provider.settings.signs_out)?;
        let metadata = provider.known_metadata()?;
        let back = oidc.public_url.join("sign-in");
        let parameters = [
            ("client_id", provider.settings.client_id.as_str()),
            ("post_logout_redirect_uri", back.as_str()),
        ];
        Some(with_parameters(metadata.end_session_endpoint.as_ref()?, &parameters))
    }
}
