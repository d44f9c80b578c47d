//! Fetches the keys of others who sign, such as JWT issuers, on demand.

use std::pin::Pin;

/// Resolves when a fetch of keys has ended, successful or not.
pub type KeyArrival = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Fetches the keys of issuers, and those of GitHub's reports, in the background.
pub trait KeyRefresh: Send + Sync {
    /// Requests the keys of this issuer only, because a JWT or a report names an unknown key. Returns immediately. Anyone can
    /// present such a one: an implementation limits how often it fetches and how many requests wait.
    fn refresh(&self, issuer: &str) -> KeyRefreshStatus;
}

/// The state of the keys of an issuer.
#[non_exhaustive]
pub enum KeyRefreshStatus {
    /// The keys are recent, or never fetched: an unknown key does not belong to the issuer.
    Current,
    /// A fetch is due or running.
    Pending(KeyArrival),
    /// The last fetch failed or is not recent and the next one is not due, or too many requests wait: it is unknown
    /// whether the issuer has such a key.
    Unavailable,
}
