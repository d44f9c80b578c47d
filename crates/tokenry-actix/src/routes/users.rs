//! Users, for administrators.

use actix_web::{
    HttpResponse,
    http::header::LOCATION,
    web::{Data, Json},
};
use macro_rules_attribute::apply;
use tokenry_service::{NewUser, PageSize, Tokenry, UserChanges, UserId, UserPage};

use super::{endpoint, path::IdPath, token_list::size};
use crate::{
    api_caller::ApiCaller,
    blocking::blocking,
    body::{OptionalJson, Sequential, StrictJson},
    error::ApiError,
    query::{FromQuery, Query, StrictQuery},
    scopes::{AdminRead, AdminWrite},
    wire,
};

/// Lists all users in the order of their creation.
#[apply(endpoint)]
#[openapi(tag = "admin", params(
    ("search" = Option<String>, Query, max_length = 100, description = "Part of the subject or of the name."),
    ("limit" = Option<u16>, Query, minimum = 1, maximum = 200, description = "How many rows a page has at most. Default: 50"),
    ("cursor" = Option<String>, Query, max_length = 1024, description = "The next_cursor of the previous page."),
), responses(
    (status = 200, body = wire::UserPage),
))]
pub(crate) async fn list_users(
    Sequential(caller, StrictQuery(query)): Sequential<ApiCaller<AdminRead>, StrictQuery<UserQuery>>,
    tokenry: Data<Tokenry>,
) -> Result<Json<wire::UserPage>, ApiError> {
    let context = caller.context().clone();
    let UserQuery { search, size, cursor } = query;
    let UserPage { items: users, next_cursor, total, .. } =
        blocking(move || tokenry.list_users(&context, search.as_deref(), size, cursor.as_deref())).await?;
    Ok(Json(wire::UserPage { data: users.iter().map(wire::User::from).collect(), next_cursor, total }))
}

/// Creates a user.
#[apply(endpoint)]
#[openapi(tag = "admin",
    request_body = wire::CreateUser, responses(
    (status = 201, body = wire::User, headers(("Location" = String, description = "The path of the user."))),
    (status = 409, description = "A user with this subject exists."),
))]
pub(crate) async fn create_user(
    Sequential(caller, Sequential(_, StrictJson(body))): Sequential<
        ApiCaller<AdminWrite>,
        Sequential<StrictQuery<()>, StrictJson<wire::CreateUser>>,
    >,
    tokenry: Data<Tokenry>,
) -> Result<HttpResponse, ApiError> {
    let context = caller.context().clone();
    let (subject, new) = <(String, NewUser)>::try_from(body)?;
    let user = blocking(move || tokenry.create_user(&context, &subject, new)).await?;
    let location = (LOCATION, format!("/api/v1/users/{}", user.id));
    Ok(HttpResponse::Created().insert_header(location).json(wire::User::from(&user)))
}

/// Shows a user.
#[apply(endpoint)]
#[openapi(tag = "admin",
    params(("id" = String, Path, format = "uuid", description = "The id of the user.")), responses(
    (status = 200, body = wire::User),
))]
pub(crate) async fn show_user(
    Sequential(caller, (IdPath(id), _)): Sequential<ApiCaller<AdminRead>, (IdPath<UserId>, StrictQuery<()>)>,
    tokenry: Data<Tokenry>,
) -> Result<Json<wire::User>, ApiError> {
    let context = caller.context().clone();
    let user = blocking(move || tokenry.find_user(&context, id)).await?;
    Ok(Json(wire::User::from(&user)))
}

/// Updates a user; takes effect for their tokens from the next request on.
#[apply(endpoint)]
#[openapi(tag = "admin",
    params(("id" = String, Path, format = "uuid", description = "The id of the user.")), request_body = wire::UpdateUser, responses(
    (status = 200, body = wire::User),
    (status = 409, description = "Another user with this subject exists."),
))]
pub(crate) async fn update_user(
    Sequential(caller, Sequential((IdPath(id), _), StrictJson(body))): Sequential<
        ApiCaller<AdminWrite>,
        Update,
    >,
    tokenry: Data<Tokenry>,
) -> Result<Json<wire::User>, ApiError> {
    let context = caller.context().clone();
    let changes = UserChanges::try_from(body)?;
    let user = blocking(move || tokenry.update_user(&context, id, changes)).await?;
    Ok(Json(wire::User::from(&user)))
}

type Update = Sequential<(IdPath<UserId>, StrictQuery<()>), StrictJson<wire::UpdateUser>>;

/// Deletes a user with all their tokens.
#[apply(endpoint)]
#[openapi(tag = "admin",
    params(("id" = String, Path, format = "uuid", description = "The id of the user.")), responses(
    (status = 204, description = "Deleted."),
))]
pub(crate) async fn delete_user(
    Sequential(caller, (IdPath(id), _)): Sequential<ApiCaller<AdminWrite>, (IdPath<UserId>, StrictQuery<()>)>,
    tokenry: Data<Tokenry>,
) -> Result<HttpResponse, ApiError> {
    let context = caller.context().clone();
    blocking(move || tokenry.delete_user(&context, id)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Revokes all tokens of a user, including those being created concurrently.
#[apply(endpoint)]
#[openapi(tag = "admin",
    params(("id" = String, Path, format = "uuid", description = "The id of the user.")), request_body = Option<wire::RevokeTokens>, responses(
    (status = 200, body = wire::Revoked),
))]
pub(crate) async fn revoke_user_tokens(
    Sequential(caller, Sequential((IdPath(id), _), OptionalJson(body))): Sequential<
        ApiCaller<AdminWrite>,
        RevokeAll,
    >,
    tokenry: Data<Tokenry>,
) -> Result<Json<wire::Revoked>, ApiError> {
    let context = caller.context().clone();
    let reason = body.reason()?;
    let revoked = blocking(move || tokenry.revoke_user_tokens(&context, id, reason)).await?;
    Ok(Json(wire::Revoked { revoked }))
}

type RevokeAll = Sequential<(IdPath<UserId>, StrictQuery<()>), OptionalJson<wire::RevokeTokens>>;

/// The filter and page of a list of users.
pub(crate) struct UserQuery {
    search: Option<String>,
    size: PageSize,
    cursor: Option<String>,
}

impl FromQuery for UserQuery {
    const NAMES: &'static [&'static str] = &["search", "limit", "cursor"];

    fn from_query(query: &mut Query) -> Self {
        Self { search: query.text("search", 100), size: size(query), cursor: query.text("cursor", 1024) }
    }
}
