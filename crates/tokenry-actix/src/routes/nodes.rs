//! The nodes of the installation.

use actix_web::web::{Data, Json};
use macro_rules_attribute::apply;
use tokenry_service::Tokenry;

use super::endpoint;
use crate::{
    api_caller::ApiCaller, blocking::blocking, body::Sequential, error::ApiError, query::StrictQuery,
    scopes::AdminRead, wire,
};

/// Lists the processes that decide from memory, and how current they are. A change is answered once each of them has
/// acknowledged it, or its lease has ended.
#[apply(endpoint)]
#[openapi(tag = "admin", responses(
    (status = 200, body = wire::NodeList),
))]
pub(crate) async fn list_nodes(
    Sequential(caller, _): Sequential<ApiCaller<AdminRead>, StrictQuery<()>>,
    tokenry: Data<Tokenry>,
) -> Result<Json<wire::NodeList>, ApiError> {
    let context = caller.context().clone();
    let nodes = blocking(move || tokenry.nodes(&context)).await?;
    Ok(Json(nodes.into()))
}
