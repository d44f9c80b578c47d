//! Introspection, and the metadata of OAuth as JSON; the forms are here for the OpenAPI document only.

use serde::Serialize;
use tokenry_service::{ProtectedResource, ScopeSet, Tokenry, UnixMillis, VerifiedToken};
use utoipa::ToSchema;

/// The form of introspection. Unknown parameters are ignored.
#[derive(ToSchema)]
#[schema(as = IntrospectionForm)]
#[allow(dead_code, reason = "the fields are read by name from the form")]
pub struct IntrospectionForm {
    /// The token that was presented to the calling service.
    token: String,
    /// Ignored.
    #[schema(value_type = String, required = false)]
    token_type_hint: Option<String>,
    /// The address that presented the token; without it, a token that is restricted to addresses is not active.
    #[schema(value_type = String, required = false)]
    ip: Option<String>,
    /// Scopes to ask about, separated by spaces: those that the token has are in `scope` of the response, also where the
    /// scope `*` includes them.
    #[schema(value_type = String, required = false, example = "projects:read")]
    scope: Option<String>,
    /// Ignored; with `client_secret` it may be any text.
    #[schema(value_type = String, required = false)]
    client_id: Option<String>,
    /// For `client_secret_post`: a token with the scope `introspect`.
    #[schema(value_type = String, required = false)]
    client_secret: Option<String>,
}

/// The form of revocation. Unknown parameters are ignored.
#[derive(ToSchema)]
#[schema(as = RevocationForm)]
#[allow(dead_code, reason = "the fields are read by name from the form")]
pub struct RevocationForm {
    /// The token to revoke.
    token: String,
    /// Ignored.
    #[schema(value_type = String, required = false)]
    token_type_hint: Option<String>,
}

/// An introspection response (RFC 7662). It has no claims for an inactive token.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct Introspection {
    /// Whether the token is accepted now.
    active: bool,
    /// The effective scopes with every level that they include, separated by spaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    /// The id of the owner in the host system.
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<String>,
    /// The display name of the owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    /// The public prefix of the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    /// The id of the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "uuid")]
    jti: Option<String>,
    /// Seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<i64>,
    /// Seconds since 1970; before this time the token is rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
    /// Omitted for a token without expiry.
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    /// Always `Bearer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "Bearer")]
    token_type: Option<&'static str>,
}

/// The public id of a token. That of an imported token is derived from its secret or its old system, and not shown.
fn client_id(token: &tokenry_service::Token) -> String {
    if token.public_id.is_imported() { token.id.to_string() } else { token.public_id.to_string() }
}

impl Introspection {
    pub(crate) fn inactive() -> Self {
        Self::default()
    }

    /// `asked` are scopes that the caller asks about.
    pub(crate) fn active(verified: &VerifiedToken, asked: &ScopeSet, tokenry: &Tokenry) -> Self {
        let (token, owner) = (verified.token(), verified.owner());
        Self {
            active: true,
            scope: Some(verified.effective().listed(asked).to_string()),
            sub: Some(owner.subject.to_string()),
            username: Some(owner.name.to_string()),
            client_id: Some(client_id(token)),
            jti: Some(token.id.to_string()),
            iat: Some(token.secret_at.seconds()),
            nbf: token.not_before.map(UnixMillis::seconds),
            exp: tokenry.policy().effective_expiry(token).map(UnixMillis::seconds),
            token_type: Some("Bearer"),
        }
    }
}

/// The metadata of an authorization server (RFC 8414).
#[derive(Debug, Serialize, ToSchema)]
pub struct OAuthMetadata {
    /// The origin of this server.
    #[schema(format = "uri", example = "https://tokens.example.com")]
    issuer: String,
    /// The URL of introspection.
    #[schema(format = "uri")]
    introspection_endpoint: String,
    /// How a client may authenticate there; its secret is a token with `introspect`.
    #[schema(value_type = Vec<String>)]
    introspection_endpoint_auth_methods_supported: [&'static str; 3],
    /// The URL of revocation.
    #[schema(format = "uri")]
    revocation_endpoint: String,
    /// Possession of the token is enough; another authentication is ignored.
    #[schema(value_type = Vec<String>)]
    revocation_endpoint_auth_methods_supported: [&'static str; 3],
    /// Empty: no tokens are issued by OAuth.
    response_types_supported: Vec<String>,
    /// Empty: no tokens are issued by OAuth.
    grant_types_supported: Vec<String>,
}

impl OAuthMetadata {
    pub(crate) fn new(issuer: String) -> Self {
        Self {
            introspection_endpoint: format!("{issuer}/oauth/introspect"),
            introspection_endpoint_auth_methods_supported: [
                "client_secret_basic",
                "client_secret_post",
                "Bearer",
            ],
            revocation_endpoint: format!("{issuer}/oauth/revoke"),
            revocation_endpoint_auth_methods_supported: ["none", "client_secret_basic", "client_secret_post"],
            response_types_supported: Vec::new(),
            grant_types_supported: Vec::new(),
            issuer,
        }
    }
}

/// The metadata of a protected resource (RFC 9728).
#[derive(Debug, Serialize, ToSchema)]
pub struct ResourceMetadata {
    /// The URL that clients use.
    #[schema(format = "uri", example = "https://mcp.example.com/mcp")]
    resource: String,
    /// The issuers of the authorization servers.
    authorization_servers: Vec<String>,
    /// The scopes that a client may ask for; omitted if none are configured.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    scopes_supported: Vec<String>,
    /// Always `header`.
    #[schema(value_type = Vec<String>)]
    bearer_methods_supported: [&'static str; 1],
}

impl From<&ProtectedResource> for ResourceMetadata {
    fn from(resource: &ProtectedResource) -> Self {
        Self {
            resource: resource.resource().to_owned(),
            authorization_servers: resource.authorization_servers().to_vec(),
            scopes_supported: resource.scopes().to_vec(),
            bearer_methods_supported: ["header"],
        }
    }
}
