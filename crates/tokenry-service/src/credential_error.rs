//! [`CredentialError`]: how a request is answered whose credential does not permit it, for the adapters of every framework.

use std::{borrow::Cow, sync::Arc};

use thiserror::Error;
use tokenry_domain::ScopeSet;

use crate::{protected_resource::ProtectedResource, verified::Rejection};

/// Why the credential of a request does not permit it. Status, code and words are the same in every adapter.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// The credential is repeated or unreadable, or the request has two of them.
    #[error("malformed credential")]
    Malformed,
    /// The request has no credential.
    #[error("authentication required")]
    Required,
    /// The token is unknown, malformed or has a wrong secret: one error for all of them.
    #[error("invalid token")]
    InvalidToken,
    /// The secret is correct, but the token has expired.
    #[error("expired token")]
    ExpiredToken,
    /// The secret is correct, but the token was revoked or rotated.
    #[error("revoked token")]
    RevokedToken,
    /// The secret is correct, but the token is deactivated or not valid yet.
    #[error("inactive token")]
    InactiveToken,
    /// The secret is correct, but the token's owner is disabled.
    #[error("user disabled")]
    UserDisabled,
    /// The token is not accepted from the source address.
    #[error("address not allowed")]
    IpNotAllowed,
    /// The credential lacks these scopes.
    #[error("insufficient scope")]
    InsufficientScope(ScopeSet),
}

/// What a challenge offers besides the scheme Bearer, where another credential may help. Default: nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offers {
    basic: bool,
    resource_metadata: Option<Arc<str>>,
}

impl Offers {
    /// Whether the scheme Basic (RFC 7617) is named besides Bearer.
    #[must_use]
    pub fn with_basic(self, is_offered: bool) -> Self {
        Self { basic: is_offered, ..self }
    }

    /// Names the metadata of this resource (RFC 9728, section 5.1), by which a client finds an authorization server.
    #[must_use]
    pub fn with_resource(self, resource: Option<&ProtectedResource>) -> Self {
        Self { resource_metadata: resource.map(ProtectedResource::shared_metadata_url), ..self }
    }
}

