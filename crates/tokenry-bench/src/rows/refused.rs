//! Rejection of invalid tokens, relative to the bare endpoint of the same server.

use anyhow::Result;

use super::guarded::bare;
use crate::{
    bench::Bench,
    compare::{Side, compare},
    figure::Outcome,
    population::Population,
    traffic::{Repeated, get_with},
};

pub(super) fn checksum(bench: &Bench) -> Result<Outcome> {
    refused(bench, Population::wrong_checksum)
}

pub(super) fn unknown(bench: &Bench) -> Result<Outcome> {
    refused(bench, Population::unknown)
}

pub(super) fn secret(bench: &Bench) -> Result<Outcome> {
    refused(bench, |population, number| population.wrong(number, 0))
}

fn refused(bench: &Bench, text: fn(&Population, u64) -> String) -> Result<Outcome> {
    let small = bench.small();
    let guard = bench.guard(&bench.shared(std::slice::from_ref(&small))?, &[])?;
    let texts = (0..small.count).map(|number| get_with("/guarded", &text(&small, number)));
    let (mut ours, mut base) = (Repeated::in_order(texts, 401), bare());
    let figure = compare(
        bench,
        Side { server: &guard, requests: &mut ours },
        Side { server: &guard, requests: &mut base },
    )?;
    Ok(Outcome::Measured(figure))
}
