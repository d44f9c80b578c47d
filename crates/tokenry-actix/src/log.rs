//! The request log: one line per request, made of an allow-list of fields.
//!
//! A line holds the method, the route's pattern, the status, the time taken, the request id and the ids of the
//! caller. Paths, queries, headers and bodies have no way in: they may hold secrets.

use std::{cell::Cell, rc::Rc};

use actix_web::{
    HttpMessage,
    http::{Method, StatusCode},
};
use tokenry_service::{TokenId, UserId};
use tracing::Span;

use crate::{clock::Stopwatch, request_id::RequestId};

/// The target of the request log's events and spans.
pub const TARGET: &str = "tokenry::request";

/// What authentication adds to a request's line. In the request's extensions while [`outer_middleware`](crate::outer_middleware) runs.
#[derive(Debug, Default)]
pub struct LogFields {
    user: Cell<Option<UserId>>,
    token: Cell<Option<TokenId>>,
}

impl LogFields {
    /// Writes the caller into the line of `message`; without the shell there is no line, and nothing happens.
    pub fn set(message: &impl HttpMessage, user: UserId, token: Option<TokenId>) {
        if let Some(fields) = message.extensions().get::<Rc<Self>>() {
            fields.user.set(Some(user));
            fields.token.set(token);
        }
    }
}

/// One request on its way to a line in the log.
pub(crate) struct Line {
    started: Stopwatch,
    method: &'static str,
    request_id: RequestId,
    fields: Rc<LogFields>,
    written: Cell<bool>,
}

impl Line {
    /// Starts the clock and puts [`LogFields`] into the request's extensions.
    pub(crate) fn start(message: &impl HttpMessage, method: &Method, request_id: RequestId) -> Self {
        let fields = Rc::new(LogFields::default());
        message.extensions_mut().insert(Rc::clone(&fields));
        Self {
            started: Stopwatch::start(),
            method: known(method),
            request_id,
            fields,
            written: Cell::new(false),
        }
    }

    /// The span in which the request runs, so that whatever is logged on the way has its id.
    pub(crate) fn span(&self) -> Span {
        tracing::info_span!(target: TARGET, "request", request_id = %self.request_id)
    }

    /// Writes the line. `route` is asked for only if someone reads the log.
    pub(crate) fn finish(&self, status: StatusCode, route: impl FnOnce() -> Option<String>) {
        self.write(status.as_u16(), route);
    }

    fn write(&self, status: u16, route: impl FnOnce() -> Option<String>) {
        if self.written.replace(true) || !tracing::enabled!(target: TARGET, tracing::Level::INFO) {
            return;
        }
        let route = route();
        tracing::info!(
            target: TARGET,
            method = self.method,
            route = route.as_deref().unwrap_or("unmatched"),
            status,
            duration_us = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX),
            request_id = %self.request_id,
            user_id = self.fields.user.get().map(tracing::field::display),
            token_id = self.fields.token.get().map(tracing::field::display),
            "request"
        );
    }
}

impl Drop for Line {
    /// A client that went away before its answer still gets its line, with the status 499 that nginx made
    /// customary.
    fn drop(&mut self) {
        // Logging runs code of others, and a panic within a panic ends the process.
        if !std::thread::panicking() {
            self.write(499, || None);
        }
    }
}

/// The methods HTTP defines by name; an invented one could be as long and as strange as a client likes.
pub(crate) fn known(method: &Method) -> &'static str {
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
