//! Processes in a failing environment: outputs without a reader, a locked database, a full disk, and places that must not
//! contain secrets.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::disallowed_methods, reason = "a test waits for something with a deadline")]
#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]
#![cfg(unix)]

mod full_disk;
mod locked;
mod metrics;
mod output;
mod secrecy;
mod server;
mod shutdown;
