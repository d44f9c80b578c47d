//! Browser sessions over HTTP: the cookie, the origin check, and sign-in via a proxy.
//!
//! SECURITY: a browser sends the cookie with requests of any site. So a request that uses or starts a session must prove
//! that a page of the server's own origin made it ([`request_origin`]), including GET requests.

pub(crate) mod cookie;
#[cfg(feature = "jwt")]
pub(crate) mod provider;
pub(crate) mod proxy;
pub(crate) mod request_origin;
#[cfg(feature = "jwt")]
mod sign_in_cookie;
