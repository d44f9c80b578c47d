//! Time limits for the HTTP server that carries the app.
//!
//! ```no_run
//! use actix_web::{App, HttpServer, middleware::from_fn};
//! use tokenry_actix::{server, outer_middleware::outer_middleware};
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
//! What happens before there is a request, actix-http answers by itself, without a body and without the headers
//! of [`outer_middleware`](crate::outer_middleware::outer_middleware): 400 to what is not HTTP, 408 to a slow head, 431 to a head of more than
//! 128 KiB or 96 headers. It then closes the connection.
//!
//! Two things it leaves unbounded: [`HEAD_TIMEOUT`] covers only the first head of a connection, and a chunked
//! body that nobody reads is thrown away for as long as it keeps coming. Neither costs more than a connection;
//! a server that faces the open network needs a proxy in front of it, which bounds both.

use std::time::Duration;

/// How long the first request head of a connection may take (408). actix-http counts in steps of half a second.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection may idle between two requests.
pub const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// How long an orderly end of a connection may take, also of one whose body was refused unread.
pub const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long requests may go on after the server was told to stop, in seconds: short enough to write what waits before
/// container runtimes kill the process, ten seconds after they asked it to end.
pub const SHUTDOWN_SECONDS: u64 = 4;
