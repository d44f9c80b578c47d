//! A caller for whom **no permission is checked**.
//!
//! SECURITY: a program that acts as this caller can read, create, change and revoke every token and every user. Use it only for
//! work that no request asked for: a command line on the machine of the database, a scheduled cleanup, setup at the start,
//! tests. For a request, use the caller that [`Tokenry::verify`](crate::Tokenry::verify),
//! [`Tokenry::session`](crate::Tokenry::session) or [`Tokenry::caller_for_user`](crate::Tokenry::caller_for_user)
//! returns.

use crate::caller::Caller;

/// The operator of the installation, who has every permission: policy and roles still apply, scopes do not.
///
/// SECURITY: **this bypasses authorization.** See the [module](self).
#[must_use]
pub fn operator() -> Caller {
    Caller::unrestricted()
}
