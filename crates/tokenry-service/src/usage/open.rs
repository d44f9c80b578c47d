//! A request as a use of its token: opened at authentication, recorded when the response is known.

use std::net::IpAddr;

use tokenry_domain::UnixMillis;

use super::{UsageEvent, UsedToken};
use crate::tokenry::Tokenry;

/// The status of a client that disconnected before the response, as introduced by nginx.
const DISCONNECTED: u16 = 499;

/// A use whose response is not known yet. It is recorded when dropped, so that a client cannot hide a use by
/// disconnecting early. `A` is the header value of the user agent.
pub struct OpenUse<A: AsRef<[u8]>> {
    tokenry: Tokenry,
    token: UsedToken,
    at: UnixMillis,
    source: Option<IpAddr>,
    method: &'static str,
    route: Option<String>,
    user_agent: Option<A>,
    status: Option<u16>,
}

impl<A: AsRef<[u8]>> OpenUse<A> {
    /// A use of a token, a [`&VerifiedToken`](crate::VerifiedToken), by a request with this method.
    pub fn new(
        tokenry: &Tokenry,
        token: impl Into<UsedToken>,
        at: UnixMillis,
        source: Option<IpAddr>,
        method: &str,
    ) -> Self {
        Self {
            tokenry: tokenry.clone(),
            token: token.into(),
            at,
            source,
            method: method_name(method),
            route: None,
            user_agent: None,
            status: None,
        }
    }

    /// Adds the pattern of the route and the user agent, which are computed only if this node counts uses.
    #[must_use]
    pub fn with_details(
        mut self,
        route: impl FnOnce() -> Option<String>,
        user_agent: impl FnOnce() -> Option<A>,
    ) -> Self {
        if self.tokenry.counts_uses() {
            (self.route, self.user_agent) = (route(), user_agent());
        }
        self
    }

    /// Records the use with the status of the response.
    pub fn close(mut self, status: u16) {
        self.status = Some(status);
    }
}

impl<A: AsRef<[u8]>> Drop for OpenUse<A> {
    fn drop(&mut self) {
        let default = if std::thread::panicking() { 500 } else { DISCONNECTED };
        let agent = self.user_agent.as_ref().map(|value| String::from_utf8_lossy(value.as_ref()));
        self.tokenry.record_use(
            self.token,
            &UsageEvent::new(self.at, self.source, self.status.unwrap_or(default))
                .with_method(self.method)
                .with_route(self.route.as_deref().unwrap_or_default())
                .with_user_agent(agent.as_deref()),
        );
    }
}

/// The name of a method that HTTP defines, else `OTHER`: an invented method is arbitrary client input.
#[must_use]
pub fn method_name(method: &str) -> &'static str {
    match method {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        "TRACE" => "TRACE",
        "CONNECT" => "CONNECT",
        _ => "OTHER",
    }
}
