//! The request log: one line per request, with an allow-list of fields. The metrics count the same requests.
//!
//! A line has the method, the pattern of the route, the status, the duration, the request id and the ids of the caller.
//! Paths, queries, headers and bodies are never logged: they may contain secrets.

use std::{cell::Cell, rc::Rc};

use actix_web::{HttpMessage, dev::ServiceRequest, http::StatusCode, web::Data};
use tokenry_service::{TokenId, UserId, usage::method_name};
use tracing::Span;

use crate::{clock::Stopwatch, metrics::Metrics, request_id::RequestId};

/// The target of the request log's events and spans.
pub(crate) const TARGET: &str = "tokenry::request";

/// The route of a request to an unknown path.
pub(crate) const UNMATCHED: &str = "unmatched";

/// The fields that authentication adds to the line of a request. In the extensions of the request inside of [`outer_middleware`](crate::outer_middleware()).
#[derive(Debug, Default)]
pub(crate) struct LogFields {
    user: Cell<Option<UserId>>,
    token: Cell<Option<TokenId>>,
}

impl LogFields {
    /// Adds the caller to the line of `message`. Does nothing outside of the outer middleware, where there is no line.
    pub(crate) fn set(message: &impl HttpMessage, user: UserId, token: Option<TokenId>) {
        if let Some(fields) = message.extensions().get::<Rc<Self>>() {
            fields.user.set(Some(user));
            fields.token.set(token);
        }
    }
}

/// The log line and the counts of one request, until they are written.
pub(crate) struct RequestLine {
    metrics: Option<Data<Metrics>>,
    started: Stopwatch,
    method: &'static str,
    request_id: RequestId,
    fields: Rc<LogFields>,
    written: Cell<bool>,
}

impl RequestLine {
    /// Starts the stopwatch and puts [`LogFields`] into the extensions of the request.
    pub(crate) fn start(req: &ServiceRequest, request_id: RequestId) -> Self {
        let fields = Rc::new(LogFields::default());
        req.extensions_mut().insert(Rc::clone(&fields));
        Self {
            metrics: req.app_data::<Data<Metrics>>().cloned(),
            started: Stopwatch::start(),
            method: method_name(req.method().as_str()),
            request_id,
            fields,
            written: Cell::new(false),
        }
    }

    /// The span of the request, which adds its id to everything that is logged.
    pub(crate) fn span(&self) -> Span {
        tracing::info_span!(target: TARGET, "request", request_id = %self.request_id)
    }

    /// Writes the line and counts the request. `route` is computed only if one of them needs it.
    pub(crate) fn finish(&self, status: StatusCode, route: impl FnOnce() -> Option<String>) {
        self.write(status.as_u16(), route);
    }

    fn write(&self, status: u16, route: impl FnOnce() -> Option<String>) {
        let is_logged = tracing::enabled!(target: TARGET, tracing::Level::INFO);
        if self.written.replace(true) || !(is_logged || self.metrics.is_some()) {
            return;
        }
        let (route, duration) = (route(), self.started.elapsed());
        if is_logged {
            tracing::info!(
                target: TARGET,
                method = self.method,
                route = route.as_deref().unwrap_or(UNMATCHED),
                status,
                duration_us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
                request_id = %self.request_id,
                user_id = self.fields.user.get().map(tracing::field::display),
                token_id = self.fields.token.get().map(tracing::field::display),
                "request"
            );
        }
        if let Some(metrics) = &self.metrics {
            metrics.count_request(self.method, route, status, duration);
        }
    }
}

impl Drop for RequestLine {
    /// Writes the line of a client that disconnected before the response, with the status 499 introduced by nginx.
    fn drop(&mut self) {
        // A subscriber may panic, and a panic while panicking aborts the process.
        if !std::thread::panicking() {
            self.write(499, || None);
        }
    }
}

#[cfg(test)]
mod tests;
