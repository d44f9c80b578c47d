//! Requests as uses of their tokens: begun when the caller is let in, counted when the answer is known.

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

use crate::{authentication::Authentication, client_ip, log::known};

/// What a client that went away before its answer is counted with, as in the request log.
const WENT_AWAY: u16 = 499;

/// A request whose answer is not known yet. It is counted in any case, so that nobody hides a use by going away before
/// the answer.
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
    /// The use that this request is; none if its caller came with something else than a token.
    pub(crate) fn of(req: &HttpRequest, authentication: &Authentication) -> Option<Self> {
        let tokenry = req.app_data::<Data<Tokenry>>()?.clone();
        let token = UsedToken::from(authentication.caller.verified()?);
        let is_counted = tokenry.counts_uses();
        Some(Self {
            tokenry,
            token,
            at: authentication.now,
            source: client_ip::of(req).known(),
            method: known(req.method()),
            route: is_counted.then(|| req.match_pattern()).flatten(),
            user_agent: req.headers().get(USER_AGENT).filter(|_| is_counted).cloned(),
            status: None,
        })
    }

    /// Counts it with the status of its answer.
    pub(crate) fn close(mut self, status: StatusCode) {
        self.status = Some(status);
    }
}

impl Drop for OpenUse {
    fn drop(&mut self) {
        let gone = if std::thread::panicking() { 500 } else { WENT_AWAY };
        let agent = self.user_agent.as_ref().map(|value| String::from_utf8_lossy(value.as_bytes()));
        self.tokenry.record_use(
            self.token,
            &UsageEvent {
                method: self.method,
                route: self.route.as_deref().unwrap_or_default(),
                user_agent: agent.as_deref(),
                ..UsageEvent::new(self.at, self.source, self.status.map_or(gone, |status| status.as_u16()))
            },
        );
    }
}

/// Counts a request as one use of its token, unless the middleware [`authenticate`](crate::authenticate()) counts it.
/// Inside [`outer_middleware`](crate::outer_middleware) it is counted with the status of the response; otherwise at once with
/// `status`, the status known so far.
pub(crate) fn count(req: &HttpRequest, authentication: &Authentication, status: StatusCode) {
    if authentication.is_counted_by_middleware {
        return;
    }
    let left = req.extensions().get::<Rc<LeftUse>>().cloned();
    match left {
        Some(left) => {
            let mut left = left.0.borrow_mut();
            if left.is_none() {
                *left = OpenUse::of(req, authentication);
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

/// That a request was counted without the shell.
struct Counted;

/// Where [`count`] leaves a use to the shell.
#[derive(Default)]
pub(crate) struct LeftUse(RefCell<Option<OpenUse>>);

impl LeftUse {
    /// Puts it into the request's extensions.
    pub(crate) fn start(message: &impl HttpMessage) -> Rc<Self> {
        let left = Rc::new(Self::default());
        message.extensions_mut().insert(left.clone());
        left
    }

    /// Counts the use, if one was left, with the status of its answer.
    pub(crate) fn close(&self, status: StatusCode) {
        if let Some(open) = self.0.borrow_mut().take() {
            open.close(status);
        }
    }
}
