//! Users, for administrators.

use actix_web::{
    HttpResponse,
    http::header::LOCATION,
    web::{Data, Json},
};
use tokenry_service::{NewUser, PageSize, Tokenry, UserChanges, UserId, UserPage};

use super::{
    path::IdPath,
    scopes::{AdminRead, AdminWrite},
    token_list::size,
};
use crate::{
    api_caller::ApiCaller,
    blocking::blocking,
    body::{OptionalJson, Sequential, StrictJson},
    error::{ApiError, Problem},
    query::{FromQuery, Query, StrictQuery},
    wire,
};

/// All users, in the order in which they were first seen.
#[utoipa::path(get, path = "/api/v1/users", tag = "admin", security(("token" = [])), params(
    ("search" = Option<String>, Query, description = "Part of the subject or the name."),
    ("limit" = Option<u16>, Query, minimum = 1, maximum = 200, description = "Default: 50"),
    ("cursor" = Option<String>, Query, description = "The next_cursor of the page before."),
), responses(
    (status = 200, body = wire::UserPage),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn list_users(
    Sequential(caller, StrictQuery(query)): Sequential<ApiCaller<AdminRead>, StrictQuery<UserQuery>>,
    tokenry: Data<Tokenry>,
) -> Result<Json<wire::UserPage>, ApiError> {
    let context = caller.call().clone();
    let UserQuery { search, size, cursor } = query;
    let UserPage { items: users, next_cursor, total } =
        blocking(move || tokenry.list_users(&context, search.as_deref(), size, cursor.as_deref())).await?;
    Ok(Json(wire::UserPage { data: users.iter().map(wire::User::from).collect(), next_cursor, total }))
}

/// Makes a user.
#[utoipa::path(post, path = "/api/v1/users", tag = "admin", security(("token" = [])),
    request_body = wire::CreateUser, responses(
    (status = 201, body = wire::User, headers(("Location" = String))),
    (status = 400, body = Problem, content_type = "application/problem+json"),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "There is a user with this subject.", body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn create_user(
    Sequential(caller, Sequential(_, StrictJson(body))): Sequential<
        ApiCaller<AdminWrite>,
        Sequential<StrictQuery<()>, StrictJson<wire::CreateUser>>,
    >,
    tokenry: Data<Tokenry>,
) -> Result<HttpResponse, ApiError> {
    let context = caller.call().clone();
    let (subject, new) = <(String, NewUser)>::try_from(body)?;
    let user = blocking(move || tokenry.create_user(&context, &subject, new)).await?;
    let location = (LOCATION, format!("/api/v1/users/{}", user.id));
    Ok(HttpResponse::Created().insert_header(location).json(wire::User::from(&user)))
}

/// One user.
#[utoipa::path(get, path = "/api/v1/users/{id}", tag = "admin", security(("token" = [])),
    params(("id" = String, Path)), responses(
    (status = 200, body = wire::User),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn show_user(
    Sequential(caller, (IdPath(id), _)): Sequential<ApiCaller<AdminRead>, (IdPath<UserId>, StrictQuery<()>)>,
    tokenry: Data<Tokenry>,
) -> Result<Json<wire::User>, ApiError> {
    let context = caller.call().clone();
    let user = blocking(move || tokenry.find_user(&context, id)).await?;
    Ok(Json(wire::User::from(&user)))
}

/// Changes a user; their tokens obey from the next request on.
#[utoipa::path(patch, path = "/api/v1/users/{id}", tag = "admin", security(("token" = [])),
    params(("id" = String, Path)), request_body = wire::UpdateUser, responses(
    (status = 200, body = wire::User),
    (status = 400, body = Problem, content_type = "application/problem+json"),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "There is another user with this subject.", body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn update_user(
    Sequential(caller, Sequential((IdPath(id), _), StrictJson(body))): Sequential<
        ApiCaller<AdminWrite>,
        Update,
    >,
    tokenry: Data<Tokenry>,
) -> Result<Json<wire::User>, ApiError> {
    let context = caller.call().clone();
    let changes = UserChanges::try_from(body)?;
    let user = blocking(move || tokenry.update_user(&context, id, changes)).await?;
    Ok(Json(wire::User::from(&user)))
}

type Update = Sequential<(IdPath<UserId>, StrictQuery<()>), StrictJson<wire::UpdateUser>>;

/// Removes a user with all their tokens.
#[utoipa::path(delete, path = "/api/v1/users/{id}", tag = "admin", security(("token" = [])),
    params(("id" = String, Path)), responses(
    (status = 204, description = "Removed."),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn delete_user(
    Sequential(caller, (IdPath(id), _)): Sequential<ApiCaller<AdminWrite>, (IdPath<UserId>, StrictQuery<()>)>,
    tokenry: Data<Tokenry>,
) -> Result<HttpResponse, ApiError> {
    let context = caller.call().clone();
    blocking(move || tokenry.delete_user(&context, id)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Ends every token of a user, also those that are being made at this moment.
#[utoipa::path(post, path = "/api/v1/users/{id}/revoke-tokens", tag = "admin", security(("token" = [])),
    params(("id" = String, Path)), request_body = Option<wire::RevokeTokens>, responses(
    (status = 200, body = wire::Revoked),
    (status = 400, body = Problem, content_type = "application/problem+json"),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn revoke_user_tokens(
    Sequential(caller, Sequential((IdPath(id), _), OptionalJson(body))): Sequential<
        ApiCaller<AdminWrite>,
        RevokeAll,
    >,
    tokenry: Data<Tokenry>,
) -> Result<Json<wire::Revoked>, ApiError> {
    let context = caller.call().clone();
    let reason = body.reason()?;
    let revoked = blocking(move || tokenry.revoke_user_tokens(&context, id, reason)).await?;
    Ok(Json(wire::Revoked { revoked }))
}

type RevokeAll = Sequential<(IdPath<UserId>, StrictQuery<()>), OptionalJson<wire::RevokeTokens>>;

/// Which users a list shows.
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
