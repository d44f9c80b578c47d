//! Sign-in at a real OpenID provider (`clients/node/oidc-provider.js`), with the real binary in a real browser.
//!
//! Without Chromium, or without the packages of `clients/node`, these tests are skipped, except on a build server, where
//! that is a failure.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may panic and talk"
)]
#![allow(clippy::disallowed_methods, reason = "a test waits for a browser, with the clock of the machine")]

#[path = "../../../tokenry-ui/tests/browser/browser.rs"]
#[allow(dead_code, reason = "the tests of the page use the rest")]
mod browser;
#[path = "../clients/packages.rs"]
#[allow(dead_code, reason = "the tests of the clients use the rest")]
mod packages;
mod person;
#[path = "../process/server.rs"]
#[allow(dead_code, reason = "the tests of the process use the rest")]
mod server;
mod sign_in;
mod site;
