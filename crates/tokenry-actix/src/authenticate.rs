//! [`authenticate`]: the middleware that requires a live token.

use actix_web::{
    body::{BoxBody, EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
};

use crate::{authentication::authentication, credential::Accepts, error::ApiError, usage::open_use};

/// Middleware that requires a live token for every route it wraps, whether or not the handler requires a scope with
/// [`Authorized`](crate::Authorized). It needs `Data<Tokenry>` in the app.
///
/// A rejection is a response, so that middleware outside of it still runs.
///
/// # Errors
/// Only those of the wrapped service.
pub async fn authenticate<B: MessageBody + 'static>(
    req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, actix_web::Error> {
    let authenticated = authentication(req.request(), Accepts::Tokens, true).await;
    let open = match authenticated {
        Ok(authentication) => open_use(req.request(), &authentication),
        Err(error) => return Ok(rejected(req, error)),
    };
    let response = next.call(req).await;
    if let Some(open) = open {
        let status = match &response {
            Ok(response) => response.status(),
            Err(error) => error.as_response_error().status_code(),
        };
        open.close(status.as_u16());
    }
    Ok(response?.map_into_left_body())
}

/// The response of a middleware that rejects the request.
pub(crate) fn rejected<B: MessageBody + 'static>(
    req: ServiceRequest,
    error: ApiError,
) -> ServiceResponse<EitherBody<B>> {
    req.error_response(error).map_body(|_, body| EitherBody::right(BoxBody::new(body)))
}
