//! The audit log.

use actix_web::web::{Data, Json};
use macro_rules_attribute::apply;
use tokenry_service::{AuditFilter, EventKind, PageSize, TokenId, Tokenry, UnixMillis, UserId};

use super::{
    endpoint,
    token_list::{INSTANT, size},
};
use crate::{
    api_caller::ApiCaller,
    blocking::blocking,
    body::Sequential,
    error::ApiError,
    query::{FromQuery, Query, StrictQuery},
    scopes::AdminRead,
    wire,
};

/// Lists the audit log, newest first.
#[apply(endpoint)]
#[openapi(tag = "admin", params(
    ("kind" = Option<wire::schema::EventKind>, Query, description = "Only entries of this kind."),
    ("user_id" = Option<String>, Query, format = "uuid", description = "Only entries about this user."),
    ("token_id" = Option<String>, Query, format = "uuid", description = "Only entries about this token."),
    ("from" = Option<String>, Query, format = DateTime, description = "Only entries at or after this time."),
    ("to" = Option<String>, Query, format = DateTime, description = "Only entries before this time."),
    ("limit" = Option<u16>, Query, minimum = 1, maximum = 200, description = "How many rows a page has at most. Default: 50"),
    ("cursor" = Option<String>, Query, max_length = 1024, description = "The next_cursor of the previous page."),
), responses(
    (status = 200, body = wire::AuditPage),
))]
pub(crate) async fn list_events(
    Sequential(caller, StrictQuery(query)): Sequential<ApiCaller<AdminRead>, StrictQuery<AuditQuery>>,
    tokenry: Data<Tokenry>,
) -> Result<Json<wire::AuditPage>, ApiError> {
    let context = caller.context().clone();
    let AuditQuery { filter, size, cursor } = query;
    let page = blocking(move || tokenry.audit_log(&context, &filter, size, cursor.as_deref())).await?;
    Ok(Json(wire::AuditPage {
        data: page.items.iter().map(wire::AuditEvent::from).collect(),
        next_cursor: page.next_cursor,
    }))
}

/// Checks the digests of the whole audit log. Every entry is read and its digest recomputed, which can take a while.
#[apply(endpoint)]
#[openapi(tag = "admin", responses(
    (status = 200, body = wire::AuditChain),
    (status = 503, description = "Another check is running."),
))]
pub(crate) async fn check_chain(
    Sequential(caller, _): Sequential<ApiCaller<AdminRead>, StrictQuery<()>>,
    tokenry: Data<Tokenry>,
) -> Result<Json<wire::AuditChain>, ApiError> {
    let (context, now) = (caller.context().clone(), caller.context().now);
    let check = blocking(move || tokenry.check_audit_log(&context)).await?;
    Ok(Json(wire::AuditChain::new(&check, now)))
}

/// The filter and page of a list of audit entries.
pub(crate) struct AuditQuery {
    filter: AuditFilter,
    size: PageSize,
    cursor: Option<String>,
}

impl FromQuery for AuditQuery {
    const NAMES: &'static [&'static str] = &["kind", "user_id", "token_id", "from", "to", "limit", "cursor"];

    fn from_query(query: &mut Query) -> Self {
        let filter = AuditFilter::default()
            .kind(query.parse::<EventKind>("kind", "the kind of an event, such as auth.token.created"))
            .user(query.parse::<UserId>("user_id", "the id of a user"))
            .token(query.parse::<TokenId>("token_id", "the id of a token"))
            .since(query.parse::<UnixMillis>("from", INSTANT))
            .before(query.parse::<UnixMillis>("to", INSTANT));
        Self { filter, size: size(query), cursor: query.text("cursor", 1024) }
    }
}
