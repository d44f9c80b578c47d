//! The HTTP shell from outside: answers in process, and bytes over a real socket.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod answers;
mod bodies;
mod logs;
mod wire;
