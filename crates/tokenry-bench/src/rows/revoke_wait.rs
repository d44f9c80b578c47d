//! How long a revocation takes until every node knows it.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;

use super::nodes::NODES;
use crate::{
    bench::Bench,
    database::{Backend, Database},
    figure::{Figure, Outcome},
    latency::{Latencies, millis},
    population::Population,
    server::Server,
    traffic::{get_with, with},
};

/// Revocations of one measurement, while no node is frozen.
const REVOCATIONS: u64 = 300;
/// The pause between two, so that none waits for the one before.
const PAUSE: Duration = Duration::from_millis(5);

/// p99 of a revocation with three nodes that verify, and with one.
pub(super) fn healthy(bench: &Bench) -> Result<Outcome> {
    let count = REVOCATIONS.min(bench.sizes.imported / 4);
    let tokens = Population::live("revoked", 1 + 2 * count);
    let database = bench.own(std::slice::from_ref(&tokens))?;
    let most = if bench.backend() == Backend::Postgres { NODES } else { 1 };
    let mut servers = vec![bench.server(&database)?];
    let one = revoke(&servers, &tokens, &database, 1..=count)?;
    while servers.len() < most {
        servers.push(bench.server(&database)?);
    }
    let all = revoke(&servers, &tokens, &database, count + 1..=2 * count)?;
    let at = |latencies: &Latencies, share| millis(latencies.at(share));
    let detail = format!(
        "{count} revocations each; nodes {most}: p50 {:.2} ms, p99 {:.2} ms; one node: p50 {:.2} ms, p99 {:.2} ms",
        at(&all, 0.5),
        at(&all, 0.99),
        at(&one, 0.5),
        at(&one, 0.99)
    );
    let mut figure = Figure::value(vec![at(&all, 0.99)], "ms", detail);
    figure.others.extend([("p50_ms", at(&all, 0.5)), ("p99_ms_one", at(&one, 0.99))]);
    Ok(Outcome::Measured(figure))
}

/// The longest revocation while one of three nodes is frozen.
pub(super) fn frozen(bench: &Bench) -> Result<Outcome> {
    use super::nodes::only_postgres;

    if bench.backend() == Backend::Sqlite {
        return Ok(only_postgres());
    }
    let rounds = u64::try_from(bench.sizes.rounds)?;
    let tokens = Population::live("frozen", 1 + 4 * rounds);
    let database = bench.own(std::slice::from_ref(&tokens))?;
    let mut worst = Vec::new();
    for round in 0..rounds {
        let servers = (0..NODES).map(|_| bench.server(&database)).collect::<Result<Vec<_>>>()?;
        let first = 1 + 4 * round;
        // Every node has a lease before one is frozen.
        revoke(&servers, &tokens, &database, first..=first + 1)?;
        let frozen = servers.last().context("no node")?;
        frozen.signal(Signal::STOP)?;
        let others = servers.get(..NODES - 1).context("no node")?;
        let waited = revoke(others, &tokens, &database, first + 2..=first + 3);
        frozen.signal(Signal::CONT)?;
        worst.push(millis(waited?.at(1.0)));
    }
    let detail = format!("the longest of 2 revocations, one of {NODES} nodes stopped before them");
    Ok(Outcome::Measured(Figure::value(worst, "ms", detail)))
}

/// Revokes these tokens one after another on the first of the servers; all of them verify each token before, and
/// reject it afterwards.
fn revoke(
    servers: &[Server],
    tokens: &Population,
    database: &Database,
    numbers: std::ops::RangeInclusive<u64>,
) -> Result<Latencies> {
    let mut connections =
        servers.iter().map(|server| Connection::open(server.address)).collect::<Result<Vec<_>>>()?;
    let mut latencies = Latencies::default();
    for number in numbers {
        let verification = get_with("/api/v1/token", &tokens.text(number));
        for connection in &mut connections {
            ensure!(connection.send(&verification)? == 200, "a live token was rejected");
        }
        let path = format!("/api/v1/tokens/{}", tokens.id(number, database.now)?);
        let revocation = with("DELETE", &path, &tokens.text(0));
        std::thread::sleep(PAUSE);
        let begun = Instant::now();
        let status = connections.first_mut().context("no server")?.send(&revocation)?;
        latencies.add(begun.elapsed());
        ensure!(status == 204, "a revocation was answered with {status}");
        for connection in &mut connections {
            ensure!(connection.send(&verification)? == 401, "a revoked token was accepted");
        }
    }
    Ok(latencies)
}

/// A connection that is kept.
struct Connection(TcpStream);

impl Connection {
    fn open(to: SocketAddr) -> Result<Self> {
        let socket = TcpStream::connect(to)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Self(socket))
    }

    /// Sends a request and returns the status of its response.
    fn send(&mut self, request: &str) -> Result<u16> {
        self.0.write_all(request.as_bytes())?;
        let mut received = Vec::new();
        let head = loop {
            let mut part = [0; 4096];
            let length = self.0.read(&mut part)?;
            ensure!(length > 0, "the server closed the connection");
            received.extend_from_slice(part.get(..length).unwrap_or_default());
            if let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let text = String::from_utf8_lossy(received.get(..head).unwrap_or_default()).to_lowercase();
        let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
        let left = length.map_or(Ok(0), str::parse::<usize>)?.saturating_sub(received.len() - head);
        self.0.read_exact(&mut vec![0; left])?;
        Ok(text.get(9..12).context("no status")?.parse()?)
    }
}
