//! The server as a process whose surroundings fail: outputs nobody reads, a database that somebody else
//! locks, places where no secret may be.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::disallowed_methods, reason = "a test waits for something with a deadline")]
#![cfg(unix)]

mod locked;
mod output;
mod secrecy;
mod server;
mod shutdown;
