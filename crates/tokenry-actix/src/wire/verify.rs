//! Verification results for other services as JSON.

use serde::{Deserialize, Serialize};
use tokenry_service::{Tokenry, UnixMillis, User, VerifiedToken};
use utoipa::ToSchema;

use super::{Token, schema};

/// Verifies a presented token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyToken {
    /// The token text that was presented to the calling service.
    pub(crate) token: String,
    /// The required scopes.
    #[serde(default)]
    #[schema(value_type = Option<Vec<schema::Scope>>, max_items = 32)]
    pub(crate) scopes: Option<Vec<String>>,
    /// With `resource`: the method of the request. GET, HEAD and OPTIONS require `read`, all others `write`.
    #[serde(default)]
    pub(crate) method: Option<String>,
    /// The accessed resource.
    #[serde(default)]
    pub(crate) resource: Option<String>,
    /// The address that presented the token; without it, a token that is restricted to addresses is rejected.
    #[serde(default)]
    pub(crate) ip: Option<String>,
}

/// The result of a verification.
#[derive(Debug, Serialize, ToSchema)]
pub struct Verdict {
    /// Whether the token permits the request.
    valid: bool,
    /// The error code, as in error responses of this API.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "expired_token")]
    code: Option<&'static str>,
    /// The required scopes that the token does not have.
    #[serde(skip_serializing_if = "Option::is_none")]
    missing_scopes: Option<Vec<String>>,
    /// The token.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<Token>,
    /// The owner of the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<VerdictUser>,
    /// The effective scopes.
    #[serde(skip_serializing_if = "Option::is_none")]
    scopes: Option<Vec<String>>,
}

/// The owner of the token.
#[derive(Debug, Serialize, ToSchema)]
pub struct VerdictUser {
    /// The id of the user.
    #[schema(format = "uuid")]
    id: String,
    /// The id of the user in the host system.
    subject: String,
    /// The role, which limits all tokens of the user.
    role: String,
}

impl VerdictUser {
    pub(crate) fn new(owner: &User) -> Self {
        Self { id: owner.id.to_string(), subject: owner.subject.to_string(), role: owner.role.to_string() }
    }
}

impl Verdict {
    pub(crate) fn invalid(code: &'static str) -> Self {
        Self { valid: false, code: Some(code), missing_scopes: None, token: None, user: None, scopes: None }
    }

    pub(crate) fn missing(scopes: Vec<String>) -> Self {
        Self { missing_scopes: Some(scopes), ..Self::invalid("insufficient_scope") }
    }

    /// The verdict about a valid token.
    #[must_use]
    pub fn valid(verified: &VerifiedToken, tokenry: &Tokenry, now: UnixMillis) -> Self {
        let owner = verified.owner();
        Self {
            valid: true,
            code: None,
            missing_scopes: None,
            token: Some(Token::new(verified.token(), owner, tokenry, now)),
            user: Some(VerdictUser::new(owner)),
            scopes: Some(verified.effective().to_set().to_texts()),
        }
    }
}
