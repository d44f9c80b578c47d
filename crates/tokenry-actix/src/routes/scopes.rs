//! The scopes that the API's own routes require.

crate::scope! {
    /// Looking at one's tokens.
    pub(crate) TokensRead = "tokens:read";
}
crate::scope! {
    /// Making and changing one's tokens.
    pub(crate) TokensWrite = "tokens:write";
}
crate::scope! {
    /// Asking about tokens that were presented elsewhere.
    pub(crate) Introspect = "introspect";
}
crate::scope! {
    /// Looking at users, all tokens and the audit log.
    pub(crate) AdminRead = "admin:read";
}
crate::scope! {
    /// Changing users.
    pub(crate) AdminWrite = "admin:write";
}
