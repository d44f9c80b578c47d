//! Throughput of verification with ten million tokens, relative to a thousand.

use anyhow::Result;

use super::guarded::tokens;
use crate::{
    bench::Bench,
    compare::{Side, compare},
    figure::Outcome,
    population::Population,
    traffic::{Repeated, get_with},
};

/// The number of tokens in use, evenly spread over all tokens.
const SAMPLE: u64 = 200_000;

pub(super) fn run(bench: &Bench) -> Result<Outcome> {
    let small = bench.small();
    let large = Population {
        owners: bench.sizes.large.div_ceil(1000),
        ..Population::live("large", bench.sizes.large)
    };
    // Another row measures the cost of usage recording.
    let flags = ["--usage", "off"];
    let few = bench.guard(&bench.shared(std::slice::from_ref(&small))?, &flags)?;
    let many = bench.guard(&bench.shared(std::slice::from_ref(&large))?, &flags)?;
    let texts = large.sample(SAMPLE).map(|number| get_with("/guarded", &large.text(number)));
    let (mut ours, mut base) = (Repeated::at_random(texts, 200), tokens(&small));
    let mut figure = compare(
        bench,
        Side { server: &many, requests: &mut ours },
        Side { server: &few, requests: &mut base },
    )?;
    figure.detail = format!("{} tokens: {}", large.count, figure.detail);
    Ok(Outcome::Measured(figure))
}
