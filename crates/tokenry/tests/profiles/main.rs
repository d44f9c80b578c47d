//! The profiles of five products, each over HTTP as its clients use it, on both databases; and profiles as files.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::expect_used, reason = "a test may panic")]

mod code_automation;
mod control_plane;
mod files;
mod local_model;
mod notebook;
mod product;
mod requirements;
