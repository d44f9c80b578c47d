//! The layers in a real axum server, next to the same routes behind `tokenry-actix`: one table of cases drives both.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod cases;
mod embedded;
mod recorded;
mod servers;
mod waits;
