//! What happened to a token.

use actix_web::web::{Data, Json};
use tokenry_service::{PageSize, TokenId, Tokenry};

use super::{path::IdPath, scopes::TokensRead, token_list::size};
use crate::{
    api_caller::ApiCaller,
    blocking::blocking,
    body::Sequential,
    error::{ApiError, Problem},
    query::{FromQuery, Query, StrictQuery},
    wire,
};

/// The history of one of the caller's tokens, alive or dead, newest first.
#[utoipa::path(get, path = "/api/v1/tokens/{id}/events", tag = "tokens", security(("token" = [])), params(
    ("id" = String, Path),
    ("limit" = Option<u16>, Query, minimum = 1, maximum = 200, description = "Default: 50"),
    ("cursor" = Option<String>, Query, description = "The next_cursor of the page before."),
), responses(
    (status = 200, body = wire::TokenEventPage),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "Unknown, or somebody else's.", body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn list_token_events(
    Sequential(caller, (IdPath(id), StrictQuery(query))): Sequential<
        ApiCaller<TokensRead>,
        (IdPath<TokenId>, StrictQuery<EventsQuery>),
    >,
    tokenry: Data<Tokenry>,
) -> Result<Json<wire::TokenEventPage>, ApiError> {
    let context = caller.call().clone();
    let EventsQuery { size, cursor } = query;
    let page = blocking(move || tokenry.token_events(&context, id, size, cursor.as_deref())).await?;
    Ok(Json(wire::TokenEventPage::from(&page)))
}

/// Which events a page shows.
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
