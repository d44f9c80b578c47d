//! Browser sessions as JSON.

use serde::Serialize;
use utoipa::ToSchema;

/// The sign-in methods, and the session of the request.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionState {
    /// The sign-in methods: `pat`, and `jwt` and `proxy` if this server is configured for them.
    #[schema(value_type = Vec<String>, example = json!(["pat", "jwt"]))]
    #[serde(rename = "ways")]
    pub(crate) methods: Vec<&'static str>,
    /// `null` without a session.
    #[schema(value_type = Option<Session>)]
    pub(crate) session: Option<Session>,
}

/// A session. Its secret is only in the cookie.
#[derive(Debug, Serialize, ToSchema)]
pub struct Session {
    /// UUIDv7.
    id: String,
    user: SessionUser,
    /// The credential that started it: `pat`, `jwt` or `proxy`.
    #[schema(value_type = String, example = "pat")]
    credential: &'static str,
    /// The token that started it, which limits its permissions and its lifetime.
    token_id: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    /// The session expires at this time, regardless of its use.
    #[schema(format = DateTime)]
    expires_at: String,
}

/// The user of a session.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionUser {
    id: String,
    subject: String,
    name: String,
    role: String,
}

impl Session {
    /// The session of this user.
    #[must_use]
    pub fn new(session: &tokenry_service::Session, user: &tokenry_service::User) -> Self {
        Self {
            id: session.id.to_string(),
            user: SessionUser {
                id: user.id.to_string(),
                subject: user.subject.to_string(),
                name: user.name.to_string(),
                role: user.role.to_string(),
            },
            credential: session.proof.as_str(),
            token_id: session.proof.token_id().map(|id| id.to_string()),
            created_at: session.created_at.to_string(),
            expires_at: session.expires_at.to_string(),
        }
    }
}
