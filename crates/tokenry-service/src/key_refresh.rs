//! The keys of issuers that are fetched while tokens are verified with them.

use std::pin::Pin;

/// Ends when a fetch of keys is over, whether or not it brought any.
pub type KeyArrival = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Fetches the keys of issuers in the background.
pub trait KeyRefresh: Send + Sync {
    /// Asks for the keys of this issuer, and of no other, because a token names one that is not among them. It returns at
    /// once. Anyone can present such a token: an implementation bounds how often it fetches, and how many wait.
    fn refresh(&self, issuer: &str) -> KeyRefreshStatus;
}

/// Where the keys of an issuer stand.
#[non_exhaustive]
pub enum KeyRefreshStatus {
    /// They were fetched so lately, or are never fetched, that a key which is not among them is none of the issuer's.
    Current,
    /// A fetch is due or under way.
    Pending(KeyArrival),
    /// The last fetch failed or was a while ago and the next is not due, or too many wait for it: nobody can tell whether
    /// there is such a key.
    Unavailable,
}
