//! Reports of leaked tokens that GitHub's secret scanning signs.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use tokenry_crypto::{ReportKeys, ReportKeysError};

use crate::key_refresh::{KeyRefresh, KeyRefreshStatus};

/// The name by which a [`KeyRefresh`] knows these keys.
pub const GITHUB: &str = "github";

/// The maximum number of remembered reports, 64 bytes each.
const MAX_RECENT: usize = 512;

/// GitHub's public keys, which may be replaced while reports are verified.
pub struct GithubReports {
    keys: RwLock<Arc<ReportKeys>>,
    refresh: Option<Arc<dyn KeyRefresh>>,
    /// The digests of recent signed reports, the oldest first.
    recent: Mutex<VecDeque<String>>,
}

impl GithubReports {
    /// Keys that do not change.
    #[must_use]
    pub fn new(keys: ReportKeys) -> Self {
        Self { keys: RwLock::new(Arc::new(keys)), refresh: None, recent: Mutex::default() }
    }

    /// Keys that are fetched: until [`replace_keys`](Self::replace_keys) there are none.
    #[must_use]
    pub fn fetched(refresh: Arc<dyn KeyRefresh>) -> Self {
        Self {
            keys: RwLock::new(Arc::new(ReportKeys::none())),
            refresh: Some(refresh),
            recent: Mutex::default(),
        }
    }

    /// Replaces the keys by those of a document of GitHub.
    ///
    /// # Errors
    /// [`ReportKeysError`]; the old keys remain.
    pub fn replace_keys(&self, json: &str) -> Result<(), ReportKeysError> {
        let keys = Arc::new(ReportKeys::parse(json)?);
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }

    /// Requests the keys because a report names an unknown one; `None` if it is known, or the keys do not change.
    #[must_use]
    pub fn request_key(&self, identifier: &str) -> Option<KeyRefreshStatus> {
        let refresh = self.refresh.as_ref().filter(|_| !self.has_key(identifier))?;
        Some(refresh.refresh(GITHUB))
    }

    /// Whether there is a key with this identifier.
    #[must_use]
    pub fn has_key(&self, identifier: &str) -> bool {
        self.keys().has(identifier)
    }

    /// Whether GitHub has signed the raw body of a report.
    #[must_use]
    pub fn is_signed(&self, identifier: &str, signature: &str, body: &[u8]) -> bool {
        self.keys().is_signed(identifier, signature, body)
    }

    /// Whether a report with this body was among the last 512 different ones; from now on it is. Only for bodies that
    /// GitHub has signed.
    #[must_use]
    pub fn is_repeated(&self, body: &[u8]) -> bool {
        let digest = tokenry_crypto::fingerprint(body);
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.contains(&digest) {
            return true;
        }
        if recent.len() >= MAX_RECENT {
            recent.pop_front();
        }
        recent.push_back(digest);
        false
    }

    fn keys(&self) -> Arc<ReportKeys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
