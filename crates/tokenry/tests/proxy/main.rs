//! Forward-auth behind real proxies, with the recipes of `docs/deploy` and a real server.
#![allow(clippy::indexing_slicing, reason = "a test may panic")]
#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

mod attacks;
mod claims;
mod client;
mod custom_names;
mod gateway;
mod passing;
mod rejections;
mod setup;
mod sources;
mod upstream;

#[path = "../cli/folder.rs"]
#[allow(dead_code, reason = "the tests of the command line use the rest")]
mod folder;
#[path = "../cli/server.rs"]
#[allow(dead_code, reason = "the tests of the command line use the rest")]
mod server;
