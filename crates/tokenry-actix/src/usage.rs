//! Requests as uses of their tokens: opened at authentication, counted when the response is known.

use std::{cell::RefCell, rc::Rc};

use actix_web::{
    HttpMessage, HttpRequest,
    http::{
        StatusCode,
        header::{HeaderValue, USER_AGENT},
    },
    web::Data,
};
use tokenry_service::{Tokenry, usage};

use crate::{authentication::Authentication, client_ip};

/// A use by a request that is being answered.
pub(crate) type OpenUse = usage::OpenUse<HeaderValue>;

/// The use of its token by this request; `None` if the caller's credential is not a token.
pub(crate) fn open_use(req: &HttpRequest, authentication: &Authentication) -> Option<OpenUse> {
    let tokenry = req.app_data::<Data<Tokenry>>()?;
    let verified = authentication.caller.verified()?;
    let source = client_ip::of(req).address();
    let open = OpenUse::new(tokenry, verified, authentication.now, source, req.method().as_str());
    Some(open.with_details(|| req.match_pattern(), || req.headers().get(USER_AGENT).cloned()))
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
                *open = open_use(req, authentication);
            }
        }
        None if req.extensions_mut().insert(Counted).is_none() => {
            if let Some(open) = open_use(req, authentication) {
                open.close(status.as_u16());
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
            open.close(status.as_u16());
        }
    }
}
