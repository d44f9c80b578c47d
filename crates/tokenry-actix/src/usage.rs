//! Requests as uses of their tokens: opened at authentication, counted when the response is known.

use std::{cell::RefCell, net::IpAddr, rc::Rc};

use actix_web::{
    HttpMessage, HttpRequest,
    http::{
        StatusCode,
        header::{HeaderValue, USER_AGENT},
    },
    web::Data,
};
use tokenry_service::{Tokenry, UnixMillis, UsageEvent, UsedToken};

use crate::{authentication::Authentication, client_ip, log::method_name};

/// The status of a client that disconnected before the response, as in the request log.
const DISCONNECTED: u16 = 499;

/// A use whose response is not known yet. It is counted when dropped, so that a client cannot hide a use by disconnecting
/// early.
pub(crate) struct OpenUse {
    tokenry: Data<Tokenry>,
    token: UsedToken,
    at: UnixMillis,
    source: Option<IpAddr>,
    method: &'static str,
    route: Option<String>,
    user_agent: Option<HeaderValue>,
    status: Option<StatusCode>,
}

impl OpenUse {
    /// The use by this request; `None` if the caller's credential is not a token.
    pub(crate) fn of(req: &HttpRequest, authentication: &Authentication) -> Option<Self> {
        let tokenry = req.app_data::<Data<Tokenry>>()?.clone();
        let token = UsedToken::from(authentication.caller.verified()?);
        let is_counted = tokenry.counts_uses();
        Some(Self {
            tokenry,
            token,
            at: authentication.now,
            source: client_ip::of(req).known(),
            method: method_name(req.method()),
            route: is_counted.then(|| req.match_pattern()).flatten(),
            user_agent: req.headers().get(USER_AGENT).filter(|_| is_counted).cloned(),
            status: None,
        })
    }

    /// Counts the use with the status of the response.
    pub(crate) fn close(mut self, status: StatusCode) {
        self.status = Some(status);
    }
}

impl Drop for OpenUse {
    fn drop(&mut self) {
        let default = if std::thread::panicking() { 500 } else { DISCONNECTED };
        let agent = self.user_agent.as_ref().map(|value| String::from_utf8_lossy(value.as_bytes()));
        self.tokenry.record_use(
            self.token,
            &UsageEvent::new(self.at, self.source, self.status.map_or(default, |status| status.as_u16()))
                .with_method(self.method)
                .with_route(self.route.as_deref().unwrap_or_default())
                .with_user_agent(agent.as_deref()),
        );
    }
}

/// Counts a request as one use of its token, unless the middleware [`authenticate`](crate::authenticate()) counts it.
/// Inside [`outer_middleware`](crate::outer_middleware()) it is counted with the status of the response; otherwise at once with
/// `status`, the status known so far.
pub(crate) fn count(req: &HttpRequest, authentication: &Authentication, status: StatusCode) {
    if authentication.is_counted_by_middleware {
        return;
    }
    let deferred = req.extensions().get::<Rc<DeferredUse>>().cloned();
    match deferred {
        Some(deferred) => {
            let mut open = deferred.0.borrow_mut();
            if open.is_none() {
                *open = OpenUse::of(req, authentication);
            }
        }
        None if req.extensions_mut().insert(Counted).is_none() => {
            if let Some(open) = OpenUse::of(req, authentication) {
                open.close(status);
            }
        }
        None => {}
    }
}

/// Request extension: the request was counted without the outer middleware.
struct Counted;

/// The use that [`count`] leaves to the outer middleware.
#[derive(Default)]
pub(crate) struct DeferredUse(RefCell<Option<OpenUse>>);

impl DeferredUse {
    /// Puts an empty one into the extensions of the request.
    pub(crate) fn start(message: &impl HttpMessage) -> Rc<Self> {
        let deferred = Rc::new(Self::default());
        message.extensions_mut().insert(deferred.clone());
        deferred
    }

    /// Counts the deferred use, if any, with the status of the response.
    pub(crate) fn close(&self, status: StatusCode) {
        if let Some(open) = self.0.borrow_mut().take() {
            open.close(status);
        }
    }
}
