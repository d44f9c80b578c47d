//! The clients and guards of `clients/`, each in its own language, against a real server.
//!
//! `cargo xtask test` fetches the packages that they need; without them the tests are skipped, except on a build server,
//! where that is a failure.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]
#![allow(clippy::disallowed_methods, reason = "a test waits for something with a deadline and reads `CI`")]

mod authzen;
mod cases;
mod guard;
mod guards;
mod mcp;
mod mcp_sdks;
mod oauth;
mod openapi;
mod packages;
mod scanners;
mod typescript;
mod upstream;

#[path = "../process/server.rs"]
#[allow(dead_code, reason = "the tests of the process use the rest")]
mod server;
