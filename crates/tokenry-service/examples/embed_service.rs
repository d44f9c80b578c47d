//! A program without a web framework: a TCP server that answers a line with a token by what the token may do.
//!
//! ```text
//! cargo run -p tokenry-service --example embed
//! echo pat_… | nc 127.0.0.1 8083
//! ```
#![allow(clippy::disallowed_methods, reason = "a program reads the clock and passes the time to the service")]

use std::{
    error::Error,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    time::{Duration, SystemTime},
};

use tokenry_service::{
    Settings, Store, StoreSettings, Tokenry, UnixMillis, UsageEvent, VerifiedToken, VerifyError,
};

/// How long a client may take to send its line.
const TIMEOUT: Duration = Duration::from_secs(5);
/// No token is longer than this.
const MAX_LINE: u64 = 512;

fn main() -> Result<(), Box<dyn Error>> {
    let store = Store::open(&"sqlite://tokenry.db".parse()?, StoreSettings::default())?;
    store.migrate()?;
    let tokenry = Tokenry::new(store, Settings::default())?;
    if let Some(first) = tokenry.bootstrap(now())? {
        writeln!(io::stdout(), "{}", *first.secret.reveal_once())?;
    }
    for stream in TcpListener::bind("127.0.0.1:8083")?.incoming() {
        // A client that disconnects does not end the program.
        if let Err(error) = answer(&tokenry, stream?) {
            writeln!(io::stderr(), "{error}")?;
        }
    }
    Ok(())
}

/// The present instant. The service reads no clock: each call gets the instant at which its request is decided.
fn now() -> UnixMillis {
    UnixMillis::from_clock(SystemTime::now())
}

fn answer(tokenry: &Tokenry, mut stream: TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(TIMEOUT))?;
    let source = stream.peer_addr()?.ip();
    let mut line = Vec::new();
    BufReader::new(&stream).take(MAX_LINE).read_until(b'\n', &mut line)?;
    let now = now();
    match tokenry.verify_blocking(line.trim_ascii_end(), now, Some(source)) {
        Ok(verified) => {
            tokenry.record_use(&verified, &UsageEvent::new(now, Some(source), 200));
            writeln!(stream, "{}", greeting(&verified))
        }
        Err(VerifyError::Rejected(rejection)) => writeln!(stream, "rejected: {}", rejection.code()),
        // The database or the hash queue: the token may be valid, so the client may try again.
        Err(error) => writeln!(stream, "try again: {error}"),
    }
}

fn greeting(verified: &VerifiedToken) -> String {
    format!("{} may use {}", verified.owner().name, verified.effective().to_set())
}
