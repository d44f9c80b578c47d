//! Service calls that wait for the database, run outside the event loop of the worker.

use crate::error::ApiError;

/// Runs a use case on a thread where it may wait for the database.
pub(crate) async fn blocking<T, E>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, ApiError>
where
    T: Send + 'static,
    E: Send + 'static,
    ApiError: From<E>,
{
    let span = tracing::Span::current();
    let done = actix_web::web::block(move || span.in_scope(work)).await;
    Ok(done.map_err(ApiError::internal)??)
}
