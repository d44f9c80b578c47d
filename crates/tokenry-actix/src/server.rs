//! Time limits for the HTTP server that carries the app.
//!
//! ```no_run
//! use actix_web::{App, HttpServer, middleware::from_fn};
//! use tokenry_actix::{outer_middleware, server};
//! # fn main() -> std::io::Result<()> {
//! let server = HttpServer::new(|| App::new().wrap(from_fn(outer_middleware)))
//!     .client_request_timeout(server::HEAD_TIMEOUT)
//!     .keep_alive(server::KEEP_ALIVE)
//!     .client_disconnect_timeout(server::DISCONNECT_TIMEOUT)
//!     .shutdown_timeout(server::SHUTDOWN_SECONDS)
//!     .tcp_nodelay(true)
//!     .bind("127.0.0.1:8080")?;
//! # Ok(()) }
//! ```
//!
//! actix-http responds by itself to input that is not a valid request, without a body and without the headers
//! of [`outer_middleware`](crate::outer_middleware()): 400 for malformed HTTP, 408 for a slow head, 431 for a head of more
//! than 128 KiB or 96 headers. It then closes the connection.
//!
//! Two things remain unbounded: [`HEAD_TIMEOUT`] covers only the first head of a connection, and a chunked body that no
//! handler reads is discarded for as long as it arrives. Neither costs more than a connection; a server on the open
//! network needs a proxy in front of it that bounds both.

use std::time::Duration;

/// Timeout of the first request head of a connection (408). actix-http measures in steps of half a second.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// Idle timeout of a connection between two requests.
pub const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// Timeout of the orderly shutdown of a connection, including one whose body was rejected unread.
pub const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Time that running requests have after the server is asked to stop, in seconds. Container runtimes kill the process ten
/// seconds after that, so this leaves time to flush pending writes.
pub const SHUTDOWN_SECONDS: u64 = 4;
