//! [`outer_middleware`]: the middleware around the whole app.

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
    log::Line,
    request_id::{RequestId, X_REQUEST_ID},
    usage::LeftUse,
};

/// Request id, request log, head limits, panic guard, problem bodies and response headers, in one middleware.
///
/// An answer that sets no `Content-Security-Policy` gets `default-src 'none'`, and one without `Cache-Control` gets
/// `no-store`: pages of your own behind it say what they load and may be kept.
///
/// Wrap it last, so that it is outermost and sees every answer. An app that embeds Tokenry's routes need not
/// have it: the routes' refusals are complete without it, only nameless (`request_id`).
///
/// ```
/// use actix_web::{App, middleware::from_fn};
/// let app = App::new().wrap(from_fn(tokenry_actix::outer_middleware::outer_middleware));
/// ```
///
/// # Errors
/// An inner middleware's error stays an error; the answer it turns into is completed all the same. A panic
/// becomes [`ApiError::Internal`].
// The order is: name the request, start its line, run it, complete the answer, write the line. The line is
// last so that it tells the status the client sees, and the name first so that everything else has it.
pub async fn outer_middleware<B: MessageBody + 'static>(
    req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let id = RequestId::assign(req.headers(), &req);
    let line = Line::start(&req, req.method(), id.clone());
    let uses = LeftUse::start(&req);
    let response = match headers::check(req.head()) {
        Ok(()) => {
            let handled = guard(async move { next.call(req).await }).instrument(line.span()).await;
            handled.map(|response| {
                tell(&response);
                finalize_response(response, &id)
            })
        }
        Err(refusal) => {
            let refused = finalize_response(req.error_response(refusal), &id);
            Ok(refused.map_body(|_, body| EitherBody::right(BoxBody::new(body))))
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

/// Tells the audit log if a known caller was forbidden something.
fn tell<B>(response: &ServiceResponse<B>) {
    if response.status() == StatusCode::FORBIDDEN {
        let error = response.response().error().and_then(|error| error.as_error::<ApiError>());
        record_forbidden(response.request(), error.map_or("forbidden", ApiError::code));
    }
}

/// Gives an answer its problem body, if it is a refusal, and the headers every answer has.
fn finalize<B: MessageBody>(response: HttpResponse<B>, id: &RequestId) -> HttpResponse<EitherBody<B>> {
    let mut response = error::complete(response, id);
    headers::secure(response.headers_mut());
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

/// Turns a panic of `handled` into an error, so that the client gets an answer and the connection lives on.
///
/// The panic's message is not logged here: the process's panic hook has it, and it may quote anything.
async fn guard<T>(handled: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let mut handled = pin!(handled);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| handled.as_mut().poll(cx))) {
        Ok(polled) => polled,
        // The future is not polled again: `poll_fn` is done.
        Err(_) => Poll::Ready(Err(ApiError::internal("a handler panicked").into())),
    })
    .await
}
