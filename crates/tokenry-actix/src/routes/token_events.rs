//! The history of a token.

use actix_web::web::{Data, Json};
use macro_rules_attribute::apply;
use tokenry_service::{PageSize, TokenId, Tokenry};

use super::{endpoint, path::IdPath, token_list::size};
use crate::{
    api_caller::ApiCaller,
    blocking::blocking,
    body::Sequential,
    error::ApiError,
    query::{FromQuery, Query, StrictQuery},
    scopes::TokensRead,
    wire,
};

/// Lists the history of one of the caller's tokens, live or dead, newest first.
#[apply(endpoint)]
#[openapi(tag = "tokens", params(
    ("id" = String, Path, format = "uuid", description = "The id of the token."),
    ("limit" = Option<u16>, Query, minimum = 1, maximum = 200, description = "How many rows a page has at most. Default: 50"),
    ("cursor" = Option<String>, Query, max_length = 1024, description = "The next_cursor of the previous page."),
), responses(
    (status = 200, body = wire::TokenEventPage),
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
