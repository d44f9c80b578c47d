//! A provider at run time: its metadata and keys, fetched when they are needed and kept for an hour.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokenry_crypto::{JwtClaims, JwtError, JwtKeys, JwtSettingsError, JwtVerifier};
use tokenry_domain::UnixMillis;

use super::{
    metadata::{Metadata, url_of},
    provider_error::ProviderError,
    settings::{OidcProvider, OidcTransport},
};
use crate::{monotonic::Monotonic, semaphore::Semaphore};

/// How long metadata and keys are used without another fetch. A key that the provider withdraws is accepted this long, or up
/// to [`USABLE`] while its keys cannot be fetched.
const FRESH: Duration = Duration::from_secs(3600);
/// How long older metadata and keys are used while the provider does not respond.
const USABLE: Duration = Duration::from_secs(24 * 3600);
/// The pause after a failed fetch, in which the provider counts as unavailable without another attempt.
const PAUSE: Duration = Duration::from_secs(5);
/// How many requests wait for a fetch; each occupies a thread.
const MAX_WAITING: usize = 16;

/// One provider.
pub(crate) struct Provider {
    pub(super) settings: OidcProvider,
    pub(super) transport: Arc<dyn OidcTransport>,
    verifier: JwtVerifier,
    monotonic: Monotonic,
    cache: Mutex<Cache>,
    /// Held during a fetch, so that there is one at a time.
    fetching: Mutex<()>,
    waiting: Semaphore,
}

#[derive(Default)]
struct Cache {
    metadata: Option<(Arc<Metadata>, Duration)>,
    failed_at: Option<Duration>,
    keys_at: Option<Duration>,
    keys_failed_at: Option<Duration>,
}

impl Provider {
    pub(super) fn new(
        settings: OidcProvider,
        transport: Arc<dyn OidcTransport>,
        monotonic: Monotonic,
    ) -> Result<Self, JwtSettingsError> {
        let verifier = JwtVerifier::new(vec![(settings.rules()?, JwtKeys::Pending)])?;
        Ok(Self {
            settings,
            transport,
            verifier,
            monotonic,
            cache: Mutex::default(),
            fetching: Mutex::default(),
            waiting: Semaphore::of(MAX_WAITING),
        })
    }

    /// The metadata, fetched if there is none from the last hour.
    pub(super) fn metadata(&self) -> Result<Arc<Metadata>, ProviderError> {
        if let Some(fresh) = self.cached(FRESH) {
            return Ok(fresh);
        }
        let Some(_permit) = self.waiting.try_acquire(None) else {
            let busy = || ProviderError::Unavailable("too many requests wait for it".to_owned());
            return self.cached(USABLE).ok_or_else(busy);
        };
        let _fetching = self.fetching.lock().unwrap_or_else(PoisonError::into_inner);
        // Another request fetched it, or failed, meanwhile.
        if let Some(fresh) = self.cached(FRESH) {
            return Ok(fresh);
        }
        let fetched = match self.with_cache(|cache| cache.failed_at).filter(|at| self.age(*at) < PAUSE) {
            Some(_) => Err("it did not respond a moment ago".to_owned()),
            None => self.fetch_metadata(),
        };
        fetched.or_else(|why| self.cached(USABLE).ok_or(ProviderError::Unavailable(why)))
    }

    /// The metadata that is already here, whatever its age.
    pub(super) fn known_metadata(&self) -> Option<Arc<Metadata>> {
        self.cached(Duration::MAX)
    }

    /// Fetches what is missing or older than an hour; whether all of it is fresh then.
    pub(super) fn refresh(&self) -> bool {
        self.metadata().is_ok_and(|metadata| self.has_keys(FRESH) || self.renew_keys(&metadata).is_ok())
    }

    /// Fetches the keys if they are old or lack the one that this ID token names.
    pub(super) fn ensure_keys(&self, metadata: &Metadata, id_token: &str) -> Result<(), ProviderError> {
        let is_missing = self.verifier.missing_key(id_token.as_bytes()).is_some();
        if !is_missing && self.has_keys(FRESH) {
            return Ok(());
        }
        match self.renew_keys(metadata) {
            // Older keys still verify what the provider has signed with them.
            Err(why) if is_missing || !self.has_keys(USABLE) => Err(ProviderError::Unavailable(why)),
            _ => Ok(()),
        }
    }

