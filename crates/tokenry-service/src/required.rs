//! The scopes that the management API requires. Routes and use cases share these.

use tokenry_domain::Scope;

/// Required to read tokens, their history and their usage.
pub(crate) fn tokens_read() -> Scope {
    access("tokens", "read")
}

/// Required to create, change, rotate and revoke tokens.
pub(crate) fn tokens_write() -> Scope {
    access("tokens", "write")
}

/// Required to read users, the audit log and the tokens of all users.
pub(crate) fn admin_read() -> Scope {
    access("admin", "read")
}

/// Required to change users and to run a cleanup.
pub(crate) fn admin_write() -> Scope {
    access("admin", "write")
}

fn access(resource: &str, level: &str) -> Scope {
    Scope::Access { resource: resource.to_owned(), level: level.to_owned() }
}
