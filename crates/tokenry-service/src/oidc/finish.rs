//! Takes the answer of a provider and starts a session.

use tokenry_crypto::SignInSecret;
use tokenry_domain::{ClientInfo, SessionProof, UnixMillis};

use super::{error::OidcError, exchange, id_token, provider::Provider, provider_error::ProviderError};
use crate::{
    caller::{Caller, RequestContext},
    client_ip::source_network,
    session::start::{SessionError, Started},
    tokenry::Tokenry,
    verified::{Rejection, VerifyError},
};

/// The parameters of an authorization response (RFC 6749, section 4.1.2; RFC 9207).
#[derive(Default)]
pub struct AuthorizationResponse {
    /// The code of a successful one.
    pub code: Option<String>,
    /// The value of the request.
    pub state: Option<String>,
    /// The issuer.
    pub issuer: Option<String>,
    /// The error of a failed one.
    pub error: Option<String>,
    /// Its description, for the log.
    pub error_description: Option<String>,
}

impl Tokenry {
    /// Whether this answer of this provider has the state of the sign-in of `cookie`. It asks nobody, and the browser could
    /// have invented both: nothing is stored when a sign-in begins.
    #[must_use]
    pub fn has_begun_provider_sign_in(
        &self,
        id: &str,
        response: &AuthorizationResponse,
        cookie: &[u8],
    ) -> bool {
        SignInSecret::parse(cookie).is_some_and(|secret| is_answer(id, response, &secret))
    }

    /// Takes the answer of this provider to the sign-in of `cookie`, and starts a session for the user that its ID token
    /// names. `replaced` is the browser's previous session cookie, whose session ends. `clock` is read after the provider has
    /// answered. Blocks the thread, for some seconds at most while the provider is asked.
    ///
    /// Anyone can cause requests to the provider with it. The requests of one source at once are limited here; limit how
    /// many it can cause in a minute before the call.
    ///
    /// # Errors
    /// [`OidcError`].
    pub fn finish_provider_sign_in(
        &self,
        id: &str,
        response: &AuthorizationResponse,
        cookie: &[u8],
        replaced: Option<&[u8]>,
        clock: impl FnOnce() -> UnixMillis,
        client: &ClientInfo,
    ) -> Result<Started, OidcError> {
        let oidc = self.0.oidc.as_ref().ok_or(OidcError::UnknownProvider)?;
        let provider = oidc.find(id).ok_or(OidcError::UnknownProvider)?;
        let secret = SignInSecret::parse(cookie).ok_or(OidcError::NotBegun)?;
        // SECURITY: checked before anything else is read, so that no other site can deliver an answer of its own.
        if !is_answer(id, response, &secret) {
            return Err(OidcError::NotBegun);
        }
        let source = client.ip.map(source_network);
        let _permit = oidc.exchanges.try_acquire(Some(source)).ok_or(OidcError::Busy)?;
        let metadata = provider.metadata()?;
        // SECURITY: an answer that another provider was made to send is rejected (mix-up, RFC 9207).
        let is_issuer = response.issuer.as_ref().map(|issuer| *issuer == provider.settings.mapping.issuer);
        if !is_issuer.unwrap_or(!metadata.sends_issuer) {
            return Err(bad_answer("its iss is missing or names another issuer"));
        }
        let code = code(response)?;
        let id_token = exchange::id_token(provider, &metadata, code, &secret, &oidc.redirect_uri(id))?;
        provider.ensure_keys(&metadata, &id_token)?;
        // Read after all requests: a token that was issued meanwhile is not one of the future.
        let now = clock();
        let caller = self.caller_of_id_token(provider, &id_token, &secret, now, client)?;
        let context = RequestContext::new(caller, now).with_client(client.clone());
        let proof = SessionProof::Provider { id: id.to_owned() };
        let started = self.start_session_with(&context, proof, replaced, Some(secret.digest()));
        started.map_err(|error| match error {
            SessionError::SignInUsed => OidcError::NotBegun,
            SessionError::Store(error) => error.into(),
            error => OidcError::Session(error),
        })
    }

    fn caller_of_id_token(
        &self,
        provider: &Provider,
        id_token: &str,
        secret: &SignInSecret,
        now: UnixMillis,
        client: &ClientInfo,
    ) -> Result<Caller, OidcError> {
        let claims = provider.verify(id_token, now)?;
        id_token::check(&claims, &provider.settings, secret)
            .map_err(|why| bad_answer(&format!("its ID token was rejected: {why}")))?;
        let settings = &provider.settings;
        let caller = self.caller_of_claims(&settings.mapping, &claims, settings.leeway, now, client);
        caller.map_err(|error| match error {
            VerifyError::Store(error) => error.into(),
            VerifyError::Rejected(Rejection::OwnerDisabled) => {
                self.record_failure(Rejection::OwnerDisabled.code(), client.ip, now);
                OidcError::UserDisabled
            }
            _ => OidcError::NoAccount,
        })
    }
}

/// Whether the response has the state of this sign-in at this provider.
fn is_answer(id: &str, response: &AuthorizationResponse, secret: &SignInSecret) -> bool {
    response.state.as_deref().is_some_and(|state| secret.has_state(id, state))
}

/// The code of a successful response.
fn code(response: &AuthorizationResponse) -> Result<&str, OidcError> {
    match (&response.error, &response.code) {
        (Some(error), _) if error == "access_denied" => Err(OidcError::Denied),
        (Some(error), _) => {
            let description = response.error_description.as_deref().unwrap_or_default();
            let what = format!("it reported {} {}", exchange::quoted(error), exchange::quoted(description));
            Err(bad_answer(&what))
        }
        (None, Some(code)) if !code.is_empty() => Ok(code),
        (None, _) => Err(bad_answer("it has neither a code nor an error")),
    }
}

fn bad_answer(what: &str) -> OidcError {
    ProviderError::BadAnswer(what.to_owned()).into()
}
