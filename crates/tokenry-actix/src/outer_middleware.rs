//! [`outer_middleware`]: the outermost middleware of the app.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
};

use actix_web::{
    Error, HttpResponse,
    body::{BoxBody, EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{StatusCode, header::HeaderName},
    middleware::Next,
};
use tracing::Instrument as _;

use crate::{
    authentication::record_forbidden,
    error::{self, ApiError},
    headers,
    log::RequestLine,
    request_id::{RequestId, X_REQUEST_ID},
    usage::DeferredUse,
};

/// Request id, request log, head limits, panic guard, problem bodies and response headers, in one middleware.
///
/// A response without `Content-Security-Policy` gets `default-src 'none'`, and one without `Cache-Control` gets
/// `no-store`: your own pages inside it must set what they load and whether they may be cached.
///
/// Wrap it last, so that it is outermost and sees every response. It is optional for an app that embeds Tokenry's routes:
/// without it their error responses only lack the `request_id`.
///
/// ```
/// use actix_web::{App, middleware::from_fn};
/// let app = App::new().wrap(from_fn(tokenry_actix::outer_middleware));
/// ```
///
/// # Errors
/// An error of an inner middleware stays an error; its response is completed nevertheless. A panic becomes
/// [`ApiError::Internal`].
// Order: assign the request id, start the log line, run the request, complete the response, write the line. The id is
// first so that everything else has it, and the line last so that it has the final status.
pub async fn outer_middleware<B: MessageBody + 'static>(
    req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let id = RequestId::assign(req.headers(), &req);
    let line = RequestLine::start(&req, id.clone());
    let uses = DeferredUse::start(&req);
    let response = match headers::check(req.head()) {
        Ok(()) => {
            let handled = catch_panic(async move { next.call(req).await }).instrument(line.span()).await;
            handled.map(|response| {
                record_if_forbidden(&response);
                finalize_response(response, &id)
            })
        }
        Err(error) => {
            let rejected = finalize_response(req.error_response(error), &id);
            Ok(rejected.map_body(|_, body| EitherBody::right(BoxBody::new(body))))
        }
    };
    match response {
        Ok(response) => {
            line.finish(response.status(), || response.request().match_pattern());
            uses.close(response.status());
            Ok(response)
        }
        Err(mut error) => {
            let status = error.as_response_error().status_code();
            line.finish(status, || None);
            uses.close(status);
            error.add_response_mapper(move |response| finalize(response, &id).map_into_boxed_body());
            Err(error)
        }
    }
}

/// Records in the audit log that an authenticated caller got 403.
fn record_if_forbidden<B>(response: &ServiceResponse<B>) {
    if response.status() == StatusCode::FORBIDDEN {
        let error = response.response().error().and_then(|error| error.as_error::<ApiError>());
        record_forbidden(response.request(), error.map_or("forbidden", ApiError::code));
    }
}

/// Adds the problem body of an error response and the headers of every response.
fn finalize<B: MessageBody>(response: HttpResponse<B>, id: &RequestId) -> HttpResponse<EitherBody<B>> {
    let mut response = error::complete(response, id);
    headers::set_security_headers(response.headers_mut());
    response.headers_mut().insert(HeaderName::from_static(X_REQUEST_ID), id.header());
    response
}

fn finalize_response<B: MessageBody>(
    response: ServiceResponse<B>,
    id: &RequestId,
) -> ServiceResponse<EitherBody<B>> {
    let (req, response) = response.into_parts();
    ServiceResponse::new(req, finalize(response, id))
}

/// Converts a panic of `handled` to an error, so that the client gets a response and the connection stays open.
///
/// The message of the panic is not logged here: the panic hook of the process has it, and it may contain secrets.
async fn catch_panic<T>(handled: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let mut handled = pin!(handled);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| handled.as_mut().poll(cx))) {
        Ok(polled) => polled,
        // The future is not polled again: `poll_fn` is done.
        Err(_) => Poll::Ready(Err(ApiError::internal("a handler panicked").into())),
    })
    .await
}
