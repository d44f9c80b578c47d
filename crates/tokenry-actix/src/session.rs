//! What a browser's session needs of HTTP: a cookie, an origin, and perhaps a proxy that names the user.
//!
//! SECURITY: a cookie is sent by the browser, whoever made it send the request. So a request that uses or makes a
//! session must show that a page of this very origin made it ([`origin`]), GETs included.

pub(crate) mod cookie;
pub mod proxy;
pub(crate) mod request_origin;
