//! Verification with ten million tokens, relative to a thousand.

use anyhow::Result;

use super::guarded::tokens;
use crate::{
    bench::Bench,
    compare::{Side, compare},
    figure::Outcome,
    population::Population,
    traffic::{Repeated, get_with},
};

/// How many tokens are used, evenly spread over all there are.
const SAMPLE: u64 = 200_000;

pub(super) fn run(bench: &Bench) -> Result<Outcome> {
    let small = bench.small();
    let large = Population {
        owners: bench.sizes.large.div_ceil(1000),
        ..Population::live("large", bench.sizes.large)
    };
    // What the log of uses costs is a row of its own.
    let flags = ["--usage", "off"];
    let few = bench.guard(&bench.shared(std::slice::from_ref(&small))?, &flags)?;
    let many = bench.guard(&bench.shared(std::slice::from_ref(&large))?, &flags)?;
    let texts = large.sample(SAMPLE).map(|number| get_with("/guarded", &large.text(number)));
    let (mut ours, mut base) = (Repeated::by_chance(texts, 200), tokens(&small));
    let mut figure = compare(
        bench,
        Side { server: &many, requests: &mut ours },
        Side { server: &few, requests: &mut base },
    )?;
    figure.detail = format!("{} tokens: {}", large.count, figure.detail);
    Ok(Outcome::Measured(figure))
}
