//! Throughput in the first second after a restart, relative to steady state.

use std::time::Duration;

use anyhow::Result;
use tokenry_crypto::Scheme;

use super::guarded::tokens;
use crate::{
    bench::Bench,
    client::{Stream, run_for},
    figure::{Figure, Outcome, median},
    population::Population,
};

/// Clients that reconnect at once.
const CONNECTIONS: usize = 256;
/// The length of the measured period after the start.
const BEGINNING: Duration = Duration::from_secs(1);

pub(super) fn run(bench: &Bench) -> Result<Outcome> {
    let active = Population { scheme: Scheme::Bcrypt, ..Population::live("active", bench.sizes.active) };
    let database = bench.shared(std::slice::from_ref(&active))?;
    let mut requests = tokens(&active);
    let (mut ratios, mut first, mut steady) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.sizes.rounds {
        let guard = bench.slow_guard(&database, Scheme::Bcrypt, &[])?;
        // A rejection in either period fails the row.
        let mut pace = |time| {
            let stream = Stream::saturated(guard.address, CONNECTIONS, &mut requests);
            run_for(stream, time).map(|answers| answers.per_second())
        };
        let (beginning, later) = (pace(BEGINNING)?, pace(bench.sizes.phase)?);
        ratios.push(beginning / later);
        first.push(beginning);
        steady.push(later);
    }
    let detail = format!(
        "{:.0}/s in the first second of {} bcrypt tokens, {:.0}/s later; {CONNECTIONS} connections, none refused",
        median(&first),
        active.count,
        median(&steady),
    );
    Ok(Outcome::Measured(Figure::ratio(ratios, detail)))
}
