//! Why an authenticated caller may not do something.

use thiserror::Error;
use tokenry_domain::{GrantError, Role, Scope, ScopeSet};

use crate::field::FieldError;

/// The caller is authenticated but not entitled.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Denial {
    /// The caller lacks these scopes.
    #[error("missing scope: {0}")]
    MissingScopes(ScopeSet),
    /// The request exceeds what the caller or the owner may have.
    #[error("{}", .0.detail)]
    Beyond(FieldError),
    /// The caller presented a retired secret, which is valid for use but not for management.
    #[error("the secret was rotated; use the new one")]
    Retired,
    /// The caller was admitted and has lost the permission since.
    #[error("no longer entitled")]
    NoLongerEntitled,
}

impl Denial {
    pub(crate) fn missing(scope: &Scope) -> Self {
        Self::MissingScopes(ScopeSet::from_iter([scope.clone()]))
    }

    pub(crate) fn beyond_own_role(role: &Role) -> Self {
        Self::Beyond(FieldError::new(
            "/role",
            "beyond_role",
            format!("the role {role} holds more than your own"),
        ))
    }

    pub(crate) fn beyond_caller(pointer: &str, detail: impl Into<String>) -> Self {
        Self::Beyond(FieldError::new(pointer, "beyond_caller", detail))
    }
}

impl From<GrantError> for Denial {
    fn from(error: GrantError) -> Self {
        let detail = error.to_string();
        match error {
            GrantError::MissingScope(scope) => Self::missing(&scope),
            GrantError::BeyondRole { .. } => Self::Beyond(FieldError::new("/scopes", "beyond_role", detail)),
            GrantError::LastsLonger(_) => Self::beyond_caller("/expires_at", detail),
            GrantError::MoreAddresses(_) => Self::beyond_caller("/allowed_ips", detail),
            _ => Self::beyond_caller("/scopes", detail),
        }
    }
}
