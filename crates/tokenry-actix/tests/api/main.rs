//! The HTTP API as a client sees it, on both databases.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod api;
mod credentials;
mod documents;
mod guard;
mod jwt;
mod leaks;
mod lists;
mod matrix;
mod tokens;
