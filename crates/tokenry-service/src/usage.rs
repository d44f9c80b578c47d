//! Records uses of tokens in memory and writes them after the responses.

mod counts;
mod details;
mod last_used;
pub mod log;
mod open;
mod scopes;
pub mod summary;
pub(crate) mod write_behind;

use std::net::IpAddr;

use tokenry_domain::{ClientInfo, Scope, UnixMillis, optional_setters, setters, text::sanitize_line};
use tokenry_store::StoreError;

use self::counts::Key;
pub use self::{
    last_used::UsedToken,
    open::{OpenUse, method_name},
};
use crate::{
    periodic::{FlushOutcome, LAST_PAUSE, LAST_ROUNDS},
    tokenry::Tokenry,
    verified::VerifiedToken,
};

/// One use of a token: a request with it.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct UsageEvent<'a> {
    /// When the request was admitted.
    pub at: UnixMillis,
    /// The source address.
    pub source: Option<IpAddr>,
    /// The method, from a small set; empty if unknown. Cut to 32 characters.
    pub method: &'a str,
    /// The pattern of the route, from a small set; never the path, which may contain secrets. Empty if unknown. Cut to
    /// 256 characters.
    pub route: &'a str,
    /// The status of the response.
    pub status: u16,
    /// The user agent. Cut to [`ClientInfo::MAX_USER_AGENT`] characters; control characters are removed.
    pub user_agent: Option<&'a str>,
}

impl<'a> UsageEvent<'a> {
    /// A use of which only instant, source address and status are known.
    #[must_use]
    pub fn new(at: UnixMillis, source: Option<IpAddr>, status: u16) -> Self {
        UsageEvent { at, source, method: "", route: "", status, user_agent: None }
    }

    setters! {
        with_at(at: UnixMillis),
        with_method(method: &'a str),
        with_route(route: &'a str),
        with_status(status: u16),
    }

    optional_setters! { with_source(source: IpAddr), with_user_agent(user_agent: &'a str) }
}

const MAX_METHOD: usize = 32;
const MAX_ROUTE: usize = 256;

impl Tokenry {
    /// Records a use of a token, a [`&VerifiedToken`](VerifiedToken). Returns immediately; the record is written within
    /// a second, and before the last clone of this service is dropped. A rejected use (401, 403) is counted but does not
    /// become the token's last use.
    pub fn record_use(&self, token: impl Into<UsedToken>, event: &UsageEvent<'_>) {
        let token = token.into();
        let pending = self.0.uses.pending();
        if !matches!(event.status, 401 | 403) {
            pending.last_used.record(&token, event.at, event.source);
        }
        let Some(counts) = &pending.counts else { return };
        counts.count(
            &Key {
                token_id: token.id,
                start: counts.bucket().start_of(event.at),
                method: &sanitize_line(event.method, MAX_METHOD),
                route: &sanitize_line(event.route, MAX_ROUTE),
                status: event.status,
                ip: event.source,
                user_agent: &sanitize_line(event.user_agent.unwrap_or_default(), ClientInfo::MAX_USER_AGENT),
            },
            event.at,
        );
    }

    /// Records that a token was admitted where these scopes are required, so that its owner sees which granted scopes
    /// are unused. For each required scope, the least sufficient scope of the token is recorded, at most once a minute.
    /// Returns immediately; the record is written like those of [`record_use`](Self::record_use).
    pub fn record_scopes<'s>(
        &self,
        verified: &VerifiedToken,
        required: impl IntoIterator<Item = &'s Scope>,
        at: UnixMillis,
    ) {
        let token = verified.token();
        for required in required {
            if let Some(sufficient) = self.0.rules.catalog.least_sufficient(&token.scopes, required) {
                self.0.uses.pending().scopes.record(token.id, sufficient, at);
            }
        }
    }

    /// Whether this node counts uses.
    #[must_use]
    pub fn counts_uses(&self) -> bool {
        self.0.uses.pending().counts.is_some()
    }

    /// Writes everything that [`record_use`](Self::record_use) has buffered, and returns when it is written. Blocks the
    /// thread. Use it before reading recent uses; at the end of a program call [`close`](Self::close).
    ///
    /// # Errors
    /// [`StoreError`] if not everything was written; what failed stays pending.
    pub fn flush(&self) -> Result<(), StoreError> {
        for _ in 0..LAST_ROUNDS {
            if self.0.uses.pending().write(&|| true)? == FlushOutcome::Complete {
                return Ok(());
            }
            std::thread::sleep(LAST_PAUSE);
        }
        Err(StoreError::Unavailable("tokens are being changed".to_owned()))
    }
}
