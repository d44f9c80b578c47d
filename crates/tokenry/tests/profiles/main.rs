//! The profiles of five products, each over HTTP as its clients use it, on both databases; and profiles as files.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::expect_used, reason = "a test may panic")]
#![allow(clippy::disallowed_methods, reason = "a test waits for something with a deadline")]
#![allow(clippy::print_stdout, reason = "a failed test shows which requirement it reached")]

mod code_automation;
mod control_plane;
mod files;
mod local_model;
mod metrics;
mod notebook;
mod product;
mod requirements;