    /// The claims of an ID token with a valid signature, for this client and this time, by the keys that are here.
    pub(super) fn verify(&self, id_token: &str, now: UnixMillis) -> Result<JwtClaims, ProviderError> {
        self.verifier.verify(id_token.as_bytes(), now).map_err(|error| match error {
            JwtError::KeysUnavailable => ProviderError::Unavailable("its keys are not available".to_owned()),
            error => ProviderError::BadAnswer(format!("its ID token was rejected: {error}")),
        })
    }

    fn fetch_metadata(&self) -> Result<Arc<Metadata>, String> {
        let issuer = &self.settings.mapping.issuer;
        let started = self.monotonic.elapsed();
        let fetched = self.transport.get(&url_of(issuer)).and_then(|text| Metadata::parse(&text, issuer));
        let ended = self.monotonic.elapsed();
        match fetched {
            Ok(metadata) => {
                let metadata = Arc::new(metadata);
                let kept = metadata.clone();
                self.with_cache(|cache| (cache.metadata, cache.failed_at) = (Some((kept, started)), None));
                Ok(metadata)
            }
            Err(why) => {
                tracing::warn!(provider = self.settings.id, error = %why, "cannot fetch the metadata of a provider");
                self.with_cache(|cache| cache.failed_at = Some(ended));
                Err(why)
            }
        }
    }

    /// Fetches the keys, unless another request has done so meanwhile, or failed a moment ago.
    fn renew_keys(&self, metadata: &Metadata) -> Result<(), String> {
        let asked_at = self.monotonic.elapsed();
        let _permit = self.waiting.try_acquire(None).ok_or("too many requests wait for it")?;
        let _fetching = self.fetching.lock().unwrap_or_else(PoisonError::into_inner);
        let (keys_at, failed_at) = self.with_cache(|cache| (cache.keys_at, cache.keys_failed_at));
        // One that began before could lack a key that signed the token of this request.
        if keys_at.is_some_and(|at| at > asked_at) {
            return Ok(());
        }
        match failed_at.filter(|at| self.age(*at) < PAUSE) {
            Some(_) => Err("its keys could not be fetched a moment ago".to_owned()),
            None => self.fetch_keys(metadata),
        }
    }

    /// Fetches the keys at once.
    pub(super) fn fetch_keys(&self, metadata: &Metadata) -> Result<(), String> {
        let started = self.monotonic.elapsed();
        let issuer = &self.settings.mapping.issuer;
        let replaced = self
            .transport
            .get(&metadata.jwks_uri)
            .and_then(|jwks| self.verifier.replace_keys(issuer, &jwks).map_err(|error| error.to_string()));
        match &replaced {
            Ok(()) => self.with_cache(|cache| (cache.keys_at, cache.keys_failed_at) = (Some(started), None)),
            Err(error) => {
                tracing::warn!(provider = self.settings.id, error, "cannot fetch the keys of a provider");
                let ended = self.monotonic.elapsed();
                self.with_cache(|cache| cache.keys_failed_at = Some(ended));
            }
        }
        replaced
    }

    fn cached(&self, max_age: Duration) -> Option<Arc<Metadata>> {
        let found = self.with_cache(|cache| cache.metadata.clone());
        found.filter(|(_, at)| self.age(*at) < max_age).map(|(metadata, _)| metadata)
    }

    fn has_keys(&self, max_age: Duration) -> bool {
        self.with_cache(|cache| cache.keys_at).is_some_and(|at| self.age(at) < max_age)
    }

    fn age(&self, at: Duration) -> Duration {
        self.monotonic.elapsed().saturating_sub(at)
    }

    fn with_cache<T>(&self, use_it: impl FnOnce(&mut Cache) -> T) -> T {
        use_it(&mut self.cache.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests;
