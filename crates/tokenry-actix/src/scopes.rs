//! The scopes that the API's own routes require.

use crate::{
    access::Access,
    authorized::{AnyToken, RequiredScope},
};

/// A scope of the API itself, with the access that it declares for a route.
pub(crate) trait ApiScope: RequiredScope {
    const ACCESS: Access;
}

impl ApiScope for AnyToken {
    const ACCESS: Access = Access::AnyCaller;
}

macro_rules! api_scope {
    ($(#[$doc:meta])* $name:ident = $text:literal) => {
        crate::scope! {
            $(#[$doc])*
            pub(crate) $name = $text;
        }

        impl ApiScope for $name {
            const ACCESS: Access = Access::Scope($text);
        }
    };
}

api_scope! {
    /// Read one's own tokens.
    TokensRead = "tokens:read"
}
api_scope! {
    /// Create and change one's own tokens.
    TokensWrite = "tokens:write"
}
api_scope! {
    /// Ask about tokens that were presented to other services.
    Introspect = "introspect"
}
api_scope! {
    /// Read users, all tokens and the audit log.
    AdminRead = "admin:read"
}
api_scope! {
    /// Change users and clean up.
    AdminWrite = "admin:write"
}
