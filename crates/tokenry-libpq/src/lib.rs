//! A safe connection to PostgreSQL through libpq, for what Diesel's connection hides.
//!
//! - [`Connection::execute`] runs one statement with parameters, all of them as text.
//! - [`Connection::take_warnings`] returns the warnings of the server. PostgreSQL answers a commit whose wait for its
//!   synchronous standbys was canceled with success and a warning, so only they tell whether a commit is durable there.
//! - [`Connection::wait`] sleeps until the server has sent something, such as a notification, or a [`Wake`] is used.
//!
//! This is the only crate of Tokenry that contains `unsafe` code. Every function blocks its thread.

mod connection;
mod result;
mod wake;
mod warnings;

pub use self::{
    connection::{Connection, Notification},
    result::{Error, Row},
    wake::Wake,
    warnings::Warning,
};
