//! Resident memory of an idle server, and per remembered token.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::{
    bench::Bench,
    client::{self, Stream},
    figure::{Figure, Outcome},
    population::Population,
    server::Server,
    traffic::{Repeated, get_with},
};

/// How long the benchmark waits for a server to become idle.
const REST: Duration = Duration::from_millis(1500);

pub(super) fn idle(bench: &Bench) -> Result<Outcome> {
    let database = bench.shared(&[bench.small()])?;
    let mut rounds = Vec::new();
    for _ in 0..bench.sizes.rounds {
        let server = bench.server(&database)?;
        std::thread::sleep(REST);
        rounds.push(bytes(&server)? / 1024.0 / 1024.0);
    }
    Ok(Outcome::Measured(Figure::value(rounds, "MiB", "resident, `tokenry serve` at rest".to_owned())))
}

/// The growth when each of many tokens is used for the first time. Their rows were read before, with wrong secrets, so
/// that the pages of the database and of connections are not counted.
pub(super) fn token(bench: &Bench) -> Result<Outcome> {
    let tokens = Population::live("used", bench.sizes.used);
    let database = bench.shared(std::slice::from_ref(&tokens))?;
    let mut rounds = Vec::new();
    for _ in 0..bench.sizes.rounds {
        let guard = bench.guard(&database, &["--usage", "off"])?;
        let wrong = (0..tokens.count).map(|number| get_with("/guarded", &tokens.wrong(number, 0)));
        each_once(&guard, Repeated::once(wrong, 401))?;
        std::thread::sleep(REST);
        let before = bytes(&guard)?;
        let right = (0..tokens.count).map(|number| get_with("/guarded", &tokens.text(number)));
        each_once(&guard, Repeated::once(right, 200))?;
        std::thread::sleep(REST);
        #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
        let count = tokens.count as f64;
        rounds.push((bytes(&guard)? - before) / count);
    }
    let detail = format!("growth over the first use of {} tokens", tokens.count);
    Ok(Outcome::Measured(Figure::value(rounds, "bytes", detail)))
}

fn each_once(guard: &Server, mut requests: Repeated) -> Result<()> {
    let stream = Stream::saturated(guard.address, 16, &mut requests);
    client::run(vec![stream], || true)?.into_iter().next().context("one stream")?.all_expected()?;
    Ok(())
}

#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
fn bytes(server: &Server) -> Result<f64> {
    Ok(server.resident()? as f64)
}
