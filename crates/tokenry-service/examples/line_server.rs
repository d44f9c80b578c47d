//! A service without any web framework or async runtime: a counter behind a line protocol, guarded by access tokens.
//!
//! ```text
//! cargo run -p tokenry-service --example line_server -- 127.0.0.1:7000 sqlite://tokenry.db
//! printf 'AUTH %s\nGET\nADD\n' "$TOKEN" | nc 127.0.0.1 7000
//! ```

use std::{
    error::Error,
    io::{BufRead, BufReader, Read as _, Write},
    net::{TcpListener, TcpStream},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime},
};

use tokenry_service::{
    Scope, Settings, Store, StoreSettings, Tokenry, UnixMillis, UsageEvent, VerifiedToken, VerifyError,
};

/// The maximum length of a line in bytes; no token is longer.
const MAX_LINE: u64 = 512;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let listen = arguments.next().unwrap_or_else(|| "127.0.0.1:7000".to_owned());
    let database_url = arguments.next().unwrap_or_else(|| "sqlite://tokenry.db".to_owned());
    let store = Store::open(&database_url.parse()?, StoreSettings::default())?;
    store.migrate()?;
    serve(&TcpListener::bind(listen)?, &Tokenry::new(store, Settings::default())?);
    Ok(())
}

/// Answers connections, each on a thread of its own, which may wait for the database.
pub(crate) fn serve(listener: &TcpListener, tokenry: &Tokenry) {
    let counter = AtomicU64::new(0);
    std::thread::scope(|threads| {
        for connection in listener.incoming().flatten() {
            let counter = &counter;
            threads.spawn(move || {
                let _ = converse(&connection, tokenry, counter);
            });
        }
    });
}

/// Answers the lines of one connection.
fn converse(connection: &TcpStream, tokenry: &Tokenry, counter: &AtomicU64) -> std::io::Result<()> {
    connection.set_read_timeout(Some(Duration::from_secs(30)))?;
    let source = connection.peer_addr()?.ip();
    let (mut reader, mut writer) = (BufReader::new(connection), connection);
    let mut token = Vec::new();
    loop {
        let mut line = Vec::new();
        reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)?;
        let Some(command) = line.strip_suffix(b"\n") else { return Ok(()) };
        if let Some(presented) = command.strip_prefix(b"AUTH ") {
            token = presented.to_vec();
            continue;
        }
        let (needed, name) = match command {
            b"GET" => ("counter:read", "GET"),
            b"ADD" => ("counter:write", "ADD"),
            _ => {
                writeln!(writer, "ERR unknown_command")?;
                continue;
            }
        };
        // Verified for each command, so that a revoked token is refused within a connection too.
        let now = now();
        let verified = tokenry.verify_blocking(&token, now, Some(source));
        let answer = match verified {
            Ok(verified) => {
                let allowed = allow(&verified, needed);
                let mut event = UsageEvent::new(now, Some(source), if allowed.is_ok() { 200 } else { 403 });
                (event.method, event.route) = (name, "counter");
                tokenry.record_use(&verified, &event);
                allowed
            }
            Err(VerifyError::Rejected(rejection)) => {
                tokenry.record_failure(rejection.code(), Some(source), now);
                Err(rejection.code())
            }
            // Says nothing about the token.
            Err(_) => Err("service_unavailable"),
        };
        match answer {
            Ok(()) if name == "ADD" => writeln!(writer, "OK {}", counter.fetch_add(1, Ordering::SeqCst) + 1)?,
            Ok(()) => writeln!(writer, "OK {}", counter.load(Ordering::SeqCst))?,
            Err(code) => writeln!(writer, "ERR {code}")?,
        }
    }
}

/// Requires a scope.
fn allow(verified: &VerifiedToken, needed: &str) -> Result<(), &'static str> {
    let scope: Scope = needed.parse().map_err(|_| "internal_error")?;
    if verified.grants(&scope) { Ok(()) } else { Err("insufficient_scope") }
}

#[allow(clippy::disallowed_methods, reason = "an application reads the clock")]
fn now() -> UnixMillis {
    UnixMillis::from_clock(SystemTime::now())
}
