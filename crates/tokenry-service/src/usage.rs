//! What tokens are used for: noted at once, written behind the answers.

mod counts;
mod details;
mod last_used;
pub mod log;
mod scopes;
mod sharded;
pub mod summary;
pub(crate) mod write_behind;

use std::net::IpAddr;

use tokenry_domain::{ClientInfo, Scope, UnixMillis, text::one_line};
use tokenry_store::StoreError;

use self::counts::Key;
pub use self::last_used::UsedToken;
use crate::{
    periodic::{FlushOutcome, LAST_PAUSE, LAST_ROUNDS},
    tokenry::Tokenry,
    verified::VerifiedToken,
};

/// One use of a token: a request that was made with it.
#[derive(Debug, Clone, Copy)]
pub struct UsageEvent<'a> {
    /// When it was let in.
    pub at: UnixMillis,
    /// From where.
    pub source: Option<IpAddr>,
    /// The method, one of few; empty if it is not known. Cut to 32 characters.
    pub method: &'a str,
    /// The pattern of the route, one of few; never the path, which may hold secrets. Empty if it is not known. Cut to
    /// 256 characters.
    pub route: &'a str,
    /// The status of the answer.
    pub status: u16,
    /// What the client calls itself. Cut to [`ClientInfo::MAX_USER_AGENT`] characters; control characters are left out.
    pub user_agent: Option<&'a str>,
}

impl<'a> UsageEvent<'a> {
    /// A use of which nothing is known but when, from where, and how it was answered.
    #[must_use]
    pub fn new(at: UnixMillis, source: Option<IpAddr>, status: u16) -> Self {
        UsageEvent { at, source, method: "", route: "", status, user_agent: None }
    }
}

const MAX_METHOD: usize = 32;
const MAX_ROUTE: usize = 256;

impl Tokenry {
    /// Notes what a token, a [`&VerifiedToken`](VerifiedToken), was used for. It returns at once; the note is written
    /// within a second, and before the last clone of this service is dropped. A use that was refused (401, 403) is
    /// counted, but is not the token's last use.
    pub fn record_use(&self, token: impl Into<UsedToken>, of: &UsageEvent<'_>) {
        let token = token.into();
        let waiting = self.0.uses.waiting();
        if !matches!(of.status, 401 | 403) {
            waiting.last_used.note(&token, of.at, of.source);
        }
        let Some(counts) = &waiting.counts else { return };
        counts.count(
            &Key {
                token_id: token.id,
                start: counts.bucket().start_of(of.at),
                method: &one_line(of.method, MAX_METHOD),
                route: &one_line(of.route, MAX_ROUTE),
                status: of.status,
                ip: of.source,
                user_agent: &one_line(of.user_agent.unwrap_or_default(), ClientInfo::MAX_USER_AGENT),
            },
            of.at,
        );
    }

    /// Notes that a token was let in where these scopes are needed, so that its owner sees which of its scopes are granted
    /// but unused. Of the scopes that it holds, the least that was enough is noted for each. It returns at once; the note is
    /// written as those of [`record_use`](Self::record_use) are, for each scope at most once a minute.
    pub fn record_scopes<'s>(
        &self,
        verified: &VerifiedToken,
        needed: impl IntoIterator<Item = &'s Scope>,
        at: UnixMillis,
    ) {
        let token = verified.token();
        for needed in needed {
            if let Some(held) = self.0.rules.catalog.least_sufficient(&token.scopes, needed) {
                self.0.uses.waiting().scopes.note(token.id, held, at);
            }
        }
    }

    /// Whether this node counts what tokens are used for.
    #[must_use]
    pub fn counts_uses(&self) -> bool {
        self.0.uses.waiting().counts.is_some()
    }

    /// Writes everything that was noted with [`record_use`](Self::record_use) and waits, and returns when it is
    /// written. It blocks the thread. For reading what was noted a moment ago; at the end of a program see
    /// [`close`](Self::close).
    ///
    /// # Errors
    /// [`StoreError`] if the database did not take all of it; what it did not take waits on.
    pub fn flush(&self) -> Result<(), StoreError> {
        for _ in 0..LAST_ROUNDS {
            if self.0.uses.waiting().write(&|| true)? == FlushOutcome::Nothing {
                return Ok(());
            }
            std::thread::sleep(LAST_PAUSE);
        }
        Err(StoreError::Unavailable("tokens are being changed".to_owned()))
    }
}
