//! Forward-auth behind real proxies, with the recipes of `docs/deploy` and a real server.
#![allow(clippy::indexing_slicing, reason = "a test may panic")]
#![allow(clippy::disallowed_methods, reason = "a test waits for something with a deadline")]
#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

mod apache;
mod attacks;
mod claims;
mod client;
mod custom_names;
mod gateway;
mod passing;
mod rejections;
mod repositories;
mod repository_server;
mod setup;
mod sources;
mod upstream;
mod verdicts;

#[path = "../cli/folder.rs"]
#[allow(dead_code, reason = "the tests of the command line use the rest")]
mod folder;
#[path = "../process/server.rs"]
#[allow(
    dead_code,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "the tests of the process use the rest"
)]
mod process;
#[path = "../cli/server.rs"]
#[allow(dead_code, reason = "the tests of the command line use the rest")]
mod server;
