//! Browser sessions as JSON.

use serde::Serialize;
use utoipa::ToSchema;

use super::schema;

/// The sign-in methods, and the session of the request.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionState {
    /// The sign-in methods: `pat`, and `jwt`, `oidc` and `proxy` if this server is configured for them.
    #[serde(rename = "ways")]
    #[schema(value_type = Vec<schema::SignInMethod>)]
    pub(crate) methods: Vec<&'static str>,
    /// The OpenID providers of the method `oidc`.
    pub(crate) providers: Vec<SignInProvider>,
    /// The session of the request; `null` without one.
    #[schema(value_type = Option<Session>, required = true)]
    pub(crate) session: Option<Session>,
}

/// An OpenID provider at which users can sign in.
#[derive(Debug, Serialize, ToSchema)]
pub struct SignInProvider {
    /// Its id in the path of a sign-in.
    pub(crate) id: String,
    /// Its name.
    pub(crate) name: String,
}

/// A sign-in at an OpenID provider that has begun.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProviderSignIn {
    /// Where the browser goes. The provider sends it back to this server.
    #[schema(format = "uri")]
    pub(crate) authorization_url: String,
}

/// A session. Its secret is only in the cookie.
#[derive(Debug, Serialize, ToSchema)]
pub struct Session {
    /// UUIDv7.
    #[schema(format = "uuid")]
    id: String,
    /// The user who signed in.
    user: SessionUser,
    /// The credential that started it.
    #[schema(value_type = schema::SignInMethod)]
    credential: &'static str,
    /// The token that started it, which limits its permissions and its lifetime.
    #[schema(format = "uuid", required = true)]
    token_id: Option<String>,
    /// When the user signed in.
    #[schema(format = DateTime)]
    created_at: String,
    /// The session expires at this time, regardless of its use.
    #[schema(format = DateTime)]
    expires_at: String,
    /// Where the browser goes after a sign-out, so that the OpenID provider of the sign-in signs the user out too.
    #[schema(format = "uri", required = true)]
    provider_sign_out_url: Option<String>,
}

/// The user of a session.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionUser {
    /// The id of the user.
    #[schema(format = "uuid")]
    id: String,
    /// The id of the user in the host system.
    subject: String,
    /// The display name.
    name: String,
    /// The role, which limits all permissions.
    role: String,
}

impl Session {
    /// The session of this user.
    #[must_use]
    pub fn new(
        session: &tokenry_service::Session,
        user: &tokenry_service::User,
        provider_sign_out_url: Option<String>,
    ) -> Self {
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
            provider_sign_out_url,
        }
    }
}