impl CredentialError {
    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.row().0
    }

    /// The stable, machine-readable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.row().1
    }

    /// The kind of error in two or three words.
    #[must_use]
    pub fn title(&self) -> &'static str {
        self.row().2
    }

    /// The sentence for the caller. It never quotes a value of the request.
    #[must_use]
    pub fn detail(&self) -> Cow<'static, str> {
        match self {
            Self::InsufficientScope(scopes) => {
                Cow::Owned(format!("The credential lacks a scope; needed: {scopes}."))
            }
            _ => Cow::Borrowed(self.row().3),
        }
    }

    /// The values of `WWW-Authenticate` (RFC 6750, section 3): no `error` if the request has no credential.
    #[must_use]
    pub fn challenges(&self, offers: &Offers) -> Vec<Cow<'static, str>> {
        let mut challenges: Vec<_> = self.bearer_challenge().into_iter().collect();
        if let (Some(url), Some(bearer), 401 | 403) =
            (&offers.resource_metadata, challenges.first_mut(), self.status())
        {
            // SECURITY: the URL has no quotation marks and backslashes; see `ProtectedResource`.
            bearer.to_mut().push_str(&format!(r#", resource_metadata="{url}""#));
        }
        if offers.basic && self.status() == 401 {
            challenges.push(Cow::Borrowed(r#"Basic realm="tokenry""#));
        }
        challenges
    }

    fn bearer_challenge(&self) -> Option<Cow<'static, str>> {
        Some(Cow::Borrowed(match self {
            Self::Required => r#"Bearer realm="tokenry""#,
            Self::Malformed => r#"Bearer error="invalid_request""#,
            Self::IpNotAllowed => return None,
            Self::InsufficientScope(scopes) => {
                // SECURITY: a scope has only characters that a quoted string may contain. The sentence does not repeat the
                // scopes: proxies limit the headers of a response.
                let detail = self.row().3;
                return Some(Cow::Owned(format!(
                    r#"Bearer error="insufficient_scope", scope="{scopes}", error_description="{detail}""#
                )));
            }
            _ => {
                // SECURITY: the sentence is one of the table, without quotation marks and backslashes.
                let detail = self.row().3;
                return Some(Cow::Owned(format!(
                    r#"Bearer realm="tokenry", error="invalid_token", error_description="{detail}""#
                )));
            }
        }))
    }

    /// Status, code, title and sentence: the only such table.
    fn row(&self) -> (u16, &'static str, &'static str, &'static str) {
        match self {
            Self::Malformed => (
                400,
                "invalid_request",
                "Invalid request",
                "Send one credential: one Authorization header with a scheme and one value, or one session cookie.",
            ),
            Self::Required => (
                401,
                "authentication_required",
                "Authentication required",
                "Send a token: Authorization: Bearer <token>.",
            ),
            Self::InvalidToken => (401, "invalid_token", "Invalid token", "The token is not valid."),
            Self::ExpiredToken => (401, "expired_token", "Expired token", "The token has expired."),
            Self::RevokedToken => (401, "revoked_token", "Revoked token", "The token was revoked."),
            Self::InactiveToken => (401, "inactive_token", "Inactive token", "The token is not active."),
            Self::UserDisabled => (401, "user_disabled", "User disabled", "The token's owner is disabled."),
            Self::IpNotAllowed => {
                (403, "ip_not_allowed", "Address not allowed", "The token is not accepted from this address.")
            }
            Self::InsufficientScope(_) => {
                (403, "insufficient_scope", "Insufficient scope", "The credential lacks a scope.")
            }
        }
    }
}

impl From<Rejection> for CredentialError {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            // SECURITY: a malformed token, an unknown id and a wrong secret share one error.
            Rejection::Malformed(_) | Rejection::Unknown => Self::InvalidToken,
            Rejection::Revoked | Rejection::Rotated(_) => Self::RevokedToken,
            Rejection::Inactive | Rejection::Pending => Self::InactiveToken,
            Rejection::Expired => Self::ExpiredToken,
            Rejection::OwnerDisabled => Self::UserDisabled,
            Rejection::AddressNotAllowed => Self::IpNotAllowed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_the_challenge_of_rfc_6750() {
        let scopes: ScopeSet =
            ["a:read", "b:write"].map(|scope| scope.parse().unwrap()).into_iter().collect();
        for (error, status, code, challenge) in [
            (CredentialError::Required, 401, "authentication_required", r#"Bearer realm="tokenry""#),
            (
                CredentialError::InvalidToken,
                401,
                "invalid_token",
                r#"Bearer realm="tokenry", error="invalid_token", error_description="The token is not valid.""#,
            ),
            (
                CredentialError::RevokedToken,
                401,
                "revoked_token",
                r#"Bearer realm="tokenry", error="invalid_token", error_description="The token was revoked.""#,
            ),
            (CredentialError::Malformed, 400, "invalid_request", r#"Bearer error="invalid_request""#),
            (
                CredentialError::InsufficientScope(scopes),
                403,
                "insufficient_scope",
                r#"Bearer error="insufficient_scope", scope="a:read b:write", error_description="The credential lacks a scope.""#,
            ),
            (CredentialError::IpNotAllowed, 403, "ip_not_allowed", ""),
        ] {
            assert_eq!((error.status(), error.code()), (status, code));
            assert_eq!(error.challenges(&Offers::default()).join(""), challenge);
            let with_basic = error.challenges(&Offers::default().with_basic(true));
            let basic =
                with_basic.iter().filter(|challenge| *challenge == r#"Basic realm="tokenry""#).count();
            assert_eq!(basic, usize::from(status == 401), "{error:?}");
            // RFC 9728, section 5.1.
            let resource = ProtectedResource::new("https://mcp.test/mcp", ["https://id.test"], []).unwrap();
            let with_metadata = error.challenges(&Offers::default().with_resource(Some(&resource)));
            let has_metadata = !challenge.is_empty() && status != 400;
            let metadata =
                r#", resource_metadata="https://mcp.test/.well-known/oauth-protected-resource/mcp""#;
            let expected = format!("{challenge}{}", if has_metadata { metadata } else { "" });
            assert_eq!(with_metadata.join("|"), expected);
        }
    }

    /// RFC 6750, section 3: `error_description` has neither quotation marks nor backslashes.
    #[test]
    fn every_challenge_is_a_list_of_quoted_strings() {
        for error in [
            CredentialError::InvalidToken,
            CredentialError::ExpiredToken,
            CredentialError::RevokedToken,
            CredentialError::InactiveToken,
            CredentialError::UserDisabled,
        ] {
            let challenge = error.challenges(&Offers::default()).concat();
            assert_eq!(challenge.matches('"').count(), 6, "{challenge}");
            assert!(challenge.bytes().all(|b| matches!(b, b' '..=b'~') && b != b'\\'), "{challenge}");
        }
    }
}
