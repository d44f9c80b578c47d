//! A request as a use of its token: opened at authentication, recorded when the response is known.

use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header::USER_AGENT};
use tokenry_service::{UsageEvent, UsedToken};

use crate::identity::Identity;

/// The status of a client that disconnected before the response.
const DISCONNECTED: u16 = 499;

/// A use whose response is not known yet. It is recorded when dropped, so that a client cannot hide a use by
/// disconnecting early.
pub(crate) struct OpenUse {
    identity: Identity,
    method: &'static str,
    route: Option<String>,
    user_agent: Option<HeaderValue>,
    status: Option<StatusCode>,
}

impl OpenUse {
    pub(crate) fn of<B>(request: &Request<B>, identity: Identity) -> Self {
        let is_counted = identity.tokenry.counts_uses();
        Self {
            method: method_name(request.method()),
            route: is_counted.then(|| route(request)).flatten(),
            user_agent: user_agent(request.headers()).filter(|_| is_counted).cloned(),
            status: None,
            identity,
        }
    }

    /// Records the use with the status of the response.
    pub(crate) fn close(mut self, status: StatusCode) {
        self.status = Some(status);
    }
}

impl Drop for OpenUse {
    fn drop(&mut self) {
        let default = if std::thread::panicking() { 500 } else { DISCONNECTED };
        let agent = self.user_agent.as_ref().map(|value| String::from_utf8_lossy(value.as_bytes()));
        let status = self.status.map_or(default, |status| status.as_u16());
        let mut event = UsageEvent::new(self.identity.now, self.identity.source, status);
        event.method = self.method;
        event.route = self.route.as_deref().unwrap_or_default();
        event.user_agent = agent.as_deref();
        self.identity.tokenry.record_use(UsedToken::from(&self.identity.verified), &event);
    }
}

fn user_agent(headers: &HeaderMap) -> Option<&HeaderValue> {
    headers.get(USER_AGENT)
}

/// The pattern of the route; never the path, which may contain secrets.
#[cfg(feature = "axum")]
fn route<B>(request: &Request<B>) -> Option<String> {
    request.extensions().get::<axum::extract::MatchedPath>().map(|path| path.as_str().to_owned())
}

#[cfg(not(feature = "axum"))]
fn route<B>(_: &Request<B>) -> Option<String> {
    None
}

/// The name of a method that HTTP defines, else `OTHER`: an invented method is arbitrary client input.
fn method_name(method: &Method) -> &'static str {
    match method.as_str() {
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
