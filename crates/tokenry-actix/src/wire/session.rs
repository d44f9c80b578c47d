//! Sign-ins of browsers.

use serde::Serialize;
use utoipa::ToSchema;

/// How one can sign in here, and the session that this request came with.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionState {
    /// `pat`, and `jwt` and `proxy` where this server is set up for them.
    #[schema(value_type = Vec<String>, example = json!(["pat", "jwt"]))]
    pub(crate) ways: Vec<&'static str>,
    /// `null` for whoever is not signed in.
    #[schema(value_type = Option<Session>)]
    pub(crate) session: Option<Session>,
}

/// A session. Its secret is in the cookie alone.
#[derive(Debug, Serialize, ToSchema)]
pub struct Session {
    /// UUIDv7.
    id: String,
    user: SessionUser,
    /// What it was begun with: `pat`, `jwt` or `proxy`.
    #[schema(value_type = String, example = "pat")]
    credential: &'static str,
    /// The token it was begun with, which bounds it and which it ends with.
    token_id: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    /// From this instant on it is over, however much it is used.
    #[schema(format = DateTime)]
    expires_at: String,
}

/// Who signed in.
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
