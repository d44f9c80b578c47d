//! The history of a token.

use actix_web::web::{Data, Json};
use tokenry_service::{PageSize, TokenId, Tokenry};

use super::{RouteName, path::IdPath, token_list::size};
use crate::{
    api_caller::ApiCaller,
    blocking::blocking,
    body::Sequential,
    error::{ApiError, Problem},
    query::{FromQuery, Query, StrictQuery},
    scopes::TokensRead,
    wire,
};

/// Lists the history of one of the caller's tokens, live or dead, newest first.
#[utoipa::path(get, path = RouteName::ListTokenEvents.path(), tag = "tokens", security(("token" = [])), params(
    ("id" = String, Path),
    ("limit" = Option<u16>, Query, minimum = 1, maximum = 200, description = "Default: 50"),
    ("cursor" = Option<String>, Query, description = "The next_cursor of the previous page."),
), responses(
    (status = 200, body = wire::TokenEventPage),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "Unknown, or owned by another user.", body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn list_token_events(
    Sequential(caller, (IdPath(id), StrictQuery(query))): Sequential<
        ApiCaller<TokensRead>,
        (IdPath<TokenId>, StrictQuery<EventsQuery>),
    >,
    tokenry: Data<Tokenry>,
) -> Result<Json<wire::TokenEventPage>, ApiError> {
    let context = caller.context().clone();
    let EventsQuery { size, cursor } = query;
    let page = blocking(move || tokenry.token_events(&context, id, size, cursor.as_deref())).await?;
    Ok(Json(wire::TokenEventPage::from(&page)))
}

/// The page of a list of events.
pub(crate) struct EventsQuery {
    size: PageSize,
    cursor: Option<String>,
}

impl FromQuery for EventsQuery {
    const NAMES: &'static [&'static str] = &["limit", "cursor"];

    fn from_query(query: &mut Query) -> Self {
        Self { size: size(query), cursor: query.text("cursor", 1024) }
    }
}
