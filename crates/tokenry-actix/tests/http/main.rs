//! The outer middleware and the fallback from outside: in process, and over a real socket.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod responses;
mod wire;
