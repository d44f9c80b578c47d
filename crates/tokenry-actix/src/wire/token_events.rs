//! The history of a token as JSON.

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::schema;

/// An event in the history of a token: an entry of the audit log without its digests, which would reveal the omitted
/// fields.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenEvent {
    /// The sequence number in the audit log.
    seq: i64,
    /// When it happened.
    #[schema(format = DateTime)]
    at: String,
    /// What happened.
    #[schema(value_type = schema::EventKind)]
    kind: &'static str,
    /// `system`, `operator`, `user:<id>` or `token:<id>`.
    actor: String,
    /// The user whom it concerns.
    #[schema(format = "uuid", required = true)]
    user_id: Option<String>,
    /// The token that it concerns.
    #[schema(format = "uuid", required = true)]
    token_id: Option<String>,
    /// `null` if another user is the actor, like the next two fields.
    #[schema(required = true)]
    ip: Option<String>,
    /// The user agent of the client.
    #[schema(required = true)]
    user_agent: Option<String>,
    /// The id of the request.
    #[schema(required = true)]
    request_id: Option<String>,
    /// More about the event; its fields depend on the kind.
    #[schema(value_type = Object)]
    detail: Map<String, Value>,
}

/// A page of the history of a token, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenEventPage {
    /// The events of this page.
    data: Vec<TokenEvent>,
    /// The `cursor` of the next page; `null` on the last one.
    #[schema(required = true)]
    next_cursor: Option<String>,
}

impl From<&tokenry_service::TokenEventPage> for TokenEventPage {
    fn from(page: &tokenry_service::TokenEventPage) -> Self {
        Self {
            data: page.items.iter().map(TokenEvent::from).collect(),
            next_cursor: page.next_cursor.clone(),
        }
    }
}

impl From<&tokenry_service::TokenEvent> for TokenEvent {
    fn from(tokenry_service::TokenEvent { seq, event, .. }: &tokenry_service::TokenEvent) -> Self {
        Self {
            seq: *seq,
            at: event.at.to_string(),
            kind: event.kind.as_str(),
            actor: event.actor.to_string(),
            user_id: event.user_id.map(|id| id.to_string()),
            token_id: event.token_id.map(|id| id.to_string()),
            ip: event.client.ip.map(|ip| ip.to_string()),
            user_agent: event.client.user_agent().map(str::to_owned),
            request_id: event.client.request_id.clone(),
            detail: event.detail.clone(),
        }
    }
}
