//! What usage and audit records contain about the client of a request.

use std::borrow::Cow;

use actix_web::{HttpRequest, http::header::USER_AGENT};
use tokenry_service::ClientInfo;

use crate::{client_ip, request_id::RequestId};

/// The address, user agent and request id of `req`, for audit events.
pub(crate) fn client_info(req: &HttpRequest) -> ClientInfo {
    let agent = user_agent(req);
    ClientInfo::new(client_ip::of(req).address(), agent.as_deref(), Some(RequestId::of(req).to_string()))
}

/// The `User-Agent` header, with invalid UTF-8 replaced.
pub(crate) fn user_agent(req: &HttpRequest) -> Option<Cow<'_, str>> {
    req.headers().get(USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()))
}
